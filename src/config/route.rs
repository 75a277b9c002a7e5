//! `routes`, `quality` and `guard`: what chooses among the models that may answer.

use super::known::{is_word, one_of, refuse_twice, some_of, word};
use super::latency;
use super::reader::{Section, Value};
use super::secrets::Secrets;
use super::settings::PromiseSettings;
use crate::calibration::Promise;
use crate::domain::{Probability, Sentiment, Tier};
use crate::policy::{Bar, Condition, Cue, Guard, HUMAN, Quality, RouteRule};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use whatlang::Lang;

/// The local tier answers up to this complexity where the operator says nothing.
const THRESHOLD: f32 = 0.5;
/// Policy's own choice stays the rule: of two endpoints, one cannot be explored more often than chosen.
const MOST_EXPLORED: f64 = 0.5;

/// For how long a conversation stays with the higher tier where `sticky` says nothing.
const STICKY: Duration = Duration::from_secs(30 * 60);
/// A stay shorter than this holds nobody, and after a day it is another conversation.
const STICKY_SPANS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

/// Every key of a route.
const ROUTE_KEYS: &[&str] = &["name", "when", "use", "latency"];
/// Every key of `quality`.
const QUALITY_KEYS: &[&str] = &[
    "threshold",
    "promise",
    "always_remote",
    "always_human",
    "topics",
    "escalate_on",
    "sticky",
    "explore",
];

/// Reads `routes`.
pub(super) fn read(
    root: &Section<'_>,
    known: latency::Known<'_>,
    callers: &[Arc<str>],
) -> Vec<RouteRule> {
    let mut given = Vec::new();
    let mut routes = Vec::new();
    let entries = root.get("routes").and_then(|value| value.list());
    for entry in entries.unwrap_or_default() {
        let Some(section) = entry.section(ROUTE_KEYS) else {
            continue;
        };
        let mut id = entry.path().to_owned();
        if let Some(value) = section.get("name")
            && let Some(name) = word(&value)
        {
            id = format!("{id} ({name})");
            given.push((value, name));
        }
        let when = section.get("when").map(|value| condition(&value, callers));
        let chosen = section.required("use", "[gpt]");
        let (models, human) = chosen
            .map(|value| chosen_models(&value, known.models))
            .unwrap_or_default();
        routes.push(RouteRule {
            id: id.into(),
            when: when.unwrap_or_default(),
            models,
            human,
            latency: latency::of_route(&section, known),
        });
    }
    refuse_twice("route", &given);
    routes
}

/// What a route uses: models, and after them a person or nobody. `human` may stand alone, without brackets.
fn chosen_models(value: &Value<'_>, models: &[Arc<str>]) -> (Vec<usize>, bool) {
    let is_human = |value: &Value<'_>| value.as_text() == Some(HUMAN);
    if is_human(value) {
        return (Vec::new(), true);
    }
    if value.list_is_empty() {
        value.wrong("the route names no model", "name at least one");
    }
    let items = value.list().unwrap_or_default();
    let human = items.iter().position(is_human);
    if let Some(after) = human.and_then(|at| items.get(at + 1)) {
        after.wrong(
            "nothing after `human` is ever tried",
            "put `human` at the end",
        );
    }
    let named = items.iter().filter(|item| !is_human(item));
    let chosen = named.filter_map(|item| one_of(item, "model or `human`", models));
    (chosen.collect(), human.is_some())
}

