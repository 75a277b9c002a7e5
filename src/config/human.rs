//! `human`: what is answered while a person takes over, and how people are told.

use super::models::{residency, safe_address};
use super::place;
use super::reader::{Section, Value};
use super::secrets::Secrets;
use crate::domain::{Dialect, Endpoint, Price, Residency, Tier, Timeouts, TokenLimits};
use crate::handoff::{self, Queue, Webhook};
use crate::policy::{HumanRule, Quality, RouteRule};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The webhook's name in records and explanations.
const WEBHOOK: &str = "human.webhook";
/// The time for one try where the operator says nothing.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The time that one try can be given.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

/// Reads `human`.
pub(super) fn read(
    root: &Section<'_>,
    secrets: &Secrets<'_>,
) -> (Option<HumanRule>, handoff::Settings) {
    let Some(section) = root.section("human", &["answer", "queue", "webhook"]) else {
        return (None, handoff::Settings::default());
    };
    let answer = section.required(
        "answer",
        "\"A colleague takes over and writes to you here.\"",
    );
    let answer = answer.and_then(|value| value.text()).unwrap_or_default();
    let queue = section
        .get("queue")
        .and_then(|value| queue(&value, secrets));
    let webhook = section.get("webhook");
    let webhook = webhook.and_then(|value| self::webhook(&value, secrets));
    let (webhook, conversation_to) = webhook.unzip();
    let rule = HumanRule {
        answer: answer.into(),
        conversation_to: conversation_to.flatten(),
    };
    (Some(rule), handoff::Settings { queue, webhook })
}

/// Notes where something says that a person takes over, and nothing says what is answered then.
pub(super) fn refuse_unanswered(
    root: &Section<'_>,
    human: Option<&HumanRule>,
    quality: &Quality,
    routes: &[RouteRule],
) {
    if human.is_some() {
        return;
    }
    let uses = |index: usize| within(root.get("routes")?.list()?.get(index)?.clone(), &["use"]);
    let always = || within(root.get("quality")?, &["always_human", "topics"]);
    let route = routes.iter().position(|route| route.human);
    let people = !quality.always_human.is_empty();
    let place = route
        .and_then(uses)
        .or_else(|| people.then(always).flatten());
    if let Some(place) = place {
        place.wrong(
            "a person takes over, and nothing says what is answered then",
            "add `human: {answer: \"A colleague takes over and writes to you here.\"}`",
        );
    }
}

/// The first of these keys in a section; notes nothing.
fn within<'a>(section: Value<'a>, wanted: &[&str]) -> Option<Value<'a>> {
    let pairs = section.as_pairs()?;
    let found = pairs.into_iter().find(|(key, _)| wanted.contains(key));
    found.map(|(_, value)| value)
}

fn queue(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<Queue> {
    let section = value.section(&["file", "include_conversation"])?;
    let file = section.required("file", "data/handoffs.jsonl")?;
    Some(Queue {
        file: secrets.resolve(file.text()?),
        include_conversation: section.read("include_conversation", false, |value| value.flag()),
    })
}

/// The webhook, and itself again where the conversation is to go there.
fn webhook(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<(Webhook, Option<Arc<Endpoint>>)> {
    let section = value.section(&[
        "url",
        "api_key",
        "tier",
        "trusted",
        "allow_plain_http",
        "residency",
        "include_conversation",
        "timeout",
        "max_attempts",
    ])?;
    let included = section.read("include_conversation", false, |value| value.flag());
    let endpoint = Arc::new(endpoint(&section, secrets)?);
    let webhook = Webhook {
        endpoint: endpoint.clone(),
        timeout: section.read("timeout", TIMEOUT, |value| value.duration(TIMEOUTS)),
        max_attempts: section.read("max_attempts", 5, |value| value.whole(1..=20)),
    };
    Some((webhook, included.then_some(endpoint)))
}

/// The webhook as a place that a conversation can be sent to, so that privacy asks of it what it asks of any.
fn endpoint(section: &Section<'_>, secrets: &Secrets<'_>) -> Option<Endpoint> {
    let tier = section.read("tier", Tier::Remote, |value| {
        value.choice(&[("local", Tier::Local), ("remote", Tier::Remote)])
    });
    let value = section.required("url", "\"https://desk.example/handoffs\"")?;
    let url = secrets.text_or_reference(&value)?;
    let Some(place) = place::parse_url(&url) else {
        value.wrong(
            "this is no URL that notices can be sent to",
            "write `https://host/path`, without user, password or query; a key belongs in `api_key`",
        );
        return None;
    };
    let credential = section.get("api_key").map(|value| secrets.key(&value));
    Some(Endpoint {
        name: WEBHOOK.into(),
        tier,
        // Messages go along as the caller wrote them.
        dialect: Dialect::OpenAi,
        also: std::collections::BTreeSet::new(),
        auth: crate::domain::AuthHeader::Bearer,
        base_url: safe_address(section, Some(tier), &value, place),
        upstream_model: WEBHOOK.into(),
        cloud: None,
        credential: credential.flatten(),
        residency: section
            .get("residency")
            .map_or_else(Residency::default, |value| residency(&value)),
        price: Price::default(),
        parallel: None,
        limits: TokenLimits::default(),
        timeouts: Timeouts::default(),
    })
}
