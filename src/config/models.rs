//! `models`: who can answer, at what price, and where data goes.

use super::cloud;
use super::dialect;
use super::engine;
use super::known::{model_name, one_of, refuse_twice};
use super::place::{self, Place};
use super::pool;
use super::prices::{self, PriceSource};
use super::reader::{Section, Value};
use super::secrets::Secrets;
use super::settings::{Desk, Engine};
use crate::domain::{
    Agreement, AuthHeader, Day, Dialect, Endpoint, LimitKey, Region, Residency, Retention, Tier,
    Timeouts, TokenLimits,
};
use crate::policy::{Model, Offer};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

/// Every key of a model.
const KEYS: &[&str] = &[
    "name",
    "tier",
    "aliases",
    "fallback",
    "knowledge",
    "answer",
    "engine",
    "upstream",
    "price",
    "residency",
    "timeouts",
];
/// A wait shorter than this is a mistake, and longer than this no wait.
const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// All models of a file.
#[derive(Default)]
pub(super) struct Models {
    /// The name of each, whether or not the rest of it could be read.
    pub(super) names: Vec<Arc<str>>,
    /// The other names of each.
    pub(super) aliases: Vec<Vec<Arc<str>>>,
    /// Those that could be read: all of them where nothing was noted. A model with several endpoints is as many of them.
    pub(super) models: Vec<Model>,
    /// Where in the file each of `models` stands.
    pub(super) paths: Vec<String>,
    /// Where in `models` each name's are.
    members: Vec<Range<usize>>,
    /// What those that answer from knowledge need.
    pub(super) desks: Vec<Desk>,
    /// Where the price of each with an `upstream` is from.
    pub(super) prices: BTreeMap<Arc<str>, PriceSource>,
    /// What those that write in this process need.
    pub(super) engines: Vec<Engine>,
}

/// Reads `models`.
pub(super) fn read(root: &Section<'_>, secrets: &Secrets<'_>) -> Models {
    let mut all = Models::default();
    let (mut given, mut fallbacks) = (Vec::new(), Vec::new());
    let Some(list) = root.required("models", "[{name: desk, tier: local, knowledge: []}]") else {
        return all;
    };
    let entries = list.list().unwrap_or_default();
    if entries.is_empty() {
        list.wrong("there is no model", "name at least one");
    }
    for entry in entries {
        let Some(section) = entry.section(KEYS) else {
            continue;
        };
        let (name, aliases) = names(&section, &mut given);
        all.names.push(name.clone());
        all.aliases.push(aliases.clone());
        let before = all.models.len();
        match pool::endpoints(&section) {
            Some(endpoints) => pool::read(&section, &endpoints, (name, aliases), secrets, &mut all),
            None => {
                if let Some(offer) = offer(&section, &name, secrets, &mut all) {
                    all.models.push(Model {
                        name,
                        aliases,
                        offer,
                        fallback: Vec::new(),
                        pool: None,
                    });
                    all.paths.push(section.value().path().to_owned());
                }
            }
        }
        all.members.push(before..all.models.len());
        fallbacks.push(section.get("fallback"));
    }
    for (index, value) in fallbacks.iter().enumerate() {
        if let Some(value) = value {
            all.fall_back(index, value);
        }
    }
    refuse_twice("model name", &given);
    for (value, name) in &given {
        let mut of_pools = all.models.iter().filter(|model| model.pool.is_some());
        if of_pools.any(|model| model.name == *name) {
            let message = format!("`{name}` is the name of an endpoint of another model");
            value.wrong(message, "choose another name");
        }
    }
    all
}

impl Models {
    /// Reads who stands in for the model of this name.
    fn fall_back(&mut self, index: usize, value: &Value<'_>) {
        if value.list_is_empty() {
            value.wrong("it names no model", "name at least one, or leave it out");
        }
        let mut chosen: Vec<usize> = Vec::new();
        for item in value.list().unwrap_or_default() {
            let named = one_of(&item, "model", &self.names);
            if named.is_some_and(|named| named == index || chosen.contains(&named)) {
                let message = "this model is tried before already";
                item.wrong(
                    message,
                    "name each model once, and not the one that falls back",
                );
            }
            chosen.extend(named);
        }
        self.spread(&mut chosen);
        let members = self.members.get(index).cloned().unwrap_or_default();
        for model in self.models.get_mut(members).unwrap_or_default() {
            model.fallback.clone_from(&chosen);
        }
    }

