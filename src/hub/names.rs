//! Names that people and hubs give: of repositories, and of files in them.

use super::HubError;
use std::path::{Component, Path, PathBuf};

/// A repository and which state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `ORG/REPO`, or `REPO` for the oldest ones.
    pub name: String,
    /// A branch, tag or commit.
    pub revision: String,
}

impl Repository {
    /// Reads `hf:ORG/REPO` or `hf:ORG/REPO@REVISION`.
    ///
    /// # Errors
    ///
    /// [`Name`](HubError::Name) where it is something else.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let wrong = || HubError::Name(text.to_owned());
        let rest = text.strip_prefix("hf:").ok_or_else(wrong)?;
        let (name, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        let parts: Vec<&str> = name.split('/').collect();
        let sound = parts.len() <= 2 && parts.iter().all(|part| is_plain(part));
        let revision_sound = revision.split('/').all(is_plain);
        if !sound || !revision_sound {
            return Err(wrong());
        }
        Ok(Self {
            name: name.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// The name as one folder's.
    pub fn folder_name(&self) -> String {
        self.name.replace('/', "--")
    }
}

/// Letters, digits, `-`, `_` and `.`, but nothing that means another folder.
fn is_plain(part: &str) -> bool {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !part.is_empty()
        && part.len() <= 96
        && part.chars().all(known)
        && !part.trim_matches('.').is_empty()
}

/// A path that stays below the folder it is joined to, on any system: relative, no `..`, no backslash, no drive, no
/// control character.
pub(super) fn inside(name: &str) -> Result<PathBuf, HubError> {
    let path = Path::new(name);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let foreign = name.contains(['\\', ':']) || name.chars().any(char::is_control);
    // `a//b` and `a/./b` have plain parts and another spelling; a hub has no reason for either.
    let spelled_out = name.split('/').all(|part| !part.is_empty() && part != ".");
    if plain && !foreign && spelled_out && !name.is_empty() {
        return Ok(path.to_owned());
    }
    Err(HubError::Escapes(name.to_owned()))
}

/// A path as a URL has it: everything but plain letters as bytes.
pub(super) fn in_url(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_a_revision_whether_or_not_one_is_said() {
        let read = |text| Repository::parse(text).unwrap();
        let plain = read("hf:org/model-1.5_b");
        assert_eq!(
            (&*plain.name, &*plain.revision),
            ("org/model-1.5_b", "main")
        );
        assert_eq!(read("hf:org/m@refs/pr/7").revision, "refs/pr/7");
        assert_eq!(read("hf:gpt2").folder_name(), "gpt2");
        assert_eq!(plain.folder_name(), "org--model-1.5_b");
    }

    #[test]
    fn what_is_no_repository_is_refused() {
        let wrong = [
            "org/repo",
            "hf:",
            "hf:/repo",
            "hf:org/",
            "hf:a/b/c",
            "hf:../x",
            "hf:a/..",
            "hf:a/b?c",
            "hf:a b",
            "hf:a/b@",
            "hf:a/b@../../x",
            "hf:a/b#c",
        ];
        for text in wrong {
            assert!(Repository::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in [
            "../x",
            "/etc/passwd",
            "a/../b",
            "a//b",
            "./a",
            "a/.",
            "..\\x",
            "C:\\x",
            "c:x",
            "",
            "a\n",
            "a\0b",
            "..",
            "onnx/../../x",
        ] {
            assert!(inside(name).is_err(), "{name:?}");
        }
        for name in [
            "model.onnx",
            "onnx/model_q4.onnx_data_1",
            "..a",
            ".gitattributes",
        ] {
            assert_eq!(inside(name).unwrap(), Path::new(name));
        }
    }

    #[test]
    fn a_path_in_a_url_cannot_begin_a_query() {
        assert_eq!(in_url("a b/c?d#e%é"), "a%20b/c%3Fd%23e%25%C3%A9");
    }
}
