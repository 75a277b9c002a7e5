//! `upstream.bedrock` and `upstream.vertex`: how a cloud knows us.

use super::place;
use super::reader::{Section, Value};
use super::secrets::Secrets;
use crate::domain::{AwsKeys, Cloud, Dialect, Secret, ServiceAccount};
use crate::upstream;
use serde::Deserialize;
use std::sync::Arc;

/// Every key of `bedrock`.
const OF_BEDROCK: &[&str] = &[
    "region",
    "access_key_id",
    "secret_access_key",
    "session_token",
];
/// Every key of `vertex`.
const OF_VERTEX: &[&str] = &["service_account"];

/// The cloud that an endpoint stands in, where it is asked in that one's own way.
pub(super) fn read(it: &Section<'_>, dialect: Dialect, secrets: &Secrets<'_>) -> Option<Cloud> {
    let base = it.get("base_url");
    match (it.get("bedrock"), it.get("vertex")) {
        (Some(_), Some(vertex)) => {
            vertex.wrong(
                "an endpoint stands in one cloud",
                "leave out `bedrock` or this",
            );
            None
        }
        (Some(value), None) => {
            refuse_header(it);
            bedrock(it, &value, base.as_ref(), dialect, secrets)
        }
        (None, Some(value)) => {
            refuse_header(it);
            vertex(it, &value, base.as_ref(), dialect, secrets)
        }
        (None, None) => {
            if let Some(base) = base.filter(|_| dialect == Dialect::Anthropic) {
                ask_for_cloud(&base);
            }
            None
        }
    }
}

fn refuse_header(it: &Section<'_>) {
    if let Some(header) = it.get("auth_header") {
        let message = "a cloud wants its key in one header alone";
        header.wrong(message, "leave it out");
    }
}

/// Claude in a cloud is no endpoint of Anthropic's own kind.
fn ask_for_cloud(base: &Value<'_>) {
    let url = base.as_text().unwrap_or_default();
    let key = if region_of(url).is_some() && !url.contains("/anthropic/") {
        "bedrock: {region, access_key_id, secret_access_key}"
    } else if url.contains("aiplatform.googleapis.com") {
        "vertex: {service_account: {file: …}}"
    } else {
        return;
    };
    let message = "Claude is asked in this cloud's own way here";
    base.wrong(message, format!("say `{key}` beside it"));
}

fn bedrock(
    it: &Section<'_>,
    value: &Value<'_>,
    base: Option<&Value<'_>>,
    dialect: Dialect,
    secrets: &Secrets<'_>,
) -> Option<Cloud> {
    let section = value.section(OF_BEDROCK)?;
    let region = section.required("region", "eu-central-1");
    let region = region.and_then(|value| self::region(&value, base));
    if let Some(base) = base {
        let path = path(base);
        let (is_right, right) = match dialect {
            Dialect::Anthropic => (
                !path.contains("/openai") && !path.contains("/model"),
                "with `dialect: anthropic`, write `https://bedrock-runtime.REGION.amazonaws.com`",
            ),
            Dialect::OpenAi => (
                path.ends_with("/v1"),
                "write `https://bedrock-runtime.REGION.amazonaws.com/openai/v1`, or say `dialect: anthropic` for Claude",
            ),
        };
        if !is_right {
            base.wrong("Bedrock has no such API below this address", right);
        }
    }
    let pair = ["access_key_id", "secret_access_key"].map(|key| section.get(key));
    let token = section.get("session_token");
    let api_key = it.get("api_key");
    match (&pair, &api_key) {
        ([None, None], Some(_)) => {
            if let Some(token) = token {
                let message = "this belongs to a pair of keys, and an API key is no such pair";
                token.wrong(message, "leave it out");
            }
            region.map(|_| Cloud::Bedrock(None))
        }
        ([Some(id), Some(secret)], None) => {
            let (id, secret) = (secrets.key(id), secrets.key(secret));
            Some(Cloud::Bedrock(Some(AwsKeys {
                region: region?,
                access_key_id: id?,
                secret_access_key: secret?,
                // An unreadable token is a problem of its own, so that nothing is signed without it.
                session_token: token.and_then(|token| secrets.key(&token)),
            })))
        }
        (_, Some(api_key)) => {
            let message = "a request bears an API key or a signature, not both";
            api_key.wrong(message, "leave out `api_key`, or the keys under `bedrock`");
            None
        }
        (_, None) => {
            let message = "nothing says how Bedrock is to know us";
            let remedy = "write `access_key_id` and `secret_access_key` here, each `{env: NAME}` or `{file: PATH}`, or `api_key` beside it";
            value.wrong(message, remedy);
            None
        }
    }
}

