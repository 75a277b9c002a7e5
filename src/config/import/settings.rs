//! `router_settings`, `litellm_settings`, `general_settings`: what of them there is here, and what there is not.

use super::walk::{Item, Map, as_variable, variable};

/// What the sections beside `model_list` come to.
#[derive(Default)]
pub(super) struct Rest {
    /// How one of several endpoints is chosen.
    pub(super) balance: Option<&'static str>,
    /// Other names of models: alias, model, and where that was said.
    pub(super) aliases: Vec<(String, String, u64)>,
    /// A model (`*` is each that has no own chain), who is tried after it, and on which line.
    pub(super) fallbacks: Vec<(String, Vec<String>, u64)>,
    /// Seconds, where a deployment says nothing.
    pub(super) timeout: Option<f64>,
    pub(super) attempts: Option<f64>,
    /// Failures in a row before an endpoint is left alone.
    pub(super) failures: Option<f64>,
    /// Seconds for which it is.
    pub(super) open_for: Option<f64>,
    pub(super) cache: Option<Cache>,
    /// Dollars, the period, and where that was said.
    pub(super) budget: Option<(f64, &'static str, u64)>,
    /// The variable with the digest of the master key.
    pub(super) caller: Option<String>,
    pub(super) otlp: bool,
}

/// `cache` and `cache_params`.
#[derive(Default)]
pub(super) struct Cache {
    /// Seconds.
    pub(super) ttl: Option<f64>,
    pub(super) semantic: bool,
    /// The URL of a Redis, or a reference, as it is written in YAML.
    pub(super) redis: Option<String>,
}

/// Reads all of it.
pub(super) fn read(root: &Map<'_>) -> Rest {
    let mut rest = Rest::default();
    router(&root.map("router_settings"), &mut rest);
    litellm(&root.map("litellm_settings"), &mut rest);
    general(&root.map("general_settings"), &mut rest);
    for (key, item) in root.rest() {
        item.note(
            format!("`{key}` is not carried over: nothing here is like it"),
            "see docs/configuration.md for what there is",
        );
    }
    rest
}

fn number(map: &Map<'_>, key: &str) -> Option<f64> {
    map.take(key)?.number()
}

fn router(map: &Map<'_>, rest: &mut Rest) {
    rest.balance = map.take("routing_strategy").and_then(|item| balance(&item));
    for (alias, item) in map.map("model_group_alias").rest() {
        let model = item.text().or_else(|| item.map().text("model"));
        let said = model.map(|model| (alias.to_owned(), model, item.line));
        rest.aliases.extend(said);
    }
    common(map, rest);
    rest.timeout = number(map, "timeout");
    rest.failures = number(map, "allowed_fails").map(|fails| fails + 1.0);
    rest.open_for = number(map, "cooldown_time");
    leave(map);
}

/// What may stand in either of two sections.
fn common(map: &Map<'_>, rest: &mut Rest) {
    if let Some(item) = map.take("fallbacks") {
        rest.fallbacks.extend(chains(&item));
    }
    if let Some(item) = map.take("default_fallbacks") {
        let for_all = ("*".to_owned(), item.texts(), item.line);
        rest.fallbacks.push(for_all);
    }
    if let Some(retries) = number(map, "num_retries") {
        rest.attempts = Some((retries + 1.0).round().clamp(1.0, 10.0));
    }
}

fn balance(item: &Item<'_>) -> Option<&'static str> {
    match item.text()?.as_str() {
        "simple-shuffle" => Some("weighted"),
        "least-busy" => Some("least_busy"),
        "latency-based-routing" => Some("fastest"),
        _ => {
            let message = "this strategy is not carried over: endpoints are chosen by `weighted`, `least_busy` or `fastest`";
            item.note(
                message,
                "`weighted` holds; write `balance` under `upstream` for another",
            );
            None
        }
    }
}

/// `[{a: [b, c]}, …]`: each a model and who comes after it.
fn chains(item: &Item<'_>) -> Vec<(String, Vec<String>, u64)> {
    let mut all = Vec::new();
    for one in item.list() {
        for (first, after) in one.map().rest() {
            all.push((first.to_owned(), after.texts(), after.line));
        }
    }
    all
}

fn litellm(map: &Map<'_>, rest: &mut Rest) {
    common(map, rest);
    let timeout = number(map, "request_timeout");
    rest.timeout = rest.timeout.or(timeout);
    let params = map.map("cache_params");
    if map.take("cache").is_some_and(|item| item.is_true()) {
        rest.cache = Some(cache(&params));
    } else if !params.rest().is_empty() {
        let message = "`cache_params` is not carried over: `cache` is not `true`";
        params
            .item()
            .note(message, "`cache: {exact: {}}` keeps answers");
    }
    rest.budget = budget(map);
    for key in [
        "callbacks",
        "success_callback",
        "failure_callback",
        "service_callbacks",
    ] {
        if let Some(item) = map.take(key) {
            callbacks(&item, rest);
        }
    }
    leave(map);
}

fn callbacks(item: &Item<'_>, rest: &mut Rest) {
    for one in item.list() {
        match one.text().unwrap_or_default().as_str() {
            "otel" | "opentelemetry" => {
                rest.otlp = true;
                let message = "traces go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, over HTTP and without any prompt";
                one.note(message, "set it for the gateway (the base URL, such as http://127.0.0.1:4318)");
            }
            // Served unless the file says otherwise.
            "prometheus" => {}
            _ => one.note(
                "this callback is not carried over: prompts and answers are sent nowhere but to models",
                "use `telemetry: {otlp: ...}`, /metrics, or `records: {journal: ...}`",
            ),
        }
    }
}

fn budget(map: &Map<'_>) -> Option<(f64, &'static str, u64)> {
    let item = map.take("max_budget")?;
    let usd = item.number().filter(|usd| *usd > 0.0)?;
    let duration = map.take("budget_duration");
    let text = duration.as_ref().and_then(Item::text);
    let (seconds, exact) = text.as_deref().map_or((f64::INFINITY, false), seconds);
    let (per, span) = if seconds <= 3_600.0 {
        ("hour", 3_600.0)
    } else if seconds <= 86_400.0 {
        ("day", 86_400.0)
    } else {
        ("month", 2_592_000.0)
    };
    if !exact || (seconds - span).abs() > 1.0 {
        let than = if seconds > span { "looser" } else { "tighter" };
        let message = format!(
            "a budget is per hour, day or month here, so the amount holds per {per}, which is {than}"
        );
        item.note(message, "put `usd` and `per` of `cost.budgets` right");
    }
    Some((usd, per, item.line))
}

/// `30d`, `1h`, `90s`, `1mo` in seconds, and whether it could be read.
fn seconds(text: &str) -> (f64, bool) {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        "mo" => 2_592_000.0,
        _ => return (f64::INFINITY, false),
    };
    let number: Option<f64> = number.parse().ok();
    number.map_or((f64::INFINITY, false), |number| (number * unit, true))
}

fn cache(params: &Map<'_>) -> Cache {
    let mut cache = Cache {
        ttl: number(params, "ttl").filter(|ttl| *ttl >= 1.0),
        ..Cache::default()
    };
    let kind = params.take("type");
    let name = kind.as_ref().and_then(Item::text);
    match name.as_deref().unwrap_or("local") {
        "local" => {}
        "redis" => cache.redis = Some(redis(params)),
        "redis-semantic" | "qdrant-semantic" => cache.semantic = true,
        _ => {
            let message = "this kind of store is not carried over: answers are kept in memory, or in a Redis that replicas share";
            params
                .item()
                .note(message, "`cache: {shared: {redis: {url: ...}}}`");
        }
    }
    for (key, item) in params.rest() {
        let (why, by_hand) = match key {
            "similarity_threshold" => (
                "likeness is measured in another way here, so another number is right",
                "leave the default, or see `firstline similar` and `cache.semantic.similarity_threshold`",
            ),
            "mode" => (
                "what policy lets be kept is kept",
                "clients say `x-firstline-cache: off`",
            ),
            _ => (
                "the cache has no such setting",
                "see `cache` in docs/configuration.md",
            ),
        };
        item.note(format!("`{key}` is not carried over: {why}"), by_hand);
    }
    params.item().note(
        "answers are kept for each caller alone here, and never those with personal data; LiteLLM shares them",
        "`cache: {scope: everyone}` shares them",
    );
    cache
}

/// Where the Redis is: in the file only where nothing secret is part of it.
fn redis(params: &Map<'_>) -> String {
    let (host, port) = (params.take("host"), params.text("port"));
    let secret = ["password", "username", "ssl", "url"];
    let secret = secret.map(|key| params.take(key).is_some());
    let text = host.as_ref().and_then(Item::text);
    let named = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    };
    let port = port.unwrap_or_else(|| "6379".into());
    if let Some(host) =
        text.filter(|host| named(host) && port.parse::<u16>().is_ok() && secret == [false; 4])
    {
        return format!("\"redis://{host}:{port}/0\"");
    }
    let item = host.as_ref().unwrap_or_else(|| params.item());
    item.note(
        "a Redis is one URL here, and this one's may hold a password; the policy refers to REDIS_URL",
        "set REDIS_URL for the gateway: rediss://user:password@host:port/0, or redis:// without TLS",
    );
    "{env: REDIS_URL}".to_owned()
}

