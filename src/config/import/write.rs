//! The policy as YAML, with a word at each place on where it is from.

use super::fallbacks::{self, Chains};
use super::models::{Entry, Price, listed};
use super::settings::{Cache, Rest};
use super::walk::Notes;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The deployments of one name that are spoken to in one way: a model here.
pub(super) struct Group {
    pub(super) name: String,
    aliases: Vec<String>,
    members: Vec<Entry>,
}

/// Deployments by name; those of one name that differ in API or nearness become models of their own.
pub(super) fn groups(entries: Vec<Entry>, rest: &Rest, notes: &Notes) -> Vec<Group> {
    let mut all: Vec<(String, Group)> = Vec::new();
    let asked: BTreeSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    for entry in entries {
        let same = |first: &Entry| {
            (first.is_anthropic, first.is_local) == (entry.is_anthropic, entry.is_local)
        };
        let mut fits = all.iter_mut().filter(|(asked, _)| *asked == entry.name);
        if let Some((_, group)) = fits.find(|(_, group)| group.members.first().is_some_and(same)) {
            group.members.push(entry);
            continue;
        }
        let taken = |name: &str| {
            asked.contains(name) && name != entry.name
                || all.iter().any(|(_, group)| group.name == name)
        };
        let name = free(&entry.name, &taken);
        if name != entry.name {
            let message = format!(
                "a deployment of `{}` that speaks another API or stands nearer is the model `{name}` here",
                entry.name
            );
            notes.add(
                entry.line,
                "",
                message,
                "a route can name both: `routes: [{use: [...]}]`",
            );
        }
        let asked = entry.name.clone();
        let (aliases, members) = (Vec::new(), vec![entry]);
        all.push((
            asked,
            Group {
                name,
                aliases,
                members,
            },
        ));
    }
    let mut groups: Vec<Group> = all.into_iter().map(|(_, group)| group).collect();
    alias(&mut groups, rest, notes);
    groups
}

fn free(name: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let mut fresh = name.to_owned();
    let mut number = 2;
    while taken(&fresh) {
        fresh = format!("{name}-{number}");
        number += 1;
    }
    fresh
}

fn alias(groups: &mut [Group], rest: &Rest, notes: &Notes) {
    let mut taken: BTreeSet<String> = groups.iter().map(|group| group.name.clone()).collect();
    for (alias, model, line) in &rest.aliases {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.:/@+".contains(letter);
        let can_be = alias.len() <= 64
            && alias.chars().all(fits)
            && !matches!(alias.as_str(), "auto" | "human");
        let group = groups.iter_mut().find(|group| group.name == *model);
        match group {
            Some(group) if can_be && taken.insert(alias.clone()) => {
                group.aliases.push(alias.clone())
            }
            Some(_) | None => {
                let message = format!(
                    "the alias `{alias}` is not carried over: its model was not, or its name cannot be one here"
                );
                notes.add(
                    *line,
                    "router_settings.model_group_alias",
                    message,
                    "`aliases` of a model",
                );
            }
        }
    }
}

/// The whole file.
pub(super) fn policy(source: &str, groups: &[Group], rest: &Rest, notes: &Notes) -> String {
    let mut out = format!(
        "# Carried over from LiteLLM's {}. `firstline import` says on standard error what was not.\nversion: 1\nname: from-litellm\n\nmodels:\n",
        printable(source)
    );
    let chains = fallbacks::chains(groups, rest, notes);
    for group in groups {
        model(&mut out, group, (rest, &chains), notes);
    }
    if let Some(variable) = &rest.caller {
        let _ = write!(
            out,
            "\n# general_settings.master_key, as a digest\ncallers:\n  - {{name: master, key_sha256: {{env: {variable}}}}}\n"
        );
    }
    sending(&mut out, groups, rest);
    if let Some(cache) = &rest.cache {
        caching(&mut out, cache);
    }
    budget(&mut out, groups, rest, notes);
    if rest.otlp {
        out.push_str("\n# litellm_settings.callbacks\ntelemetry: {otlp: {env: OTEL_EXPORTER_OTLP_ENDPOINT}}\n");
    }
    notes.add(
        0,
        "",
        "LiteLLM's file states nothing of where providers process and keep data, so nothing is stated of any model",
        "state `residency` where you have it in writing; rules under `privacy` hold against what is stated",
    );
    out
}