/// A region's name, which has to be the one of the address.
fn region(value: &Value<'_>, base: Option<&Value<'_>>) -> Option<Arc<str>> {
    let text = value.text()?;
    let fits =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if text.is_empty() || !text.chars().all(fits) {
        value.wrong("this is no region of AWS", "write `eu-central-1`");
        return None;
    }
    let there = base.and_then(|base| region_of(base.as_text()?));
    if let Some(there) = there.filter(|there| *there != text) {
        let message = format!("`base_url` is in {there}, and a signature holds in one region");
        value.wrong(message, format!("write `{there}`, or change the address"));
    }
    Some(text.into())
}

/// The region that an address of Bedrock's names: it stands after the service.
fn region_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("//")?;
    let host = rest.split(['/', ':']).next()?;
    let mut parts = host.split('.');
    parts.find(|part| matches!(*part, "bedrock-runtime" | "bedrock-runtime-fips"))?;
    parts.next().filter(|_| host.contains("amazonaws.com"))
}

fn path(base: &Value<'_>) -> String {
    let url = base.as_text().unwrap_or_default().trim_end_matches('/');
    let rest = url.split_once("//").map_or(url, |(_, rest)| rest);
    rest.split_once('/')
        .map_or_else(String::new, |(_, path)| format!("/{path}"))
}

fn vertex(
    it: &Section<'_>,
    value: &Value<'_>,
    base: Option<&Value<'_>>,
    dialect: Dialect,
    secrets: &Secrets<'_>,
) -> Option<Cloud> {
    let section = value.section(OF_VERTEX)?;
    if let Some(key) = it.get("api_key") {
        let message = "a request bears the token of the service account, and no key";
        key.wrong(message, "leave it out");
    }
    if let Some(base) = base {
        let path = path(base);
        let (is_right, right) = match dialect {
            Dialect::Anthropic => (
                path.contains("/projects/")
                    && path
                        .rsplit('/')
                        .nth(1)
                        .is_some_and(|part| part == "locations"),
                "with `dialect: anthropic`, write `https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION`",
            ),
            Dialect::OpenAi => (
                path.contains("/projects/") && path.contains("/endpoints/"),
                "write `https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/endpoints/openapi`, or say `dialect: anthropic` for Claude",
            ),
        };
        if !is_right {
            base.wrong("Vertex AI has no such API below this address", right);
        }
    }
    let account = section.required("service_account", "{file: service-account.json}")?;
    service_account(&account, secrets).map(Cloud::Vertex)
}

/// The JSON key of a service account.
fn service_account(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<ServiceAccount> {
    #[derive(Deserialize)]
    struct Key {
        #[serde(rename = "type")]
        kind: String,
        client_email: String,
        private_key: String,
        private_key_id: Option<String>,
        token_uri: String,
    }
    let wrong = |message: &str| {
        let remedy =
            "refer to the JSON key of a service account, as Google Cloud's console writes it";
        value.wrong(message, remedy);
    };
    let text = secrets.document(value)?;
    let key: Option<Key> = serde_json::from_str(&text).ok();
    let Some(key) = key.filter(|key| key.kind == "service_account") else {
        wrong("this is no service account's key");
        return None;
    };
    let to = place::parse_url(&key.token_uri);
    if to.is_none_or(|to| to.plain && !to.is_loopback()) {
        wrong("its token_uri is no https address");
        return None;
    }
    let account = ServiceAccount {
        email: key.client_email.into(),
        key_id: key.private_key_id.map(Arc::from),
        private_key: Secret::new(key.private_key),
        token_uri: key.token_uri.into(),
    };
    match upstream::check_account(&account) {
        Ok(()) => Some(account),
        Err(message) => {
            wrong(message);
            None
        }
    }
}

#[cfg(test)]
#[path = "cloud_tests.rs"]
mod tests;
