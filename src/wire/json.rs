//! Writes JSON objects member by member, so that values that were read pass with the bytes that they came in.

use serde::Serialize;

/// A JSON text that is written already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Json(pub(super) String);

/// An object being written, in the order in which members are put.
#[derive(Debug, Default)]
pub(super) struct Object(String);

impl Object {
    /// The same with one more member.
    pub(super) fn with(mut self, key: &str, value: impl Serialize) -> Self {
        self.put(key, value);
        self
    }

    /// The same with one more member, where there is a value.
    pub(super) fn with_some(mut self, key: &str, value: Option<impl Serialize>) -> Self {
        if let Some(value) = value {
            self.put(key, value);
        }
        self
    }

    /// The same with one more member that is written already.
    pub(super) fn with_json(mut self, key: &str, value: &Json) -> Self {
        self.key(key);
        self.0.push_str(&value.0);
        self
    }

    pub(super) fn end(self) -> Json {
        Json(if self.0.is_empty() {
            "{}".into()
        } else {
            self.0 + "}"
        })
    }

    fn put(&mut self, key: &str, value: impl Serialize) {
        self.key(key);
        self.0.push_str(&text(&value));
    }

    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&text(&key));
        self.0.push(':');
    }
}

impl Json {
    /// A list of texts that are written already.
    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        let items: Vec<String> = items.into_iter().map(|item| item.0).collect();
        Self(format!("[{}]", items.join(",")))
    }
}

/// A value as JSON. What is written here are texts, numbers and what was JSON before: none of these can fail.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}
