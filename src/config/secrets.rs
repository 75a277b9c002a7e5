//! Secrets by reference: `{env: NAME}` or `{file: PATH}`. The only file that asks for the environment.
//!
//! No message repeats what was written where a reference belongs, for it may be the secret itself.

use super::reader::Value;
use crate::domain::{KeyDigest, Secret};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest secret file, in bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// The two forms of a reference.
const FORMS: &str = "write `{env: NAME_OF_VARIABLE}` or `{file: path/to/secret}`";

/// Where references lead: environment variables, and files from the config's folder.
pub(super) struct Secrets<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    folder: PathBuf,
}

impl<'a> Secrets<'a> {
    /// References of `file` are read with this environment.
    pub(super) fn new(file: &Path, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
        Self {
            environment,
            folder,
        }
    }

    /// Where references to variables lead.
    pub(super) fn environment(&self) -> &'a dyn Fn(&str) -> Option<String> {
        self.environment
    }

    /// A path in the config, taken from the config's own folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// A provider's key.
    pub(super) fn key(&self, value: &Value<'_>) -> Option<Secret> {
        let text = self.document(value)?;
        if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(Secret::new(text));
        }
        value.wrong(
            "the key holds spaces or characters that no header can carry",
            "store the key alone, without quotes or line breaks inside",
        );
        None
    }

    /// A secret text of any length, line breaks and all: the whole of a key file.
    pub(super) fn document(&self, value: &Value<'_>) -> Option<String> {
        if value.as_text().is_some() {
            value.wrong("a key may not stand in the config as text", FORMS);
            return None;
        }
        self.reference(value)
    }

    /// The digest of a client key: 64 hexadecimal digits, or a reference to them.
    pub(super) fn digest(&self, value: &Value<'_>) -> Option<KeyDigest> {
        let text = match value.as_text() {
            Some(text) => text.to_owned(),
            None => self.reference(value)?,
        };
        let digest = KeyDigest::parse(&text);
        if digest.is_none() {
            value.wrong(
                "this is no SHA-256 digest",
                "give the 64 hexadecimal digits that `printf %s \"$KEY\" | sha256sum` prints, in quotes",
            );
        }
        digest
    }

    /// A text that may stand in the config or be referred to.
    pub(super) fn text_or_reference(&self, value: &Value<'_>) -> Option<String> {
        match value.as_text() {
            Some(_) => value.text().map(str::to_owned),
            None => self.reference(value),
        }
    }

    fn reference(&self, value: &Value<'_>) -> Option<String> {
        let pairs = value.as_pairs().unwrap_or_default();
        let [(form, place)] = pairs.as_slice() else {
            value.wrong("this is no reference", FORMS);
            return None;
        };
        match (*form, place.as_text()) {
            ("env", Some(name)) => self.variable(place, name),
            ("file", Some(path)) => self.file(place, path),
            _ => {
                value.wrong("this is no reference", FORMS);
                None
            }
        }
    }

    fn variable(&self, place: &Value<'_>, name: &str) -> Option<String> {
        let named = name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !named || name.starts_with(|first: char| first.is_ascii_digit()) {
            place.wrong(
                "this is not the name of an environment variable",
                "capital letters, digits and `_`: `OPENAI_API_KEY`",
            );
            return None;
        }
        let text = (self.environment)(name).map(|text| text.trim().to_owned());
        if text.as_ref().is_none_or(String::is_empty) {
            place.wrong(
                format!("the environment variable {name} is not set"),
                format!("set {name} for this process"),
            );
            return None;
        }
        text
    }

    fn file(&self, place: &Value<'_>, path: &str) -> Option<String> {
        let path = self.resolve(path);
        match read(&path) {
            Ok(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Ok(_) => {
                place.wrong("the file is empty", "write the secret into it");
                None
            }
            Err(error) => {
                place.wrong(
                    format!("the file cannot be read: {}", error.kind()),
                    "the path starts at the folder of this config file",
                );
                None
            }
        }
    }
}

/// A text of at most [`MAX_BYTES`]: whatever the path leads to, no more than that is read.
fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let mut file = std::fs::File::open(path)?.take(MAX_BYTES + 1);
    if file.read_to_string(&mut text)? as u64 > MAX_BYTES {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}
