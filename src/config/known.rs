//! Names: their shape, that none is given twice, and that a name used is a name given.

use super::reader::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The longest name.
const MAX_NAME: usize = 64;

/// A name for a caller, a class, a route or a budget: lower-case letters, digits, `-` and `_`.
pub(super) fn word(value: &Value<'_>) -> Option<Arc<str>> {
    shaped(value, in_word, "lower-case letters, digits, `-` and `_`")
}

/// True for a text that can be such a name.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(in_word)
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
}

/// A name a client may ask for: as providers name their models.
pub(super) fn model_name(value: &Value<'_>) -> Option<Arc<str>> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+".contains(&byte);
    let name = shaped(value, fits, "letters, digits and `-_.:/@+`")?;
    let taken = match &*name {
        crate::policy::AUTO => "`auto` is how a client lets policy decide",
        crate::policy::HUMAN => "`human` is how a route says that a person takes over",
        _ => return Some(name),
    };
    value.wrong(
        format!("{taken}, so no model can have that name"),
        "choose another name",
    );
    None
}

/// Notes every name that was given before.
pub(super) fn refuse_twice(kind: &str, given: &[(Value<'_>, Arc<str>)]) {
    for (index, (value, name)) in given.iter().enumerate() {
        let before = given[..index].iter().find(|(_, earlier)| earlier == name);
        if let Some((first, _)) = before {
            let message = format!(
                "the {kind} `{name}` is already on line {} ({})",
                first.line(),
                first.path()
            );
            value.wrong(message, "give each a name of its own");
        }
    }
}

/// A set of names out of `known`, each that is not noted.
pub(super) fn some_of(value: &Value<'_>, kind: &str, known: &[Arc<str>]) -> BTreeSet<Arc<str>> {
    let names = value.each(|item| one_of(item, kind, known).map(|index| known[index].clone()));
    names.into_iter().collect()
}

/// Which of `known` the value names.
pub(super) fn one_of(value: &Value<'_>, kind: &str, known: &[Arc<str>]) -> Option<usize> {
    let name = value.text()?;
    let index = known.iter().position(|one| &**one == name);
    if index.is_none() {
        let known: Vec<&str> = known.iter().map(|one| &**one).collect();
        value.unknown(kind, name, &known);
    }
    index
}

fn shaped(value: &Value<'_>, fits: impl Fn(u8) -> bool, shape: &str) -> Option<Arc<str>> {
    let text = value.text()?;
    if text.len() <= MAX_NAME && text.bytes().all(fits) {
        return Some(text.into());
    }
    value.wrong(
        format!("`{text}` cannot be a name"),
        format!("use {shape}, at most {MAX_NAME}"),
    );
    None
}
