//! That a cloud is read as it is meant, and what cannot be is said with what would be right.

use crate::config::{Settings, parse};
use crate::domain::{AuthHeader, Cloud, Endpoint};
use crate::policy::Offer;
use std::path::Path;
use std::sync::Arc;

const ACCOUNT: &str = r#"{"type":"service_account","client_email":"a@b","private_key_id":"7","token_uri":"https://oauth2.googleapis.com/token","private_key":KEY}"#;

fn environment(name: &str) -> Option<String> {
    let key = include_str!("../../tests/certificates/account.key");
    let account = ACCOUNT.replace("KEY", &serde_json::Value::from(key).to_string());
    Some(match name {
        "ACCOUNT" => account,
        "OTHER_KIND" => account.replace("service_account", "authorized_user"),
        "PLAIN_TOKENS" => account.replace("https://oauth2", "http://oauth2"),
        "NO_RSA" => account.replace("BEGIN PRIVATE KEY", "BEGIN PUBLIC KEY"),
        _ => "canary-of-a-key".into(),
    })
}

fn read(upstream: &str) -> Result<Settings, String> {
    let text = format!(
        "version: 1\nname: t\nmodels:\n  - {{name: m, tier: remote, upstream: {{model: x, {upstream}}}}}\n"
    );
    let settings = parse(&text, Path::new("t.yaml"), &environment);
    settings.map_err(|problems| problems.iter().map(|one| format!("{one}\n")).collect())
}

fn endpoint(upstream: &str) -> Arc<Endpoint> {
    let settings = read(upstream).unwrap_or_else(|problems| panic!("{problems}"));
    match &settings.policy.models[0].offer {
        Offer::Endpoint(endpoint) => endpoint.clone(),
        Offer::Desk | Offer::Engine => panic!("no endpoint"),
    }
}

const BEDROCK: &str =
    "dialect: anthropic, base_url: \"https://bedrock-runtime.eu-central-1.amazonaws.com\"";
const KEYS: &str = "access_key_id: {env: ID}, secret_access_key: {env: SECRET}";
const VERTEX: &str = "dialect: anthropic, base_url: \"https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1\"";

#[test]
fn bedrock_is_known_by_keys_or_by_an_api_key() {
    let by_keys = endpoint(&format!(
        "{BEDROCK}, bedrock: {{region: eu-central-1, {KEYS}, session_token: {{env: TOKEN}}}}"
    ));
    let Some(Cloud::Bedrock(Some(keys))) = &by_keys.cloud else {
        panic!("no keys");
    };
    assert_eq!(&*keys.region, "eu-central-1");
    assert!(keys.session_token.is_some() && by_keys.credential.is_none());
    let by_key = endpoint(&format!(
        "{BEDROCK}, api_key: {{env: KEY}}, bedrock: {{region: eu-central-1}}"
    ));
    assert_eq!(by_key.cloud, Some(Cloud::Bedrock(None)));
    assert_eq!(by_key.auth, AuthHeader::Bearer);
    let front = endpoint(&format!(
        "base_url: \"https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1\", bedrock: {{region: us-west-2, {KEYS}}}"
    ));
    assert!(front.cloud.is_some());
}

#[test]
fn vertex_is_known_by_a_service_account() {
    let endpoint = endpoint(&format!(
        "{VERTEX}, vertex: {{service_account: {{env: ACCOUNT}}}}"
    ));
    let Some(Cloud::Vertex(account)) = &endpoint.cloud else {
        panic!("no account");
    };
    assert_eq!(
        (&*account.email, account.key_id.as_deref()),
        ("a@b", Some("7"))
    );
    assert!(!format!("{endpoint:?}").contains("PRIVATE"));
}

#[test]
fn each_of_several_endpoints_has_a_cloud_of_its_own() {
    let text = format!(
        "version: 1\nname: t\nmodels:\n  - name: m\n    tier: remote\n    upstream:\n      dialect: anthropic\n      model: x\n      endpoints:\n        - {{base_url: \"https://api.anthropic.com/v1\", api_key: {{env: KEY}}}}\n        - {{base_url: \"https://bedrock-runtime.eu-west-1.amazonaws.com\", bedrock: {{region: eu-west-1, {KEYS}}}}}\n        - {{{}, vertex: {{service_account: {{env: ACCOUNT}}}}}}\n",
        VERTEX.replace("dialect: anthropic, ", "")
    );
    let settings = parse(&text, Path::new("t.yaml"), &environment).unwrap();
    let clouds = settings
        .policy
        .models
        .iter()
        .map(|model| match &model.offer {
            Offer::Endpoint(endpoint) => endpoint.cloud.as_ref().map(Cloud::is_bedrock),
            Offer::Desk | Offer::Engine => panic!("no endpoint"),
        });
    assert_eq!(clouds.collect::<Vec<_>>(), [None, Some(true), Some(false)]);
}

