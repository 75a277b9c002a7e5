//! Another gateway's config as one of ours: LiteLLM's `config.yaml`.
//!
//! Promises: what comes out is a policy that can be loaded; what was not carried over, or not as it stood, is noted with
//! its line, the reason and what to write by hand, key by key; no key or password is in the policy or in a note.
//! The form is that of <https://docs.litellm.ai/docs/proxy/config_settings>.

mod clouds;
mod fallbacks;
mod models;
mod providers;
mod settings;
mod walk;
mod write;

use super::load;
use super::problem::{Problem, Severity};
use super::tree;
use std::collections::BTreeMap;
use std::path::Path;
use walk::{Item, Map, Notes, variable};

/// A policy made of another gateway's config.
#[derive(Debug)]
pub struct Imported {
    /// The policy, as YAML.
    pub text: String,
    /// What was not carried over, or not as it stood, in the order of the other file.
    pub notes: Vec<Problem>,
}

/// Reads LiteLLM's config.
///
/// # Errors
/// Why the file cannot be read, or every note where no model of it can be carried over.
pub fn import_litellm(path: &Path) -> Result<Imported, Vec<Problem>> {
    let wrong = |line, message: String, remedy: &str| {
        vec![Problem {
            file: path.to_owned(),
            line,
            path: String::new(),
            message,
            remedy: Some(remedy.to_owned()),
            severity: Severity::Error,
        }]
    };
    let text = load::read(path).map_err(|(message, remedy)| wrong(None, message, remedy))?;
    let node = tree::parse(&text)
        .map_err(|malformed| wrong(malformed.line, malformed.message, malformed.remedy))?;
    let notes = Notes::new(path);
    let root = Item::root(&node, &notes).map();
    let carried = carried(&root, path, &notes);
    let notes = notes.into_list();
    match carried {
        Some(text) => Ok(Imported { text, notes }),
        None => {
            let message = "no model of this file can be carried over".to_owned();
            let mut all = wrong(
                None,
                message,
                "is it LiteLLM's config, with a `model_list`?",
            );
            all.extend(notes);
            Err(all)
        }
    }
}

fn carried(root: &Map<'_>, path: &Path, notes: &Notes) -> Option<String> {
    let plain = environment(root);
    let list = root.take("model_list");
    let rest = settings::read(root);
    let entries = models::read(&list?, &plain);
    let groups = write::groups(entries, &rest, notes);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (!groups.is_empty()).then(|| write::policy(&name, &groups, &rest, notes))
}

/// `environment_variables`: what addresses may refer to. No value is repeated but that of an address.
fn environment(root: &Map<'_>) -> BTreeMap<String, String> {
    let given = root.map("environment_variables").rest();
    let plain = given.into_iter().filter_map(|(name, item)| {
        let message = format!("{name} is not carried over: the environment is the process's own");
        item.note(
            message,
            format!("set {name} for the gateway, where the policy refers to it"),
        );
        let text = item.text().filter(|text| variable(text).is_none());
        text.map(|text| (name.to_owned(), text))
    });
    plain.collect()
}

#[cfg(test)]
mod tests;