fn general(map: &Map<'_>, rest: &mut Rest) {
    if let Some(item) = map.take("master_key") {
        let text = item.text().unwrap_or_default();
        let name = variable(&text).map_or_else(|| "LITELLM_MASTER_KEY".into(), as_variable);
        let digest = format!("{name}_SHA256");
        let message = match variable(&text) {
            Some(_) => {
                format!("of the master key the gateway knows a digest alone, which {digest} holds")
            }
            None => format!(
                "the master key stands in this file in plain text; of it the gateway knows a digest alone, which {digest} holds"
            ),
        };
        let how = format!(
            "set {digest} to what `printf %s \"${name}\" | sha256sum` prints; it lets a caller in and administers nothing"
        );
        item.note(message, how);
        rest.caller = Some(digest);
    }
    leave(map);
}

/// Notes what nothing was made of in one of the three sections.
fn leave(map: &Map<'_>) {
    for (key, item) in map.rest() {
        let (why, by_hand) = reason(key);
        item.note(format!("`{key}` is not carried over: {why}"), by_hand);
    }
}

fn reason(key: &str) -> (&'static str, &'static str) {
    match key {
        "database_url" => (
            "keys, teams and their budgets in that database stay there",
            "name each under `callers`, and make keys with `firstline keys create`",
        ),
        "redis_host" | "redis_port" | "redis_password" | "redis_url" | "redis_db" => (
            "replicas share nothing unless asked to",
            "`cost: {shared: {redis: {url: {env: REDIS_URL}}}}` counts budgets together",
        ),
        "drop_params" | "modify_params" => (
            "a request goes out as the client wrote it",
            "nothing is needed, unless a provider refuses a parameter",
        ),
        "context_window_fallbacks" => (
            "who comes next is not chosen by the kind of fault, but before anyone is asked",
            "state `upstream.max_input_tokens`, and for `auto` a route of long requests: `routes: [{when: {tokens: {from: 100000}}, use: [...]}]`",
        ),
        "content_policy_fallbacks" => (
            "who comes next is not chosen by the kind of fault, and another model is not asked what one declined",
            "`fallback` of a model holds where it fails or may not be asked",
        ),
        "budget_duration" => (
            "there is no `max_budget` beside it",
            "`cost: {budgets: [...]}`",
        ),
        "global_max_parallel_requests" | "max_parallel_requests" => (
            "it is another kind of limit here",
            "`limits: {max_in_flight: ...}`, or `concurrency` of a caller",
        ),
        "retry_policy" | "allowed_fails_policy" => (
            "what is tried again depends on the fault in one way for all",
            "`upstream: {retry, breaker}`",
        ),
        "alerting" | "alerting_threshold" | "alert_types" | "alert_to_webhook_url" => {
            ("alerts are made from /metrics", "see docs/operating.md")
        }
        "set_verbose" | "json_logs" => (
            "logging is the command line's",
            "`firstline serve --log-json`",
        ),
        _ => (
            "nothing here is like it",
            "see docs/configuration.md for what there is",
        ),
    }
}
