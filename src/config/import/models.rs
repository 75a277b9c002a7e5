//! `model_list`: every deployment as an endpoint of a model.

use super::clouds::{self, There};
use super::providers::{self, Provider};
use super::walk::{Item, Map, as_variable, variable};
use crate::config::place;
use crate::config::prices;
use std::collections::BTreeMap;

/// Dollars per million tokens: in, in from the provider's cache, out.
pub(super) type Price = [f64; 3];

/// One deployment.
#[derive(Default)]
pub(super) struct Entry {
    /// The name that clients ask for.
    pub(super) name: String,
    pub(super) line: u64,
    pub(super) is_anthropic: bool,
    pub(super) is_azure: bool,
    /// On this machine or at a private address.
    pub(super) is_local: bool,
    /// In the clear to another machine.
    pub(super) in_the_clear: bool,
    pub(super) url: String,
    pub(super) model: String,
    /// The variable that holds its key.
    pub(super) key: Option<String>,
    /// The key that says how a cloud knows us, as YAML.
    pub(super) cloud: Option<String>,
    pub(super) weight: Option<f64>,
    pub(super) parallel: Option<f64>,
    pub(super) max_output: Option<f64>,
    pub(super) max_input: Option<f64>,
    /// Seconds.
    pub(super) timeout: Option<f64>,
    /// As the file says or implies it; `None` where only the table could know.
    pub(super) price: Option<Price>,
}

/// The deployments that can be carried over.
pub(super) fn read(list: &Item<'_>, plain: &BTreeMap<String, String>) -> Vec<Entry> {
    let mut variables = BTreeMap::new();
    let entries = list.list();
    let entries = entries.iter();
    entries
        .filter_map(|item| entry(item, plain, &mut variables))
        .collect()
}

fn entry(
    item: &Item<'_>,
    plain: &BTreeMap<String, String>,
    variables: &mut BTreeMap<String, String>,
) -> Option<Entry> {
    let map = item.map();
    let (params, info) = (map.map("litellm_params"), map.map("model_info"));
    let (Some(name), Some(model)) = (map.text("model_name"), params.text("model")) else {
        item.note(
            "this entry is not carried over: it has no `model_name` or no `litellm_params.model`",
            "add a model under `models` by hand",
        );
        return None;
    };
    writes_text(item, &name, &model, &info).then_some(())?;
    let stated = params.text("custom_llm_provider");
    let place = match clouds::find(&model, stated.as_deref()) {
        Some(cloud) => in_a_cloud(clouds::deployment(item, &name, cloud, &params, plain)?),
        None => {
            let (provider, model) = suited(item, &name, &model, stated.as_deref())?;
            at_a_provider(item, (&name, model), provider, (&params, plain), variables)?
        }
    };
    let mut entry = Entry {
        line: item.line,
        name: fitting(item, &name),
        weight: weight(&params),
        parallel: whole(&params, "max_parallel_requests"),
        max_output: output_limit(&params),
        max_input: whole(&info, "max_input_tokens"),
        timeout: params.take("timeout").and_then(|item| item.number()),
        price: stated_price(&params, &info),
        ..place
    };
    if let Some(base) = info.text("base_model") {
        let base = base.rsplit('/').next().unwrap_or_default();
        entry.price = entry.price.or_else(|| listed(base));
    }
    leave(&map, &params, &info);
    Some(entry)
}

fn in_a_cloud(there: There) -> Entry {
    Entry {
        is_anthropic: there.is_anthropic,
        url: there.url,
        model: there.model,
        key: there.key,
        cloud: Some(there.cloud),
        ..Entry::default()
    }
}

