//! `topics`: the operator's own, learned before or given by example; and whether every topic named is one there is.

use super::known::is_word;
use super::load::read as read_text;
use super::problem::{Problem, Report, Severity, suggest};
use super::reader::{Section, Value};
use super::secrets::Secrets;
use super::settings::{Settings, TopicSettings, TopicSource};
use super::tree;
use crate::learning::FEWEST_UTTERANCES;
use crate::signals::NONE;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A topic with fewer utterances is doubted.
pub(super) const FEW_UTTERANCES: usize = 5;

/// Reads `topics`. A file of utterances is read as part of this one; what is wrong in it is noted with its own lines.
pub(super) fn read(root: &Section<'_>, secrets: &Secrets<'_>, report: &Report) -> TopicSettings {
    let Some(section) = root.section("topics", &["learned", "examples", "file", "built_in"]) else {
        return TopicSettings::default();
    };
    let sources = ["learned", "examples", "file"].map(|key| section.get(key));
    if sources.iter().flatten().count() != 1 {
        section.value().wrong(
            "exactly one of `learned`, `examples` and `file` has to be given",
            "keep one; to use both, put the utterances among the examples that are learned from",
        );
    }
    let [learned, examples, file] = sources;
    let source = match (learned, examples, file) {
        (Some(folder), _, _) => folder
            .text()
            .map(|path| TopicSource::Learned(secrets.resolve(path))),
        (None, Some(map), _) => Some(TopicSource::Examples {
            utterances: utterances(&map),
            file: None,
        }),
        (None, None, Some(path)) => path.text().map(|text| {
            let path_of_file = secrets.resolve(text);
            TopicSource::Examples {
                utterances: from_file(&path_of_file, &path, report),
                file: Some(path_of_file),
            }
        }),
        (None, None, None) => None,
    };
    TopicSettings {
        source,
        built_in: section.read("built_in", true, |value| value.flag()),
    }
}

/// Every topic that routes, quality or budgets name and that is none of `known`.
pub fn unknown_topics(settings: &Settings, known: &[Arc<str>]) -> Vec<Problem> {
    let routes = settings.policy.routes.iter().enumerate();
    let in_routes = routes.flat_map(|(index, route)| {
        let path = format!("routes[{index}].when.topic");
        let topics = route.when.topics.iter().flatten();
        topics.map(move |topic| (path.clone(), topic))
    });
    let budgets = settings.policy.cost.budgets.iter().enumerate();
    let in_budgets = budgets.filter_map(|(index, budget)| {
        let path = format!("cost.budgets[{index}].topic");
        Some((path, budget.topic.as_ref()?))
    });
    let quality = &settings.policy.quality;
    let remote = quality
        .always_remote
        .iter()
        .map(|topic| ("always_remote", topic));
    let human = quality
        .always_human
        .iter()
        .map(|topic| ("always_human", topic));
    let own = quality.topics.keys().map(|topic| ("topics", topic));
    let in_quality = remote
        .chain(human)
        .chain(own)
        .map(|(key, topic)| (format!("quality.{key}"), topic));
    let names: Vec<&str> = known.iter().map(|name| &**name).collect();
    in_routes
        .chain(in_quality)
        .chain(in_budgets)
        .filter(|(_, topic)| !known.contains(topic))
        .map(|(path, topic)| {
            let message = format!("no topic named `{topic}`");
            let remedy = format!("{}; or add it under `topics`", suggest(topic, &names));
            let source = &settings.source;
            source.problem(Severity::Error, path, message, Some(&remedy))
        })
        .collect()
}

fn from_file(
    path: &Path,
    named_at: &Value<'_>,
    report: &Report,
) -> BTreeMap<Arc<str>, Vec<Arc<str>>> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err((message, remedy)) => {
            named_at.wrong(format!("{}: {message}", path.display()), remedy);
            return BTreeMap::new();
        }
    };
    let inner = Report::new(path);
    let found = match tree::parse(&text) {
        Ok(node) => utterances(&Value::root(&node, &inner)),
        Err(malformed) => {
            let remedy = Some(malformed.remedy.to_owned());
            inner.error(malformed.line, "", malformed.message, remedy);
            BTreeMap::new()
        }
    };
    report.absorb(inner);
    found
}

/// A map of topics, each with its utterances.
fn utterances(map: &Value<'_>) -> BTreeMap<Arc<str>, Vec<Arc<str>>> {
    let Some(pairs) = map.as_pairs() else {
        map.wrong(
            "found no topics",
            "write `billing: [\"why is my bill so high\", …]`",
        );
        return BTreeMap::new();
    };
    if pairs.is_empty() {
        map.wrong("there is no topic", "name at least one");
    }
    let (mut topics, mut given) = (BTreeMap::new(), BTreeMap::new());
    for (name, texts) in pairs {
        if !is_word(name) || name == NONE {
            texts.wrong(
                format!("`{name}` cannot be the name of a topic"),
                "use lower-case letters, digits, `-` and `_`, at most 64; `none` is reserved",
            );
            continue;
        }
        let items = texts.list().unwrap_or_default();
        if (1..FEWEST_UTTERANCES).contains(&items.len()) || texts.list_is_empty() {
            texts.wrong(
                format!("`{name}` has too few utterances"),
                format!("give at least {FEWEST_UTTERANCES}; five to twenty are better"),
            );
        }
        let said = items.iter().filter_map(|item| utterance(item, &mut given));
        topics.insert(name.into(), said.collect());
    }
    topics
}

/// One utterance, which no topic has already: what is given twice says nothing of how utterances differ.
fn utterance<'a>(item: &Value<'a>, given: &mut BTreeMap<String, u64>) -> Option<Arc<str>> {
    let text = item.text()?;
    if let Some(line) = given.insert(text.to_lowercase(), item.line()) {
        item.wrong(
            format!("the same utterance is on line {line}"),
            "keep one of the two, under the topic that is right",
        );
    }
    Some(text.into())
}
