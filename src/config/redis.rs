//! `redis`: a store that replicas share.

use super::models;
use super::place;
use super::reader::{Section, Value};
use super::secrets::Secrets;
use crate::domain::{Residency, Secret, Tier};
use crate::shared::{self, Store};
use std::time::Duration;

/// A Redis as a section names it.
pub(super) struct Redis {
    pub(super) store: shared::Settings,
    /// Local where it is on this machine.
    pub(super) tier: Tier,
    /// Where it stores what it is sent; nothing where nobody said.
    pub(super) residency: Residency,
    /// What is sent there can be read on the way, by others than this machine's.
    pub(super) in_the_clear: bool,
}

/// Reads `redis: {url, timeout_ms}` out of a section, with `residency` where what it is sent is somebody's data.
pub(super) fn read(
    section: &Section<'_>,
    keys: &'static [&'static str],
    timeout_ms: u32,
    secrets: &Secrets<'_>,
) -> Option<Redis> {
    let redis = section.required("redis", "{url: {env: REDIS_URL}}")?;
    let redis = redis.section(keys)?;
    let timeout = redis.read("timeout_ms", timeout_ms, |value| value.whole(1..=10_000));
    let residency = keys.contains(&"residency").then(|| redis.get("residency"));
    let residency = residency.flatten().map(|value| models::residency(&value));
    let url = redis.required("url", "{env: REDIS_URL}")?;
    let text = secrets.text_or_reference(&url)?;
    let store = shared::Settings {
        url: Secret::new(text.as_str()),
        timeout: Duration::from_millis(timeout.into()),
    };
    let authority = authority(&text).filter(|_| Store::new(&store).is_ok());
    let Some((host, is_plain)) = authority else {
        return not_a_redis(&url);
    };
    Some(Redis {
        store,
        tier: match host.is_loopback() {
            true => Tier::Local,
            false => Tier::Remote,
        },
        residency: residency.unwrap_or_default(),
        in_the_clear: is_plain && !host.is_loopback(),
    })
}

fn not_a_redis(url: &Value<'_>) -> Option<Redis> {
    // What was written is not repeated: it may hold a password.
    url.wrong(
        "this is no URL of a Redis",
        "write `redis://127.0.0.1:6379/0`, `rediss://` for TLS, or refer to a variable that holds such a URL",
    );
    None
}

/// The host of a Redis's URL, and whether it is spoken to in the clear.
fn authority(text: &str) -> Option<(place::Place, bool)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_plain = match scheme {
        "redis" => true,
        "rediss" => false,
        _ => return None,
    };
    let host = rest.split('/').next()?.rsplit('@').next()?;
    Some((place::parse_url(&format!("http://{host}"))?, is_plain))
}
