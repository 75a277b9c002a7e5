//! What is worked out of a request before the decode thread gets it: its ids, and the grammar of its answer.

use super::grammar::{Grammar, Grammars};
use super::template::{ChatTemplate, Conversation};
use super::text::Vocabulary;
use crate::inference::EngineError;
use serde_json::Value;
use std::sync::Arc;

/// Works on a thread of its own: a long text, or a large schema, must not hold up the others' next token.
pub(super) struct Reader {
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) template: Option<ChatTemplate>,
    /// None where it is not known which bytes the tokens stand for.
    pub(super) grammars: Option<Grammars>,
}

impl Reader {
    /// As [`Decoder::ids_of_chat`](super::Decoder::ids_of_chat).
    pub(super) fn ids_of_chat(
        &self,
        mut conversation: Conversation,
    ) -> Result<Vec<u32>, EngineError> {
        let template = self.template.as_ref();
        let template = template.ok_or_else(|| {
            EngineError::new("the model has no chat template; send it a text, or add chat_template.jinja to its folder")
        })?;
        for message in &mut conversation.messages {
            part_special_tokens(message, &self.vocabulary);
        }
        for tool in conversation.tools.iter_mut().flatten() {
            part_special_tokens(tool, &self.vocabulary);
        }
        self.vocabulary
            .ids_as_written(&template.render(&conversation)?)
    }

    /// As [`Decoder::json_grammar`](super::Decoder::json_grammar).
    pub(super) fn json_grammar(&self, schema: Option<&str>) -> Result<Grammar, EngineError> {
        let grammars = self.grammars.as_ref();
        let grammars = grammars.ok_or_else(|| {
            EngineError::new("the model's tokens are written in a way that is not known, so its answers keep to no form")
        })?;
        grammars.of_json(schema)
    }
}

fn part_special_tokens(value: &mut Value, vocabulary: &Vocabulary) {
    match value {
        Value::String(text) => *text = vocabulary.without_special_tokens(text),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| part_special_tokens(item, vocabulary)),
        Value::Object(fields) => {
            fields
                .values_mut()
                .for_each(|field| part_special_tokens(field, vocabulary));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