/// Each of these upstreams is refused with these words, and no key is in them.
fn refused<const COUNT: usize>(upstreams: [(String, &str); COUNT]) {
    for (upstream, said) in upstreams {
        let problems = read(&upstream).err();
        let problems = problems.unwrap_or_else(|| panic!("it was taken: {upstream}"));
        assert!(problems.contains(said), "{said}\n{problems}");
        assert!(!problems.contains("canary"), "{problems}");
    }
}

#[test]
fn what_cannot_be_in_bedrock_is_said_with_what_would_be_right() {
    let region = "bedrock: {region: eu-central-1";
    refused([
        (
            format!("{BEDROCK}, {region}}}"),
            "nothing says how Bedrock is to know us",
        ),
        (
            format!("{BEDROCK}, {region}, access_key_id: {{env: ID}}}}"),
            "nothing says how Bedrock is to know us",
        ),
        (
            format!("{BEDROCK}, api_key: {{env: KEY}}, {region}, {KEYS}}}"),
            "an API key or a signature, not both",
        ),
        (
            format!("{BEDROCK}, api_key: {{env: KEY}}, {region}, session_token: {{env: T}}}}"),
            "an API key is no such pair",
        ),
        (
            format!("{BEDROCK}, bedrock: {{region: us-east-1, {KEYS}}}"),
            "`base_url` is in eu-central-1",
        ),
        (
            format!("{BEDROCK}, bedrock: {{region: EU, {KEYS}}}"),
            "no region of AWS",
        ),
        (format!("{BEDROCK}, bedrock: {{{KEYS}}}"), "region"),
        (
            format!("{BEDROCK}, auth_header: x-api-key, {region}, {KEYS}}}"),
            "one header alone",
        ),
        (
            format!("{BEDROCK}, {region}, access_key_id: AKIA, secret_access_key: {{env: S}}}}"),
            "may not stand in the config as text",
        ),
        (
            format!(
                "{}/openai/v1\", {region}, {KEYS}}}",
                BEDROCK.trim_end_matches('"')
            ),
            "no such API below this address",
        ),
        (
            format!(
                "{}, {region}, {KEYS}}}",
                BEDROCK.replace("dialect: anthropic, ", "")
            ),
            "openai/v1",
        ),
        (
            format!("{BEDROCK}, api_key: {{env: KEY}}"),
            "say `bedrock: {region",
        ),
    ]);
}

#[test]
fn what_cannot_be_in_vertex_is_said_with_what_would_be_right() {
    let account = "vertex: {service_account: {env: ACCOUNT}}";
    refused([
        (
            format!("{VERTEX}, api_key: {{env: KEY}}"),
            "say `vertex: {service_account",
        ),
        (
            format!("{VERTEX}, api_key: {{env: KEY}}, {account}"),
            "and no key",
        ),
        (
            format!("{VERTEX}, {account}, bedrock: {{region: eu-central-1, {KEYS}}}"),
            "stands in one cloud",
        ),
        (
            format!(
                "{}, {account}",
                VERTEX.replace("/locations/europe-west1", "")
            ),
            "no such API below this address",
        ),
        (
            format!("{}, {account}", VERTEX.replace("dialect: anthropic, ", "")),
            "endpoints/openapi",
        ),
        (
            format!("{VERTEX}, vertex: {{service_account: {{env: OTHER_KIND}}}}"),
            "no service account's key",
        ),
        (
            format!("{VERTEX}, vertex: {{service_account: {{env: KEY}}}}"),
            "no service account's key",
        ),
        (
            format!("{VERTEX}, vertex: {{service_account: {{env: PLAIN_TOKENS}}}}"),
            "token_uri is no https address",
        ),
        (
            format!("{VERTEX}, vertex: {{service_account: {{env: NO_RSA}}}}"),
            "no PKCS #8 key in PEM",
        ),
        (format!("{VERTEX}, vertex: {{}}"), "service_account"),
    ]);
}