    /// From places in `names` to places in `models`: who names a model names all its endpoints.
    pub(super) fn spread(&self, named: &mut Vec<usize>) {
        let members = |at: &usize| self.members.get(*at).cloned().unwrap_or_default();
        *named = named.iter().flat_map(members).collect();
    }
}

fn names<'a>(
    section: &Section<'a>,
    given: &mut Vec<(Value<'a>, Arc<str>)>,
) -> (Arc<str>, Vec<Arc<str>>) {
    let mut take = |value: &Value<'a>| {
        let name = model_name(value)?;
        given.push((value.clone(), name.clone()));
        Some(name)
    };
    let name = section
        .required("name", "gpt")
        .and_then(|value| take(&value));
    let aliases = section.get("aliases").and_then(|value| value.list());
    let aliases = aliases
        .unwrap_or_default()
        .iter()
        .filter_map(take)
        .collect();
    (name.unwrap_or_else(|| "".into()), aliases)
}

fn offer(
    section: &Section<'_>,
    name: &Arc<str>,
    secrets: &Secrets<'_>,
    all: &mut Models,
) -> Option<Offer> {
    let tier = tier(section);
    let (knowledge, engine) = (section.get("knowledge"), section.get("engine"));
    match (knowledge, engine, section.get("upstream")) {
        (Some(knowledge), None, None) => {
            refuse_keys(section, OF_UPSTREAMS, "upstream");
            let message = "approved answers are given in this process, so the tier is local";
            refuse_remote(&knowledge, tier, message);
            all.desks.push(desk(section, name, &knowledge, secrets));
            Some(Offer::Desk)
        }
        (None, Some(engine), None) => {
            refuse_keys(section, OF_UPSTREAMS, "upstream");
            refuse_keys(section, &["answer"], "knowledge");
            let message = "an engine runs in this process, so the tier is local";
            refuse_remote(&engine, tier, message);
            all.engines.push(engine::read(&engine, name, secrets)?);
            Some(Offer::Engine)
        }
        (None, None, Some(upstream)) => {
            refuse_keys(section, &["answer"], "knowledge");
            let keys = upstream.section(OF_UPSTREAM)?;
            refuse_keys(&keys, &["balance"], "endpoints");
            let whole = section.get("residency");
            let (endpoint, source) = endpoint(section, name, tier, (&keys, &keys, whole), secrets)?;
            all.prices.insert(name.clone(), source);
            Some(Offer::Endpoint(Arc::new(endpoint)))
        }
        (None, None, None) => {
            let message = "nothing says who answers for this model";
            let remedy =
                "add `knowledge: [answers.yaml]`, `engine: {folder: …}` or `upstream: {…}`";
            section.value().wrong(message, remedy);
            None
        }
        (knowledge, engine, upstream) => {
            let message = "a model has one of `knowledge`, `engine` and `upstream`";
            let too_many = upstream.or(engine).or(knowledge)?;
            too_many.wrong(message, "make two models of it and a route that uses both");
            None
        }
    }
}

pub(super) fn tier(section: &Section<'_>) -> Option<Tier> {
    let tier = section.required("tier", "local");
    tier.and_then(|value| value.choice(&[("local", Tier::Local), ("remote", Tier::Remote)]))
}

/// Keys of a model that only one behind an HTTP API has.
const OF_UPSTREAMS: &[&str] = &["price", "residency", "timeouts"];

fn refuse_remote(value: &Value<'_>, tier: Option<Tier>, message: &str) {
    if tier == Some(Tier::Remote) {
        value.wrong(message, "write `tier: local`");
    }
}

pub(super) fn refuse_keys(section: &Section<'_>, keys: &[&'static str], other: &str) {
    for value in keys.iter().filter_map(|key| section.get(key)) {
        let message = format!("this is for models with `{other}`");
        value.wrong(message, "leave it out");
    }
}

fn desk(section: &Section<'_>, name: &Arc<str>, files: &Value<'_>, secrets: &Secrets<'_>) -> Desk {
    let answer = section.section("answer", &["min_score", "min_margin"]);
    let share = |key| {
        let value = answer.as_ref()?.get(key)?;
        value.share().map(|share| share as f32)
    };
    Desk {
        model: name.clone(),
        files: files.each(|file| file.text().map(|path| secrets.resolve(path))),
        min_score: share("min_score"),
        min_margin: share("min_margin"),
    }
}