fn model(out: &mut String, group: &Group, (rest, chains): (&Rest, &Chains), notes: &Notes) {
    let Some(first) = group.members.first() else {
        return;
    };
    let tier = if first.is_local { "local" } else { "remote" };
    let _ = write!(
        out,
        "  - name: {}  # line {}\n    tier: {tier}\n",
        quoted(&group.name),
        first.line
    );
    if !group.aliases.is_empty() {
        let names: Vec<String> = group.aliases.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(out, "    aliases: [{}]", names.join(", "));
    }
    if let Some((after, line)) = chains.get(&group.name) {
        let names: Vec<String> = after.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(
            out,
            "    fallback: [{}]  # fallbacks, line {line}",
            names.join(", ")
        );
    }
    out.push_str("    upstream:\n");
    if first.is_anthropic {
        out.push_str("      dialect: anthropic\n");
    }
    match group.members.as_slice() {
        [only] => lines(out, &endpoint(only, "      ")),
        several => pool(out, several, rest),
    }
    agreed(out, group, notes);
    if let Some([input, cached, output]) = price(group) {
        let _ = writeln!(
            out,
            "    price: {{input_per_mtok: {input}, cached_input_per_mtok: {cached}, output_per_mtok: {output}}}"
        );
    }
    if let Some(seconds) = patience(group, rest) {
        let span = span(seconds);
        let _ = writeln!(out, "    timeouts: {{first_token: {span}, total: {span}}}");
    }
}

fn pool(out: &mut String, members: &[Entry], rest: &Rest) {
    let first = members.first().map(|entry| entry.model.as_str());
    let _ = writeln!(out, "      model: {}", quoted(first.unwrap_or_default()));
    if let Some(balance) = rest.balance {
        let _ = writeln!(
            out,
            "      balance: {balance}  # router_settings.routing_strategy"
        );
    }
    out.push_str("      endpoints:\n");
    for member in members {
        let mut keys = endpoint(member, "          ");
        if let Some(weight) = member.weight {
            keys.push(format!("          weight: {weight}"));
        }
        let _ = writeln!(out, "        # line {}", member.line);
        if let Some(head) = keys.first_mut() {
            *head = head.replacen("          ", "        - ", 1);
        }
        lines(out, &keys);
    }
}

fn lines(out: &mut String, lines: &[String]) {
    for line in lines {
        out.push_str(line);
        out.push('\n');
    }
}

/// The keys that each endpoint has for itself.
fn endpoint(entry: &Entry, indent: &str) -> Vec<String> {
    let mut keys = vec![
        format!("{indent}base_url: {}", quoted(&entry.url)),
        format!("{indent}model: {}", quoted(&entry.model)),
    ];
    keys.extend(
        entry
            .key
            .as_ref()
            .map(|name| format!("{indent}api_key: {{env: {name}}}")),
    );
    if let Some(cloud) = &entry.cloud {
        keys.push(format!("{indent}{cloud}"));
    }
    if entry.is_azure {
        keys.push(format!("{indent}auth_header: api-key"));
    }
    if entry.in_the_clear {
        keys.push(format!("{indent}allow_plain_http: true"));
    }
    keys.extend(
        entry
            .parallel
            .map(|most| format!("{indent}parallel: {most}")),
    );
    keys
}

/// A number that an entry may state.
type Stated = fn(&Entry) -> Option<f64>;

/// What all endpoints of a model have in common here: the tightest of what was said, with a note where they differ.
fn agreed(out: &mut String, group: &Group, notes: &Notes) {
    let limits: [(&str, Stated); 2] = [
        ("max_output_tokens", |entry| entry.max_output),
        ("max_input_tokens", |entry| entry.max_input),
    ];
    for (key, of) in limits {
        if let Some(least) = tightest(group, of, key, notes) {
            let _ = writeln!(out, "      {key}: {least}");
        }
    }
    tightest(group, |entry| entry.timeout, "timeouts", notes);
}

fn tightest(group: &Group, of: Stated, key: &str, notes: &Notes) -> Option<f64> {
    let least = group.members.iter().filter_map(of).reduce(f64::min)?;
    if let Some(other) = group.members.iter().find(|entry| of(entry) != Some(least)) {
        let message = format!(
            "`{key}` is the same for all endpoints of `{}`; the least is taken",
            group.name
        );
        notes.add(
            other.line,
            "",
            message,
            "make a model of its own of an endpoint that needs another",
        );
    }
    Some(least)
}

