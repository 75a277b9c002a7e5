//! A name in a record: out of the config or a closed list, shared rather than copied.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A short name. Noting one costs a reference count or nothing, never a copy of the text.
#[derive(Clone)]
pub struct Word(Form);

#[derive(Clone)]
enum Form {
    Fixed(&'static str),
    Shared(Arc<str>),
}

impl Word {
    /// A name known when the program is built.
    pub const fn fixed(name: &'static str) -> Self {
        Self(Form::Fixed(name))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Form::Fixed(name) => name,
            Form::Shared(name) => name,
        }
    }

    /// The name as a shared text; copies only one that was known when the program was built.
    pub fn to_shared(&self) -> Arc<str> {
        match &self.0 {
            Form::Fixed(name) => Arc::from(*name),
            Form::Shared(name) => name.clone(),
        }
    }
}

impl Default for Word {
    fn default() -> Self {
        Self::fixed("")
    }
}

impl Deref for Word {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&'static str> for Word {
    fn from(name: &'static str) -> Self {
        Self::fixed(name)
    }
}

impl From<Arc<str>> for Word {
    fn from(name: Arc<str>) -> Self {
        Self(Form::Shared(name))
    }
}

impl From<&Arc<str>> for Word {
    fn from(name: &Arc<str>) -> Self {
        Self(Form::Shared(name.clone()))
    }
}

impl From<String> for Word {
    fn from(name: String) -> Self {
        Self(Form::Shared(name.into()))
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Word {}

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Word {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