/// Reads `quality`, and what its promise rests on. What keeps a promise stands in another file, so that here nothing does
/// yet.
pub(super) fn quality(
    root: &Section<'_>,
    secrets: &Secrets<'_>,
) -> (Quality, Option<PromiseSettings>) {
    let section = root.section("quality", QUALITY_KEYS);
    let section = section.as_ref();
    let stated = section.and_then(|section| section.get("threshold"));
    let promised = section.and_then(|section| section.get("promise"));
    if let (Some(threshold), Some(_)) = (&stated, &promised) {
        threshold.wrong(
            "there is a threshold and a promise",
            "state one of them: a promise brings its own threshold",
        );
    }
    let threshold = stated.and_then(|value| value.probability());
    let promise = promised.as_ref().and_then(|value| promise(value, secrets));
    let always = |key| {
        let topics = section.and_then(|section| section.get(key));
        let topics = topics.map(|value: Value<'_>| {
            value.each(|item| topic(&item.section(&["topic"])?.required("topic", "legal")?))
        });
        BTreeSet::from_iter(topics.unwrap_or_default())
    };
    let mut quality = Quality {
        bar: match promised {
            Some(_) => Bar::Promise(None),
            None => Bar::Threshold(threshold.unwrap_or_else(|| Probability::clamped(THRESHOLD))),
        },
        always_remote: always("always_remote"),
        always_human: always("always_human"),
        topics: BTreeMap::new(),
        escalate_on: section
            .and_then(|section| section.get("escalate_on"))
            .map_or_else(|| Cue::ALL.into(), |value| cues(&value)),
        sticky: section
            .and_then(|section| section.section("sticky", &["for"]))
            .map(|sticky| sticky.read("for", STICKY, |value| value.duration(STICKY_SPANS))),
        explore: section.map_or(0.0, |section| {
            section.read("explore", 0.0, |value| value.number(0.0..=MOST_EXPLORED))
        }),
    };
    if let Some(value) = section.and_then(|section| section.get("topics")) {
        by_topic(&value, &mut quality);
    }
    refuse_both(section, &quality);
    (quality, promise)
}

fn cues(value: &Value<'_>) -> BTreeSet<Cue> {
    let cue = |item: &Value<'_>| item.choice(&Cue::ALL.map(|cue| (cue.as_str(), cue)));
    value.each(cue).into_iter().collect()
}

/// Reads `quality.topics`: a threshold or a tier for each. A tier of people or of remote models is another way to name the
/// topic in `always_human` or `always_remote`; the local tier is a threshold that everything keeps.
fn by_topic(value: &Value<'_>, quality: &mut Quality) {
    let Some(pairs) = value.as_pairs() else {
        return value.not("a section of topics").unwrap_or_default();
    };
    for (name, value) in pairs {
        if !is_word(name) {
            let remedy = "use lower-case letters, digits, `-` and `_`, at most 64";
            value.wrong(format!("`{name}` cannot be the name of a topic"), remedy);
        }
        let named = quality.always_remote.contains(name) || quality.always_human.contains(name);
        if named {
            let message = "the topic is in `always_remote` or `always_human` too";
            value.wrong(message, "keep it in one place");
        }
        if let Some(section) = value.section(&["threshold", "tier"]) {
            of_topic(&section, name.into(), quality);
        }
    }
}

fn of_topic(section: &Section<'_>, name: Arc<str>, quality: &mut Quality) {
    const TIERS: [(&str, Option<Tier>); 3] = [
        ("local", Some(Tier::Local)),
        ("remote", Some(Tier::Remote)),
        ("human", None),
    ];
    let threshold = section.get("threshold");
    let tier = section.get("tier");
    if threshold.is_some() == tier.is_some() {
        let message = "exactly one of `threshold` and `tier` has to be given";
        section
            .value()
            .wrong(message, "write `{threshold: 0.3}` or `{tier: remote}`");
    }
    if let Some(own) = threshold.and_then(|value| value.probability()) {
        quality.topics.insert(name.clone(), own);
    }
    match tier.and_then(|value| value.choice(&TIERS)) {
        Some(Some(Tier::Local)) => {
            quality.topics.insert(name, Probability::clamped(1.0));
        }
        Some(Some(Tier::Remote)) => {
            quality.always_remote.insert(name);
        }
        Some(None) => {
            quality.always_human.insert(name);
        }
        None => {}
    }
}

/// A topic for a person is for no model, so that what is said of it elsewhere would do nothing.
fn refuse_both(section: Option<&Section<'_>>, quality: &Quality) {
    let mut both = quality.always_human.intersection(&quality.always_remote);
    let place = section.and_then(|section| section.get("always_remote"));
    if let (Some(topic), Some(place)) = (both.next(), place) {
        place.wrong(
            format!("`{topic}` is in `always_human` too, and no model answers what is there"),
            "keep it in one of the two",
        );
    }
}