/// Every key of `upstream`.
pub(super) const OF_UPSTREAM: &[&str] = &[
    "dialect",
    "surfaces",
    "endpoints",
    "balance",
    "base_url",
    "model",
    "api_key",
    "auth_header",
    "bedrock",
    "vertex",
    "allow_plain_http",
    "trusted",
    "parallel",
    "max_input_tokens",
    "max_output_tokens",
    "limit_key",
];

/// One endpoint: what is said of `it`, and for the rest what is said of the whole `upstream`, which may be the same.
pub(super) fn endpoint(
    section: &Section<'_>,
    name: &Arc<str>,
    tier: Option<Tier>,
    (upstream, it, residency): (&Section<'_>, &Section<'_>, Option<Value<'_>>),
    secrets: &Secrets<'_>,
) -> Option<(Endpoint, PriceSource)> {
    let (dialect, also, auth) = dialect::read(upstream, it);
    let cloud = cloud::read(it, dialect, secrets);
    let base_url = base_url(it, tier, dialect);
    let upstream_model = it
        .get("model")
        .or_else(|| upstream.required("model", "gpt-4o-mini"))
        .and_then(|value| value.text());
    let credential = it.get("api_key").map(|value| secrets.key(&value));
    let price = prices::read(section, tier, upstream_model);
    let limits = limits(upstream, base_url.as_deref());
    let residency = residency.map_or_else(Residency::default, |value| self::residency(&value));
    let timeouts = timeouts(section, tier);
    let parallel = it.get("parallel");
    let parallel = parallel.map(|value| value.whole(1..=100_000));
    let (price, source) = price?;
    let endpoint = Endpoint {
        name: name.clone(),
        tier: tier?,
        dialect,
        also,
        auth: cloud.as_ref().map_or(auth, |_| AuthHeader::Bearer),
        base_url: base_url?,
        upstream_model: upstream_model?.into(),
        // An unreadable key is a problem of its own, so that the outcome is never used without it.
        credential: credential.flatten(),
        cloud,
        residency,
        price,
        limits,
        timeouts,
        parallel: parallel.flatten(),
    };
    Some((endpoint, source))
}

/// How many tokens it takes and writes, and by which key it is told. OpenAI's own API wants the newer key.
fn limits(upstream: &Section<'_>, base_url: Option<&str>) -> TokenLimits {
    let most = |key| {
        let value = upstream.get(key)?;
        value.whole(1..=u32::MAX).map(u64::from)
    };
    let usual = match base_url {
        Some(url) if url.starts_with("https://api.openai.com/") => LimitKey::MaxCompletionTokens,
        Some(_) | None => LimitKey::MaxTokens,
    };
    TokenLimits {
        input: most("max_input_tokens"),
        output: most("max_output_tokens"),
        key: upstream.read("limit_key", usual, |value| {
            value.choice(&[
                (LimitKey::MaxTokens.as_str(), LimitKey::MaxTokens),
                (
                    LimitKey::MaxCompletionTokens.as_str(),
                    LimitKey::MaxCompletionTokens,
                ),
            ])
        }),
    }
}

fn base_url(upstream: &Section<'_>, tier: Option<Tier>, dialect: Dialect) -> Option<Arc<str>> {
    let value = upstream.required("base_url", "\"https://api.openai.com/v1\"")?;
    let place = place::url(&value)?;
    dialect::check_base(dialect, &value, &place.url);
    Some(safe_address(upstream, tier, &value, place))
}

/// An address that fits what is said of it: nothing in the clear but to this machine, nothing far called local.
pub(super) fn safe_address(
    upstream: &Section<'_>,
    tier: Option<Tier>,
    value: &Value<'_>,
    place: Place,
) -> Arc<str> {
    let allow_plain = upstream.read("allow_plain_http", false, |value| value.flag());
    let trusted = upstream.read("trusted", false, |value| value.flag());
    if place.plain && !place.is_loopback() && !allow_plain {
        let message = "requests would cross the network unencrypted";
        value.wrong(
            message,
            "use https, or say `allow_plain_http: true` beside it",
        );
    }
    if tier == Some(Tier::Local) && !place.is_near() && !trusted {
        let message = "what is local has to be on this machine or at a private address, or \
                       `require: local` would not hold";
        let remedy =
            "write `tier: remote`, or say `trusted: true` beside it where the host is your own";
        value.wrong(message, remedy);
    }
    place.url.into()
}

/// What is stated of a place; what is not stated is unknown.
pub(super) fn residency(value: &Value<'_>) -> Residency {
    let Some(section) = value.section(&[
        "processing",
        "storage",
        "jurisdiction",
        "retention_days",
        "trains_on_data",
        "agreements",
        "subprocessors",
        "valid_until",
    ]) else {
        return Residency::default();
    };
    Residency {
        processing: section.get("processing").map(|value| regions(&value)),
        storage: section.get("storage").and_then(|value| region(&value)),
        jurisdiction: section.get("jurisdiction").and_then(|value| region(&value)),
        retention: section
            .get("retention_days")
            .and_then(|value| retention(&value)),
        trains_on_data: section.get("trains_on_data").and_then(|value| value.flag()),
        agreements: section.read("agreements", BTreeSet::new(), |value| {
            Some(agreements(value))
        }),
        // An empty list says that there are none, which is something stated.
        subprocessors: section
            .get("subprocessors")
            .map(|value| value.each(region).into_iter().collect()),
        // An end that cannot be read is a problem of its own, so that nothing is used without it.
        valid_until: section.get("valid_until").and_then(|value| day(&value)),
    }
}

fn day(value: &Value<'_>) -> Option<Day> {
    let text = value.text()?;
    let day = Day::parse(text);
    if day.is_none() {
        value.wrong(
            format!("`{text}` is no day of the calendar"),
            "write year, month and day: `2027-03-31`",
        );
    }
    day
}

/// A set of regions, at least one.
pub(super) fn regions(value: &Value<'_>) -> BTreeSet<Region> {
    let items = value.list();
    if items.as_ref().is_some_and(Vec::is_empty) {
        value.wrong(
            "the list of regions is empty",
            "name at least one, or leave the key out",
        );
    }
    let items = items.unwrap_or_default();
    items.iter().filter_map(region).collect()
}

/// Agreements by their words.
pub(super) fn agreements(value: &Value<'_>) -> BTreeSet<Agreement> {
    let agreement = |item: &Value<'_>| {
        let text = item.text()?;
        let agreement = Agreement::parse(text);
        if agreement.is_none() {
            item.wrong(
                format!("`{text}` is no word for an agreement"),
                "such as `dpa`, `scc` or `baa`",
            );
        }
        agreement
    };
    value.each(agreement).into_iter().collect()
}

