//! A model's chat template: a conversation to the one text that the model was trained to go on from.
//!
//! Templates are Jinja programs that come with a model, so they run with a bound on their steps and see nothing but
//! the conversation. Names, filters and functions are those that `transformers` gives them.

use super::calendar::format_time;
use crate::inference::EngineError;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use std::io::{self, Write};
use std::time::SystemTime;

/// What a template is asked to write out.
#[derive(Clone)]
pub struct Conversation {
    /// Messages in the form of OpenAI's API: objects with `role` and `content`. In order.
    pub messages: Vec<serde_json::Value>,
    /// Tools in the form of OpenAI's API, for templates that know them.
    pub tools: Option<Vec<serde_json::Value>>,
    /// What a template that names the date takes for now, in UTC.
    pub now: SystemTime,
}

/// A template, read and checked.
pub(super) struct ChatTemplate {
    environment: Environment<'static>,
    special_tokens: serde_json::Map<String, serde_json::Value>,
}

/// Steps that one rendering may take: a thousand messages take about a hundredth.
const FUEL: u64 = 5_000_000;

const NAME: &str = "chat_template";

impl ChatTemplate {
    /// Reads a template. `special_tokens` are given to it by their names (`bos_token`, `eos_token`).
    pub(super) fn parse(
        source: &str,
        special_tokens: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, EngineError> {
        let mut environment = Environment::new();
        set_up(&mut environment).map_err(|error| refused(&error))?;
        environment
            .add_template_owned(NAME, without_generation_marks(source))
            .map_err(|error| refused(&error))?;
        Ok(Self {
            environment,
            special_tokens,
        })
    }

    /// The conversation written out, with the opening of the model's turn at its end.
    pub(super) fn render(&self, conversation: &Conversation) -> Result<String, EngineError> {
        let now = conversation.now;
        let mut context = self.special_tokens.clone();
        context.insert("messages".into(), conversation.messages.clone().into());
        context.insert("tools".into(), conversation.tools.clone().into());
        context.insert("documents".into(), serde_json::Value::Null);
        context.insert("add_generation_prompt".into(), true.into());
        let strftime = Value::from_function(move |format: &str| format_time(format, now));
        let context =
            minijinja::context! { strftime_now => strftime, ..Value::from(Serde(context)) };
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|error| refused(&error))?;
        template.render(context).map_err(|error| refused(&error))
    }
}

fn set_up(environment: &mut Environment<'static>) -> Result<(), Error> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", to_json);
    environment.add_function("raise_exception", raise_exception);
    Ok(())
}

/// A template refuses a conversation by this; its words are its author's and hold no text of the caller as a rule, but
/// may, so they are not passed on.
fn raise_exception(_message: &str) -> Result<Value, Error> {
    Err(Error::new(
        ErrorKind::InvalidOperation,
        "the template refuses this conversation",
    ))
}

/// The place and kind of a template's error. Its detail could hold text of the conversation.
fn refused(error: &Error) -> EngineError {
    let line = error
        .line()
        .map_or(String::new(), |line| format!(" in line {line}"));
    let kind = error.kind();
    let what = if kind == ErrorKind::OutOfFuel {
        "it takes too many steps".to_owned()
    } else if kind == ErrorKind::InvalidOperation {
        "it refuses this conversation".to_owned()
    } else {
        kind.to_string()
    };
    EngineError::new(format!("the chat template fails{line}: {what}"))
}

/// `{% generation %}` marks what a model is trained on and writes nothing; to us it is a block that is always taken.
fn without_generation_marks(source: &str) -> String {
    let mut text = source.to_owned();
    for (mark, block) in [("generation", "if true"), ("endgeneration", "endif")] {
        for open in ["{%", "{%-"] {
            for close in ["%}", "-%}"] {
                text = text.replace(
                    &format!("{open} {mark} {close}"),
                    &format!("{open} {block} {close}"),
                );
            }
        }
    }
    text
}

/// Python's `json.dumps(value, ensure_ascii=False)`, as `transformers` has it: blanks behind commas and colons, and
/// no escapes for HTML.
#[expect(clippy::needless_pass_by_value, reason = "the form that filters have")]
fn to_json(value: Value, arguments: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = arguments.get("indent")?;
    let mut out = Vec::new();
    let written = match indent {
        None => value.serialize(&mut serde_json::Serializer::with_formatter(
            &mut out, Spaced,
        )),
        Some(width) => {
            let blanks = vec![b' '; width.min(16)];
            let pretty = PrettyFormatter::with_indent(&blanks);
            value.serialize(&mut serde_json::Serializer::with_formatter(
                &mut out, pretty,
            ))
        }
    };
    let failed = || {
        Error::new(
            ErrorKind::BadSerialization,
            "the value cannot be written as JSON",
        )
    };
    written.map_err(|_| failed())?;
    String::from_utf8(out).map_err(|_| failed())
}

/// JSON on one line, with a blank behind each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation")
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChatTemplate")
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