fn promise(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<PromiseSettings> {
    let section = value.section(&["max_local_error", "confidence", "calibration"])?;
    let error = section.required("max_local_error", "0.05");
    let error = error.and_then(|value| value.number(0.0..=1.0));
    let confidence = section.required("confidence", "0.95");
    let confidence = confidence.and_then(|value| value.number(0.0..=1.0));
    let file = section.get("calibration");
    let file = file.and_then(|value| Some(secrets.resolve(value.text()?)));
    match Promise::new(error?, confidence?) {
        Ok(promise) => Some(PromiseSettings { promise, file }),
        Err(error) => {
            value.wrong(
                error.to_string(),
                "write `{max_local_error: 0.05, confidence: 0.95}`",
            );
            None
        }
    }
}

/// Reads `guard`.
pub(super) fn guard(root: &Section<'_>) -> Option<Guard> {
    let guard = root.section("guard", &["attack"])?;
    let attack = guard.required("attack", "{refuse_from: 0.9}")?;
    let attack = attack.section(&["refuse_from", "on_error"])?;
    let from = attack.required("refuse_from", "0.9")?.probability();
    let refuse_unmeasured = attack.read("on_error", false, |value| {
        value.choice(&[("allow", false), ("refuse", true)])
    });
    Some(Guard {
        refuse_from: from?,
        refuse_unmeasured,
    })
}

fn condition(value: &Value<'_>, callers: &[Arc<str>]) -> Condition {
    let Some(when) = value.section(&[
        "topic",
        "complexity",
        "language",
        "tools",
        "images",
        "wants_human",
        "json",
        "question",
        "repeats",
        "sentiment",
        "tokens",
        "caller",
    ]) else {
        return Condition::default();
    };
    let flag = |key| when.get(key).and_then(|value: Value<'_>| value.flag());
    let words = |key, read: fn(&Value<'_>) -> Option<Arc<str>>| {
        let value: Value<'_> = when.get(key)?;
        refuse_empty(&value);
        Some(BTreeSet::from_iter(value.each(read)))
    };
    let (complexity_from, complexity_below) = complexity(&when);
    let tokens = when.section("tokens", &["from"]);
    let tokens = tokens.and_then(|section| section.required("from", "4000")?.whole(1..=u32::MAX));
    Condition {
        topics: words("topic", topic),
        complexity_from,
        complexity_below,
        languages: words("language", language),
        tools: flag("tools"),
        images: flag("images"),
        wants_human: flag("wants_human"),
        json: flag("json"),
        question: flag("question"),
        repeats: flag("repeats"),
        sentiments: when.get("sentiment").map(|value| {
            refuse_empty(&value);
            let mood =
                |value: &Value<'_>| value.choice(&Sentiment::ALL.map(|mood| (mood.as_str(), mood)));
            value.each(mood).into_iter().collect()
        }),
        tokens_from: tokens.map(u64::from),
        callers: when.get("caller").map(|value| {
            refuse_empty(&value);
            some_of(&value, "caller", callers)
        }),
    }
}

fn complexity(when: &Section<'_>) -> (Option<Probability>, Option<Probability>) {
    let Some(section) = when.section("complexity", &["from", "below"]) else {
        return (None, None);
    };
    let bound = |key| {
        section
            .get(key)
            .and_then(|value: Value<'_>| value.probability())
    };
    let (from, below) = (bound("from"), bound("below"));
    if let (Some(from), Some(below)) = (from, below)
        && from >= below
    {
        section.value().wrong(
            format!(
                "no complexity is from {} and below {}",
                from.get(),
                below.get()
            ),
            "`from` has to be the smaller one",
        );
    }
    if section.is_empty() {
        let message = "neither `from` nor `below` is given";
        section.value().wrong(message, "write `{from: 0.7}`");
    }
    (from, below)
}

fn refuse_empty(value: &Value<'_>) {
    if value.list_is_empty() {
        value.wrong(
            "no request matches an empty list",
            "name at least one, or leave the key out",
        );
    }
}

fn topic(value: &Value<'_>) -> Option<Arc<str>> {
    // Which topics there are the encoder's package and `topics` say (`unknown_topics`); here only their shape is known.
    word(value)
}

fn language(value: &Value<'_>) -> Option<Arc<str>> {
    let text = value.text()?;
    let known = Lang::from_code(text).filter(|known| known.code() == text);
    if known.is_none() {
        value.wrong(
            format!("`{text}` is no language that is told apart here"),
            "use a three-letter code of ISO 639-3, such as `eng`, `deu` or `cmn`",
        );
    }
    known.map(|known| known.code().into())
}