/// What to write as the price: the dearest of its endpoints, or nothing where the table knows all.
fn price(group: &Group) -> Option<Price> {
    let stated = group.members.iter().any(|entry| entry.price.is_some());
    let all = group
        .members
        .iter()
        .filter_map(|entry| entry.price.or_else(|| listed(&entry.model)));
    let dearer = |one: Price, other: Price| std::array::from_fn(|at| one[at].max(other[at]));
    all.reduce(dearer).filter(|_| stated)
}

fn patience(group: &Group, rest: &Rest) -> Option<f64> {
    let stated = group.members.iter().filter_map(|entry| entry.timeout);
    let seconds = stated.reduce(f64::min).or(rest.timeout)?;
    (seconds > 0.0).then(|| seconds.min(86_400.0))
}

fn sending(out: &mut String, groups: &[Group], rest: &Rest) {
    let mut parts = Vec::new();
    parts.extend(
        rest.attempts.map(|most| {
            format!("  retry: {{max_attempts: {most}}}  # num_retries, and the first\n")
        }),
    );
    let failures = rest
        .failures
        .map(|most| format!("failures: {}", most.round().clamp(1.0, 1000.0)));
    let open_for = rest
        .open_for
        .filter(|seconds| *seconds > 0.0)
        .map(|seconds| format!("open_for: {}", span(seconds.min(3_600.0))));
    let breaker: Vec<String> = failures.into_iter().chain(open_for).collect();
    if !breaker.is_empty() {
        parts.push(format!(
            "  breaker: {{{}}}  # allowed_fails (in a row here), cooldown_time\n",
            breaker.join(", ")
        ));
    }
    if !parts.is_empty() {
        let _ = write!(out, "\nupstream:\n{}", parts.concat());
    }
    let longest = groups
        .iter()
        .filter_map(|group| patience(group, rest))
        .reduce(f64::max);
    if let Some(longest) = longest.filter(|seconds| *seconds > 300.0) {
        let _ = write!(
            out,
            "\n# as long as the longest timeout, an hour at most\nlatency: {{deadline: {}}}\n",
            span(longest.min(3_600.0))
        );
    }
}

fn caching(out: &mut String, cache: &Cache) {
    let ttl = cache.ttl.map_or_else(String::new, |ttl| {
        format!("ttl: {}", span(ttl.round().min(31_536_000.0)))
    });
    let _ = write!(
        out,
        "\n# litellm_settings.cache\ncache:\n  exact: {{{ttl}}}\n"
    );
    if cache.semantic {
        let _ = writeln!(out, "  semantic: {{{ttl}}}");
    }
    if let Some(url) = &cache.redis {
        let _ = writeln!(out, "  shared: {{redis: {{url: {url}}}}}");
    }
}

/// A budget that cannot count a model would promise what it does not keep, so it is written to be uncommented.
fn budget(out: &mut String, groups: &[Group], rest: &Rest, notes: &Notes) {
    let Some((usd, per, line)) = rest.budget else {
        return;
    };
    let unknown = |group: &&Group| {
        let mut members = group.members.iter();
        price(group).is_none()
            && members.any(|entry| !entry.is_local && listed(&entry.model).is_none())
    };
    let names: Vec<&str> = groups
        .iter()
        .filter(unknown)
        .map(|group| group.name.as_str())
        .collect();
    let off = if names.is_empty() { "" } else { "# " };
    let _ = write!(
        out,
        "\n# litellm_settings.max_budget\n{off}cost: {{budgets: [{{name: total, usd: {usd}, per: {per}}}]}}\n"
    );
    if !names.is_empty() {
        let message = format!(
            "the budget is NOT in force: nobody knows the price of {}, so nothing could count it; it stands in a comment",
            names.join(", ")
        );
        notes.add(
            line,
            "litellm_settings.max_budget",
            message,
            "add `price: {input_per_mtok, output_per_mtok}` to them and take the comment sign away",
        );
    }
}

/// Seconds as a span of time.
fn span(seconds: f64) -> String {
    match seconds.fract() == 0.0 {
        true => format!("{seconds}s"),
        false => format!("{}ms", (seconds * 1e3).round().max(1.0)),
    }
}

/// A text in double quotes; every JSON string is one of YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text that cannot end a comment.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}
