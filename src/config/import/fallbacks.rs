//! `fallbacks`, `default_fallbacks`: who is tried after which model.

use super::settings::Rest;
use super::walk::Notes;
use super::write::Group;
use std::collections::BTreeMap;

/// Who is tried after each model, and on which line that was said.
pub(super) type Chains = BTreeMap<String, (Vec<String>, u64)>;

/// The chain of every model that has one: its own, else the one for all.
pub(super) fn chains(groups: &[Group], rest: &Rest, notes: &Notes) -> Chains {
    let mut all = Chains::new();
    for (first, after, line) in &rest.fallbacks {
        if first != "*" {
            carry(&mut all, groups, (first, after, *line), notes);
        }
    }
    let for_all = rest.fallbacks.iter().filter(|(first, ..)| first == "*");
    for (_, after, line) in for_all {
        for group in groups {
            if !all.contains_key(&group.name) && after.iter().any(|name| *name != group.name) {
                carry(&mut all, groups, (&group.name, after, *line), notes);
            }
        }
    }
    all
}

/// One chain, as far as its models were carried over.
fn carry(
    all: &mut Chains,
    groups: &[Group],
    (first, after, line): (&str, &[String], u64),
    notes: &Notes,
) {
    let known = |name: &str| groups.iter().any(|group| group.name == name);
    let note = |message: String| {
        let remedy = "`fallback` of a model names others of `models`";
        notes.add(line, "fallbacks", message, remedy);
    };
    if !known(first) {
        return note(format!(
            "the fallback of `{first}` is not carried over: that model is not"
        ));
    }
    let mut chain: Vec<String> = Vec::new();
    for name in after {
        if !known(name) {
            note(format!(
                "`{name}` is no fallback of `{first}` here: that model is not carried over"
            ));
        } else if name != first && !chain.contains(name) {
            chain.push(name.clone());
        }
    }
    if all.contains_key(first) {
        return note(format!(
            "a second fallback of `{first}` is not carried over: a model has one"
        ));
    }
    if !chain.is_empty() {
        all.insert(first.to_owned(), (chain, line));
    }
}
