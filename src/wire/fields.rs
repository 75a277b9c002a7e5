//! The members of an object, taken one by one; what is left over at the end is known by name.

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// A body that is no request of its form: what is wrong, and with which field. Repeats nothing of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, and what would be right.
    pub message: String,
    /// The field.
    pub param: Option<&'static str>,
}

/// An object's members. A key that stands twice is a mistake: two readers could take two values.
#[derive(Debug)]
pub(super) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// The members of a whole body.
    pub(super) fn of_body(body: &'a str) -> Result<Self, Mistake> {
        serde_json::from_str(body).map_err(|error| not_json(&error))
    }

    /// The members of an object within it.
    pub(super) fn of(param: &'static str, raw: &'a RawValue) -> Result<Self, Mistake> {
        value(param, raw, "an object with each key once")
    }

    /// Takes a member; one that is `null` counts as left out.
    pub(super) fn raw(&mut self, key: &str) -> Option<&'a RawValue> {
        let raw = self.0.remove(key)?;
        (raw.get() != "null").then_some(raw)
    }

    /// Whether a member stands there and is not `null`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|raw| raw.get() != "null")
    }

    /// Takes and reads a member.
    pub(super) fn take<T: Deserialize<'a>>(
        &mut self,
        key: &str,
        param: &'static str,
        wanted: &str,
    ) -> Result<Option<T>, Mistake> {
        let raw = self.raw(key);
        raw.map(|raw| within(param, key, raw, wanted)).transpose()
    }

    /// Takes a text.
    pub(super) fn text(
        &mut self,
        key: &str,
        param: &'static str,
    ) -> Result<Option<String>, Mistake> {
        self.take(key, param, "a string")
    }

    /// Takes these and forgets them.
    pub(super) fn drop_all(&mut self, keys: &[&str]) {
        self.0.retain(|name, _| !keys.contains(&name.as_str()));
    }

    /// The names that are left and have a value, in words that are ours.
    pub(super) fn left(self) -> impl Iterator<Item = &'static str> {
        let left = self.0.into_iter().filter(|(_, raw)| raw.get() != "null");
        left.map(|(name, _)| {
            let known = KNOWN.iter().find(|known| **known == name);
            known.copied().unwrap_or("a field that is not known here")
        })
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields<'de>, A::Error> {
                let mut all = BTreeMap::new();
                while let Some((key, value)) = members.next_entry::<String, &RawValue>()? {
                    if all.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key stands twice"));
                    }
                }
                Ok(Fields(all))
            }
        }
        from.deserialize_map(Members)
    }
}

/// Fields that only one form has and that change what is asked.
const KNOWN: [&str; 24] = [
    "audio",
    "background",
    "best_of",
    "container",
    "context_management",
    "conversation",
    "echo",
    "function_call",
    "functions",
    "include",
    "inference_geo",
    "logprobs",
    "mcp_servers",
    "modalities",
    "moderation",
    "n",
    "prompt",
    "stop",
    "suffix",
    "top_k",
    "top_logprobs",
    "truncation",
    "user_profile_id",
    "web_search_options",
];

/// A list that may also be one text.
pub(super) enum OneOrMany<'a> {
    One(String),
    Many(Vec<&'a RawValue>),
}

/// Reads a text or a list.
pub(super) fn one_or_many<'a>(
    param: &'static str,
    raw: &'a RawValue,
) -> Result<OneOrMany<'a>, Mistake> {
    if raw.get().starts_with('"') {
        return value(param, raw, "a string").map(OneOrMany::One);
    }
    value(param, raw, "a string or a list").map(OneOrMany::Many)
}

/// Reads a value, or says what it should have been.
pub(super) fn value<'a, T: Deserialize<'a>>(
    param: &'static str,
    raw: &'a RawValue,
    wanted: &str,
) -> Result<T, Mistake> {
    within(param, param, raw, wanted)
}

fn within<'a, T: Deserialize<'a>>(
    param: &'static str,
    key: &str,
    raw: &'a RawValue,
    wanted: &str,
) -> Result<T, Mistake> {
    serde_json::from_str(raw.get()).map_err(|error| {
        let column = error.column();
        let place = if key == param {
            format!("`{param}`")
        } else {
            format!("`{key}` in `{param}`")
        };
        let message = format!(
            "{place} must be {wanted}; what stands there cannot be read (at its byte {column})"
        );
        mistake(param, message)
    })
}

/// A mistake with a field.
pub(super) fn mistake(param: &'static str, message: impl Into<String>) -> Mistake {
    Mistake {
        message: message.into(),
        param: Some(param),
    }
}

/// A field that is not there.
pub(super) fn missing(param: &'static str) -> Mistake {
    mistake(param, format!("`{param}` is required"))
}

/// serde_json's own message can quote the body, so only the place and the kind of mistake are taken from it.
fn not_json(error: &serde_json::Error) -> Mistake {
    let place = format!("line {}, column {}", error.line(), error.column());
    let message = match error.classify() {
        serde_json::error::Category::Eof => format!("the body ends too early ({place})"),
        serde_json::error::Category::Data => {
            format!("the body must be a JSON object with each key once ({place})")
        }
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            format!("the body is not valid JSON ({place})")
        }
    };
    Mistake {
        message,
        param: None,
    }
}
