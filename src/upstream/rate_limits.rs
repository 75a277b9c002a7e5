//! What providers say of their rate limits, each in headers of its own, in OpenAI's words besides.
//!
//! Anthropic states limits for requests, input and output tokens, and both together, with a moment at which each is full
//! again; OpenAI states a span. The provider's own headers are passed on as they came.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Anthropic's names and the `x-ratelimit-*` names they become.
const ANTHROPIC: [(&str, &str); 6] = [
    (
        "anthropic-ratelimit-requests-limit",
        "x-ratelimit-limit-requests",
    ),
    (
        "anthropic-ratelimit-requests-remaining",
        "x-ratelimit-remaining-requests",
    ),
    (
        "anthropic-ratelimit-requests-reset",
        "x-ratelimit-reset-requests",
    ),
    (
        "anthropic-ratelimit-tokens-limit",
        "x-ratelimit-limit-tokens",
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "x-ratelimit-remaining-tokens",
    ),
    (
        "anthropic-ratelimit-tokens-reset",
        "x-ratelimit-reset-tokens",
    ),
];
/// The names of gateways in front of models (Azure API Management, the IETF's draft): of requests, resets in seconds.
const DRAFT: [(&str, &str); 5] = [
    ("ratelimit-limit", "x-ratelimit-limit-requests"),
    ("ratelimit-remaining", "x-ratelimit-remaining-requests"),
    ("ratelimit-reset", "x-ratelimit-reset-requests"),
    ("remaining-calls", "x-ratelimit-remaining-requests"),
    ("remaining-tokens", "x-ratelimit-remaining-tokens"),
];

/// The `x-ratelimit-*` headers that an answer lacks and whose meaning it states in other words.
pub(super) fn in_openai_words(
    headers: &HeaderMap,
    now: SystemTime,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut said: Vec<(HeaderName, HeaderValue)> = Vec::new();
    // Most answers have none, and looking each up costs more than a look at all names.
    let mut names = headers.keys().map(HeaderName::as_str);
    if !names.any(is_others) {
        return said;
    }
    for (theirs, ours) in ANTHROPIC.into_iter().chain(DRAFT) {
        let Some(value) = headers.get(theirs).and_then(|value| value.to_str().ok()) else {
            continue;
        };
        let value = match theirs.ends_with("-reset") {
            true => until_reset(value, now),
            false => value.parse::<u64>().ok().map(|number| number.to_string()),
        };
        let name = HeaderName::from_static(ours);
        let is_said = headers.contains_key(&name) || said.iter().any(|(one, _)| *one == name);
        let value = value.filter(|_| !is_said);
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            said.push((name, value));
        }
    }
    said
}

fn is_others(name: &str) -> bool {
    ["anthropic-ratelimit-", "ratelimit-", "remaining-"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// A reset in OpenAI's form, from a moment (RFC 3339, UTC) or from seconds.
fn until_reset(value: &str, now: SystemTime) -> Option<String> {
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(format!("{seconds}s"));
    }
    // Fractions of a second are cut off.
    let (whole, _) = value.split_once('.').unwrap_or((value, ""));
    let at = crate::domain::Moment::parse(whole)?;
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(at.0))?;
    let left = at.duration_since(now).unwrap_or_default();
    Some(format!(
        "{}s",
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(headers: &[(&'static str, &str)]) -> Vec<(String, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        // 2026-11-21T08:30:00Z.
        let now = UNIX_EPOCH + Duration::from_secs(1_795_249_800);
        let all = in_openai_words(&map, now).into_iter();
        all.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn anthropics_limits_are_said_in_openais_words() {
        let all = said(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-11-21T08:31:12Z"),
            ("anthropic-ratelimit-tokens-remaining", "7999"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-21T08:29:00Z"),
        ]);
        let wanted = [
            ("x-ratelimit-limit-requests", "50"),
            ("x-ratelimit-remaining-requests", "49"),
            ("x-ratelimit-reset-requests", "72s"),
            ("x-ratelimit-remaining-tokens", "7999"),
            ("x-ratelimit-reset-tokens", "0s"),
        ];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(all, wanted);
    }

    #[test]
    fn every_name_in_the_tables_is_looked_for() {
        let all = ANTHROPIC.into_iter().chain(DRAFT);
        assert!(all.map(|(theirs, _)| theirs).all(is_others));
    }

    #[test]
    fn what_is_said_already_is_not_said_again_and_nonsense_not_at_all() {
        let all = said(&[
            ("x-ratelimit-remaining-requests", "7"),
            ("ratelimit-remaining", "3"),
            ("ratelimit-reset", "12"),
            ("remaining-tokens", "lots"),
        ]);
        assert_eq!(
            all,
            [("x-ratelimit-reset-requests".to_owned(), "12s".to_owned())]
        );
    }
}