fn at_a_provider(
    item: &Item<'_>,
    (name, model): (&str, String),
    provider: &Provider,
    (params, plain): (&Map<'_>, &BTreeMap<String, String>),
    variables: &mut BTreeMap<String, String>,
) -> Option<Entry> {
    let (url, is_local, in_the_clear) = address(item, params, provider, plain)?;
    Some(Entry {
        is_anthropic: provider.is_anthropic,
        is_azure: provider.is_azure,
        is_local,
        in_the_clear,
        key: key(params, provider, (name, &url), variables),
        url,
        model,
        ..Entry::default()
    })
}

/// False, and a note, for what is no model that writes text.
fn writes_text(item: &Item<'_>, name: &str, model: &str, info: &Map<'_>) -> bool {
    if name.contains('*') || model.contains('*') {
        let message = format!("`{name}` is not carried over: a pattern names no model");
        item.note(
            message,
            "write one entry under `models` for each model that is used",
        );
        return false;
    }
    let mode = info.text("mode").unwrap_or_else(|| "chat".into());
    if !matches!(&*mode, "chat" | "completion" | "responses") {
        let message = format!(
            "`{name}` is not carried over: its mode is `{mode}`, and models here write text"
        );
        item.note(message, "send such requests to the provider; embeddings by the encoder: `encoder: {serve: true}`");
        return false;
    }
    true
}

/// Who provides the model and what it is called there; `None`, and a note, where that is nothing we can speak to.
fn suited(
    item: &Item<'_>,
    name: &str,
    model: &str,
    stated: Option<&str>,
) -> Option<(&'static Provider, String)> {
    match providers::find(model, stated) {
        Ok((provider, own)) => Some((provider, own.to_owned())),
        Err(unknown) => {
            let message = format!(
                "`{name}` is not carried over: `{unknown}` speaks no API that is spoken here"
            );
            let remedy = format!(
                "put a server with OpenAI's API in front of it and add it under `models`; carried over are {}",
                providers::known()
            );
            item.note(message, remedy);
            None
        }
    }
}

/// A name that a model here can have.
fn fitting(item: &Item<'_>, name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.:/@+".contains(letter);
    let letter = |letter: char| if fits(letter) { letter } else { '-' };
    let mut new: String = name.chars().map(letter).take(60).collect();
    if matches!(&*new, "auto" | "human") {
        new.push_str("-1");
    }
    if new != name {
        let message = format!(
            "`{name}` is called `{new}` here: a name is letters, digits and `-_.:/@+`, and not `auto` or `human`"
        );
        item.note(message, "ask for the model by the new name");
    }
    new
}

/// Where requests go: the URL, whether that is near, and whether it is in the clear.
fn address(
    item: &Item<'_>,
    params: &Map<'_>,
    provider: &Provider,
    plain: &BTreeMap<String, String>,
) -> Option<(String, bool, bool)> {
    let stated = params.take("api_base").or_else(|| params.take("base_url"));
    if let Some(stated) = stated.as_ref().filter(|_| provider.has_other_front()) {
        let message =
            "this address is not carried over: the provider's OpenAI API stands at another";
        stated.note(
            message,
            "the provider's usual address is written; change `base_url` where you use a proxy",
        );
    }
    let text = stated.as_ref().filter(|_| !provider.has_other_front());
    let text = text.and_then(Item::text);
    let url = match text {
        Some(text) => provider.address(&resolved(item, &text, plain)),
        None => match provider.base {
            Some(base) => base.to_owned(),
            None => {
                let message =
                    "nothing says where this model is, so a place that does not exist is written";
                item.note(message, "put its address in the place of `fill-in.invalid`");
                provider.address("https://fill-in.invalid")
            }
        },
    };
    let Some(place) = place::parse_url(&url) else {
        let message = "this entry is not carried over: `api_base` is no http(s) URL without user, password and query";
        item.note(
            message,
            "add the model under `models` by hand, and its key by reference",
        );
        return None;
    };
    let in_the_clear = place.plain && !place.is_loopback();
    if in_the_clear {
        let message = "requests to this address cross the network unencrypted; `allow_plain_http: true` keeps it so";
        item.note(
            message,
            "use https, or leave it where the network is your own",
        );
    }
    let is_local = place.is_near();
    Some((place.url, is_local, in_the_clear))
}

/// An address out of a variable, which here has to stand in the file: its value where the file has it.
fn resolved(item: &Item<'_>, text: &str, plain: &BTreeMap<String, String>) -> String {
    let Some(name) = variable(text) else {
        return text.to_owned();
    };
    if let Some(known) = plain
        .get(name)
        .filter(|text| place::parse_url(text).is_some())
    {
        return known.clone();
    }
    let host = name.to_ascii_lowercase().replace('_', "-");
    let message = format!(
        "an address stands in the file here, and this one is in {name}, so a place that does not exist is written"
    );
    item.note(
        message,
        format!("put the value of {name} in the place of `https://{host}.invalid`"),
    );
    format!("https://{host}.invalid")
}

/// The variable of the key. A key in plain text is not repeated anywhere.
fn key(
    params: &Map<'_>,
    provider: &Provider,
    (name, url): (&str, &str),
    variables: &mut BTreeMap<String, String>,
) -> Option<String> {
    // A key that the file does not name goes to its own provider alone.
    let elsewhere = provider.base.is_some_and(|base| base != url);
    let Some(item) = params.take("api_key") else {
        return provider.key.filter(|_| !elsewhere).map(str::to_owned);
    };
    let text = item.text()?;
    if let Some(stated) = variable(&text) {
        let fit = as_variable(stated);
        if fit != stated {
            item.note(
                format!("the variable {stated} is called {fit} here"),
                format!("set {fit}"),
            );
        }
        return Some(fit);
    }
    if provider.key.is_none()
        && matches!(
            &*text.to_ascii_lowercase(),
            "none" | "dummy" | "empty" | "ollama" | "lm-studio"
        )
    {
        return None;
    }
    let fresh = variables.len() + 1;
    let name = variables
        .entry(text)
        .or_insert_with(|| match fresh {
            1 => format!("{}_API_KEY", as_variable(name)),
            _ => format!("{}_API_KEY_{fresh}", as_variable(name)),
        })
        .clone();
    item.note(
        format!("the key stands in this file in plain text; the policy refers to {name}"),
        format!(
            "move it there, set {name} for the gateway, and change the key, for it was written down"
        ),
    );
    Some(name)
}

/// The share of requests it gets: what the file says, or the limits by which LiteLLM draws its lot.
fn weight(params: &Map<'_>) -> Option<f64> {
    let number = |key| params.take(key).map(|item| (item.number(), item));
    let stated = number("weight");
    let limits = [number("rpm"), number("tpm")];
    let mut drawn = stated.and_then(|(number, _)| number);
    for (number, item) in limits.into_iter().flatten() {
        let message = "a limit of requests or tokens a minute at a provider is not carried over, but as its weight among several";
        item.note(message, "limit who asks: `callers[].requests_per_minute`, `tokens_per_minute`, or `parallel` of the endpoint");
        drawn = drawn.or(number);
    }
    drawn.map(|weight| weight.clamp(0.001, 1_000_000.0))
}

fn output_limit(params: &Map<'_>) -> Option<f64> {
    let limit = whole(params, "max_tokens");
    limit.or_else(|| whole(params, "max_completion_tokens"))
}

fn whole(map: &Map<'_>, key: &str) -> Option<f64> {
    let item = map.take(key)?;
    let number = item.number()?;
    let most = if key == "max_parallel_requests" {
        1e5
    } else {
        f64::from(u32::MAX)
    };
    if (1.0..=most).contains(&number) && number.fract() == 0.0 {
        return Some(number);
    }
    item.note(
        "this is not carried over: it is out of range",
        "write it by hand",
    );
    None
}

/// Prices by the token, as prices by the million.
fn stated_price(params: &Map<'_>, info: &Map<'_>) -> Option<Price> {
    let dollars = |key| {
        let item = params.take(key).into_iter().chain(info.take(key)).next()?;
        item.number().map(|dollars| (dollars * 1e12).round() / 1e6)
    };
    let input = dollars("input_cost_per_token");
    let output = dollars("output_cost_per_token");
    let cached = dollars("cache_read_input_token_cost");
    let input = input?;
    Some([input, cached.unwrap_or(input), output?])
}

/// What the built-in table knows of a model.
pub(super) fn listed(model: &str) -> Option<Price> {
    let price = prices::listed(model)?;
    let dollars = |micros: u64| micros as f64 / 1e6;
    Some([
        dollars(price.input),
        dollars(price.cached_input),
        dollars(price.output),
    ])
}

/// Notes every key of an entry that nothing was made of.
fn leave(map: &Map<'_>, params: &Map<'_>, info: &Map<'_>) {
    for (key, item) in map.rest() {
        item.note(
            format!("`{key}` is not carried over"),
            "there is nothing like it here",
        );
    }
    for (key, item) in params.rest() {
        let (why, by_hand) = match key {
            "api_version" => ("Azure's `/openai/v1` takes no version", "nothing is needed"),
            "stream_timeout" => (
                "a streamed answer has no limit of its own",
                "`timeouts: {first_token, between_tokens}` of the model",
            ),
            "organization" | "project" => ("no such header is sent", "use a key of that project"),
            "max_budget" | "budget_duration" => (
                "a budget is a caller's, a topic's or everybody's, and no deployment's",
                "`cost: {budgets: [...]}`",
            ),
            key if key.starts_with("aws_") => (
                "requests are signed with keys, and no role or profile is read",
                "`bedrock: {access_key_id, secret_access_key, session_token}`",
            ),
            "num_retries" | "max_retries" => (
                "retries are the same for all models",
                "`upstream: {retry: {max_attempts: ...}}`",
            ),
            _ => (
                "nothing is added to what a client asks",
                "let the client send it, where it is a parameter of the request",
            ),
        };
        item.note(format!("`{key}` is not carried over: {why}"), by_hand);
    }
    for (key, item) in info.rest() {
        let message =
            format!("`{key}` is not carried over: it describes the model, and nothing here asks");
        item.note(message, "nothing is needed");
    }
}