/// Days for which data is kept.
pub(super) fn retention(value: &Value<'_>) -> Option<Retention> {
    value.whole(0..=36_500).map(|days| Retention { days })
}

fn region(value: &Value<'_>) -> Option<Region> {
    let text = value.text()?;
    let region = Region::parse(text);
    if region.is_none() {
        value.wrong(
            format!("`{text}` is no word for a region"),
            "such as `eu`, `us` or `eu-west-1`",
        );
    }
    region
}

/// Patience with a server that has to load its model first. It can only be longer than the usual.
fn cold_start(
    section: &Section<'_>,
    tier: Option<Tier>,
    first_token: Duration,
) -> Option<Duration> {
    let value = section.get("cold_start")?;
    let wait = value.duration(WAIT)?;
    if tier == Some(Tier::Remote) {
        let message = "this is for servers of your own, which load a model at the first request";
        value.wrong(message, "leave it out, or make `first_token` longer");
    } else if wait < first_token {
        let message = "the first answer of a server that has just started would get less time than the later ones";
        value.wrong(
            message,
            "make it longer than `first_token`, or leave it out",
        );
    }
    Some(wait)
}

fn timeouts(section: &Section<'_>, tier: Option<Tier>) -> Timeouts {
    let usual = Timeouts::default();
    let Some(section) = section.section(
        "timeouts",
        &[
            "connect",
            "first_token",
            "cold_start",
            "between_tokens",
            "total",
        ],
    ) else {
        return usual;
    };
    let wait = |key, default| section.read(key, default, |value| value.duration(WAIT));
    let first_token = wait("first_token", usual.first_token);
    Timeouts {
        connect: wait("connect", usual.connect),
        first_token,
        cold_start: cold_start(&section, tier, first_token),
        between_tokens: wait("between_tokens", usual.between_tokens),
        total: wait("total", usual.total),
    }
}
