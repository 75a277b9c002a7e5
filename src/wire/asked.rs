//! A request in no wire form: what all of them can say.

use super::fields::{Mistake, OneOrMany, one_or_many};
use crate::domain::{JsonWish, Message, Needs, Role, Wishes};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A request as far as forms agree on it. Borrows the body, so that numbers, schemas and arguments keep their bytes.
#[derive(Debug, Default)]
pub struct Asked<'a> {
    /// The value of `model`, quotes included.
    pub model: Option<&'a RawValue>,
    /// The conversation, in order; instructions are turns of [`Role::System`].
    pub turns: Vec<Turn<'a>>,
    /// Tools on offer.
    pub tools: Vec<Tool<'a>>,
    /// Which of them has to be called.
    pub choice: Option<ToolChoice>,
    /// Several may be called at once; where nothing is said they may.
    pub parallel: Option<bool>,
    /// The most output tokens.
    pub max_output: Option<u64>,
    /// The values that say so.
    pub limits: Vec<&'a RawValue>,
    /// As it was written.
    pub temperature: Option<&'a RawValue>,
    /// As it was written.
    pub top_p: Option<&'a RawValue>,
    /// Texts that end the answer.
    pub stops: Vec<String>,
    /// What the answer has to look like.
    pub format: Format<'a>,
    /// How hard the model is to think: `low`, `medium`, `high` or another word of OpenAI's.
    pub effort: Option<String>,
    /// The end user's name, as the caller tells it apart.
    pub user: Option<String>,
    /// The answer is wanted as a stream.
    pub stream: bool,
    /// The caller wants to be told the usage at the end of a stream.
    pub include_usage: bool,
    /// Fields that all of OpenAI's forms have, by name, as they were written.
    pub shared: Vec<(&'static str, &'a RawValue)>,
    /// The value of `stream_options`.
    pub stream_options: Option<&'a RawValue>,
    /// The value of `previous_response_id`.
    pub previous: Option<&'a RawValue>,
    /// The value of `metadata`.
    pub metadata: Option<&'a RawValue>,
    /// The text of the last message, quotes included, where that is one plain text of the person.
    pub question: Option<&'a RawValue>,
    /// Fields and kinds of parts that change what is asked and that only this form can say; those that nobody here
    /// knows are not named, since a name may hold anything.
    pub strange: Vec<&'static str>,
}

/// What one side said in one go.
#[derive(Debug)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part<'a>>,
}

/// A part of what is said.
#[derive(Debug)]
pub enum Part<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A picture.
    Image(Image),
    /// The model calls a tool.
    Call {
        /// By which the result is given back.
        id: Cow<'a, str>,
        /// The tool.
        name: Cow<'a, str>,
        /// A JSON text.
        arguments: Cow<'a, str>,
    },
    /// What a tool gave back: text and pictures.
    Result {
        /// The call's id.
        id: Cow<'a, str>,
        /// What came of it.
        parts: Vec<Part<'a>>,
        /// It failed.
        failed: bool,
    },
    /// What the model thought; no other form takes it back.
    Thought,
    /// Something that only its own form can say; it stands in [`Asked::strange`] too.
    Strange,
}

/// A picture.
#[derive(Debug)]
pub enum Image {
    /// At an address, which the gateway never asks for.
    At {
        /// Its address.
        url: String,
        /// How closely it is to be looked at: `low`, `high`, `auto`.
        detail: Option<String>,
    },
    /// In the request itself.
    Data {
        /// `image/png`, …
        media_type: String,
        /// In base64.
        data: String,
        /// As above.
        detail: Option<String>,
    },
}

/// A tool on offer.
#[derive(Debug)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it does.
    pub description: Option<Cow<'a, str>>,
    /// The JSON schema of its arguments, as it was written.
    pub schema: Option<&'a RawValue>,
    /// Arguments are to fit the schema exactly.
    pub strict: Option<bool>,
}

/// Which tool has to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// Some.
    Any,
    /// This one.
    Named(String),
}

/// What the answer has to look like.
#[derive(Debug, Default)]
pub enum Format<'a> {
    /// Nothing is said.
    #[default]
    Text,
    /// A JSON object.
    Json,
    /// JSON that fits a schema.
    Schema {
        /// The schema's name; OpenAI wants one.
        name: Option<String>,
        /// The schema, as it was written.
        schema: &'a RawValue,
        /// To fit exactly.
        strict: Option<bool>,
    },
}

