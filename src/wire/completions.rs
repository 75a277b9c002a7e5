//! OpenAI's legacy completions: one prompt, which is what the person says.

use super::asked::{Asked, Part, Turn};
use super::chat;
use super::fields::{Fields, Mistake, OneOrMany, missing, one_or_many, value};
use super::tell::{End, Gathered, Head};
use crate::domain::{Chunk, FinishReason, Role, Usage};
use serde_json::{Value, json};
use std::borrow::Cow;

pub(super) fn read(body: &str) -> Result<Asked<'_>, Mistake> {
    let mut fields = Fields::of_body(body)?;
    let mut asked = Asked {
        model: fields.raw("model"),
        ..Asked::default()
    };
    let prompt = fields.raw("prompt").ok_or_else(|| missing("prompt"))?;
    match one_or_many("prompt", prompt)? {
        OneOrMany::One(text) => {
            asked.question = Some(prompt);
            asked.turns.push(turn(text));
        }
        OneOrMany::Many(prompts) => {
            // Several prompts are several answers, and tokens are another model's words.
            if prompts.len() != 1 || !prompts[0].get().starts_with('"') {
                asked.note_strange("prompt (other than one text)");
            }
            for raw in prompts {
                match raw.get().starts_with('"') {
                    true => asked.turns.push(turn(value("prompt", raw, "a string")?)),
                    false => asked.turns.push(Turn {
                        role: Role::User,
                        parts: vec![Part::Strange],
                    }),
                }
            }
        }
    }
    read_settings(&mut fields, &mut asked)?;
    asked.strange.extend(fields.left());
    Ok(asked)
}

fn turn<'a>(text: String) -> Turn<'a> {
    Turn {
        role: Role::User,
        parts: vec![Part::Text(Cow::Owned(text))],
    }
}

fn read_settings<'a>(fields: &mut Fields<'a>, asked: &mut Asked<'a>) -> Result<(), Mistake> {
    if let Some(limit) = fields.raw("max_tokens") {
        asked.max_output = Some(value("max_tokens", limit, "a whole number of tokens")?);
        asked.limits.push(limit);
    }
    asked.stream = fields
        .take("stream", "stream", "true or false")?
        .unwrap_or(false);
    chat::stream_options(fields, asked)?;
    chat::sampling(fields, asked)?;
    for key in ["n", "best_of"] {
        if fields.take::<u32>(key, "n", "a whole number")?.unwrap_or(1) > 1 {
            asked.note_strange(key);
        }
    }
    if fields.take::<bool>("echo", "echo", "true or false")? == Some(true) {
        asked.note_strange("echo");
    }
    let suffix = fields.text("suffix", "suffix")?;
    if suffix.is_some_and(|suffix| !suffix.is_empty()) {
        asked.note_strange("suffix");
    }
    Ok(())
}

/// One answer that is being told.
#[derive(Debug)]
pub struct Telling {
    head: Head,
}

impl Telling {
    pub(super) fn new(head: Head) -> Self {
        Self { head }
    }

    pub(super) fn chunk(&mut self, chunk: &Chunk) -> String {
        match chunk {
            Chunk::Text(text) | Chunk::Tokens { text, .. } => self.event(&choice(text, None), None),
            // Of a model that thinks or declines, this form can tell nothing.
            Chunk::Piece(_) | Chunk::Verbatim(_) => String::new(),
            Chunk::Finish { reason, usage } => {
                let mut events = self.event(&choice("", Some(*reason)), None);
                if self.head.include_usage {
                    events += &self.event(&json!([]), Some(usage));
                }
                events + "data: [DONE]\n\n"
            }
        }
    }

    pub(super) fn whole(&self, all: &Gathered, (reason, usage): End<'_>) -> String {
        self.document(&choice(&all.text, Some(reason)), Some(usage))
            .to_string()
    }

    fn event(&self, choices: &Value, usage: Option<&Usage>) -> String {
        format!("data: {}\n\n", self.document(choices, usage))
    }

    fn document(&self, choices: &Value, usage: Option<&Usage>) -> Value {
        let mut document = json!({
            "id": format!("cmpl-{}", self.head.id),
            "object": "text_completion",
            "created": self.head.created,
            "model": &*self.head.model,
            "choices": choices,
        });
        if let Some(usage) = usage {
            document["usage"] = chat::usage_json(usage);
        }
        document
    }
}

fn choice(text: &str, reason: Option<FinishReason>) -> Value {
    let reason = reason.map(|reason| match reason {
        FinishReason::Length | FinishReason::ContentFilter => reason.as_str(),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other => "stop",
    });
    json!([{"text": text, "index": 0, "logprobs": null, "finish_reason": reason}])
}