impl Image {
    /// An address, or the data in a `data:` URL.
    pub(super) fn of_url(url: String, detail: Option<String>) -> Self {
        let data = url
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(";base64,"));
        match data {
            Some((media_type, data)) => Self::Data {
                media_type: media_type.to_owned(),
                data: data.to_owned(),
                detail,
            },
            None => Self::At { url, detail },
        }
    }

    /// Its address, or its data as one.
    pub(super) fn url(&self) -> String {
        match self {
            Self::At { url, .. } => url.clone(),
            Self::Data {
                media_type, data, ..
            } => format!("data:{media_type};base64,{data}"),
        }
    }

    pub(super) fn detail(&self) -> Option<&str> {
        match self {
            Self::At { detail, .. } | Self::Data { detail, .. } => detail.as_deref(),
        }
    }

    /// Bytes that it takes in the body.
    fn bytes(&self) -> usize {
        match self {
            Self::At { url, .. } => url.len(),
            Self::Data { data, .. } => data.len(),
        }
    }
}

impl Asked<'_> {
    /// The conversation as policy, signals and local answers read it.
    pub fn messages(&self) -> Vec<Message> {
        let message = |turn: &Turn<'_>| Message {
            role: turn.role,
            text: text(&turn.parts),
        };
        self.turns.iter().map(message).collect()
    }

    /// What an answering model must be able to do.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs {
            tools: !self.tools.is_empty(),
            json: !matches!(self.format, Format::Text),
            ..Needs::default()
        };
        for turn in &self.turns {
            see(&turn.parts, &mut needs);
        }
        needs.images = needs.image_parts > 0;
        needs.attachments = needs.image_parts + needs.other_parts > 0;
        needs
    }

    /// How tokens are to be chosen, for an engine in this process. What is strange it cannot honour.
    pub fn wishes(&self) -> Wishes {
        let number = |raw: Option<&RawValue>, most: f32| {
            let number = raw.map(|raw| raw.get().parse::<f32>());
            match number {
                None => Ok(None),
                Some(Ok(number)) if (0.0..=most).contains(&number) => Ok(Some(number)),
                Some(_) => Err(()),
            }
        };
        let (temperature, top_p) = (number(self.temperature, 2.0), number(self.top_p, 1.0));
        let odd = self
            .shared
            .iter()
            .any(|(name, raw)| !is_harmless(name, raw));
        Wishes {
            beyond: odd
                || !self.strange.is_empty()
                || temperature.is_err()
                || top_p.is_err()
                || top_p == Ok(Some(0.0)),
            temperature: temperature.ok().flatten(),
            top_p: top_p.ok().flatten(),
            seed: None,
            stops: self.stops.clone(),
            log_probabilities: false,
            json: match &self.format {
                Format::Text => None,
                Format::Json => Some(JsonWish::Object),
                Format::Schema { schema, .. } => Some(JsonWish::Schema(schema.get().into())),
            },
        }
    }

    /// Notes what only this form can say.
    pub(super) fn note_strange(&mut self, what: &'static str) {
        self.strange.push(what);
    }
}

/// A field of OpenAI's forms that changes nothing in the text of an answer, or is set to do nothing.
pub(super) fn is_harmless(name: &str, raw: &RawValue) -> bool {
    match name {
        "frequency_penalty" | "presence_penalty" => raw.get().parse() == Ok(0.0),
        "logit_bias" => raw.get().bytes().all(|byte| b"{} \n\r\t".contains(&byte)),
        _ => true,
    }
}

/// What is said where a text may stand or a list of parts, each read by `part`.
pub(super) fn said<'a>(
    param: &'static str,
    raw: &'a RawValue,
    part: impl FnMut(&'a RawValue) -> Result<Part<'a>, Mistake>,
) -> Result<Vec<Part<'a>>, Mistake> {
    match one_or_many(param, raw)? {
        OneOrMany::One(text) => Ok(vec![Part::Text(text.into())]),
        OneOrMany::Many(parts) => parts.into_iter().map(part).collect(),
    }
}

fn text(parts: &[Part<'_>]) -> String {
    let mut text = String::new();
    let mut add = |more: &str| {
        if !text.is_empty() && !more.is_empty() {
            text.push('\n');
        }
        text.push_str(more);
    };
    for part in parts {
        match part {
            Part::Text(said) => add(said),
            Part::Result { parts, .. } => add(&self::text(parts)),
            Part::Image(_) | Part::Call { .. } | Part::Thought | Part::Strange => {}
        }
    }
    text
}

fn see(parts: &[Part<'_>], needs: &mut Needs) {
    for part in parts {
        match part {
            Part::Image(image) => {
                needs.image_parts += 1;
                needs.image_bytes += image.bytes();
            }
            Part::Call { .. } => needs.tools = true,
            Part::Result { parts, .. } => {
                needs.tools = true;
                see(parts, needs);
            }
            // What nobody here knows may hold anything.
            Part::Strange => needs.other_parts += 1,
            Part::Text(_) | Part::Thought => {}
        }
    }
}
