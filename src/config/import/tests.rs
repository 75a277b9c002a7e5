//! That what is carried over can be loaded, and that nothing is dropped in silence or repeated aloud.

use super::{Imported, import_litellm};
use crate::config::{Settings, parse};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("src/config/import/fixtures").join(name)
}

fn imported(name: &str) -> Imported {
    import_litellm(&fixture(name)).unwrap()
}

fn loaded(imported: &Imported) -> Settings {
    let environment = |name: &str| {
        let value = match name {
            "REDIS_URL" => "redis://127.0.0.1:6379/0".to_owned(),
            "OTEL_EXPORTER_OTLP_ENDPOINT" => "http://127.0.0.1:4318".to_owned(),
            "VERTEX_SERVICE_ACCOUNT" => {
                let key = include_str!("../../../tests/certificates/account.key");
                let account = serde_json::json!({"type": "service_account", "client_email": "a@b", "private_key": key, "token_uri": "https://t.example"});
                account.to_string()
            }
            _ => "ab".repeat(32),
        };
        Some(value)
    };
    parse(&imported.text, Path::new("made.yaml"), &environment).unwrap()
}

fn notes(imported: &Imported) -> String {
    imported
        .notes
        .iter()
        .map(|note| format!("{note}\n"))
        .collect()
}

#[test]
fn what_is_carried_over_can_be_loaded() {
    let settings = loaded(&imported("everything.yaml"));
    let names: Vec<&str> = settings
        .policy
        .models
        .iter()
        .map(|model| &*model.name)
        .collect();
    assert_eq!(names, ["gpt-4o/1", "gpt-4o/2", "claude", "small"]);
    assert_eq!(settings.policy.cost.budgets.len(), 1);
    let fallbacks: Vec<&[usize]> = settings
        .policy
        .models
        .iter()
        .map(|model| &*model.fallback)
        .collect();
    assert_eq!(fallbacks, [&[2, 3][..], &[2, 3], &[0, 1], &[2]]);
}

#[test]
fn a_budget_that_cannot_be_counted_is_no_budget_and_that_is_said() {
    let made = imported("unpriced.yaml");
    assert!(loaded(&made).policy.cost.budgets.is_empty());
    assert!(notes(&made).contains("the budget is NOT in force: nobody knows the price of own"));
}

#[test]
fn what_is_not_carried_over_is_noted_with_its_line() {
    let notes = notes(&imported("everything.yaml"));
    for (line, said) in [
        (9, "`api_version` is not carried over"),
        (13, "`temperature` is not carried over"),
        (16, "`sagemaker` speaks no API"),
        (18, "a pattern names no model"),
        (26, "`redis_password` is not carried over"),
        (28, "`far` is no fallback of `gpt-4o` here"),
        (28, "the fallback of `far` is not carried over"),
        (30, "`context_window_fallbacks` is not carried over"),
        (31, "`content_policy_fallbacks` is not carried over"),
        (34, "`drop_params` is not carried over"),
        (35, "this callback is not carried over"),
        (40, "`database_url` is not carried over"),
        (41, "AZURE_API_BASE is not carried over"),
    ] {
        let place = format!("everything.yaml:{line}: ");
        let found = notes
            .lines()
            .any(|note| note.contains(&place) && note.contains(said));
        assert!(found, "{line} {said}\n{notes}");
    }
}

#[test]
fn no_secret_is_repeated() {
    let made = imported("everything.yaml");
    let all = format!("{}{}", made.text, notes(&made));
    assert!(!all.contains("in-plain-text"), "{all}");
    assert!(
        made.text.contains("api_key: {env: CLAUDE_API_KEY}"),
        "{all}"
    );
    assert!(all.contains("stands in this file in plain text"), "{all}");
}

#[test]
fn deployments_in_clouds_are_carried_over_with_their_keys_by_reference() {
    let made = imported("clouds.yaml");
    let settings = loaded(&made);
    let names: Vec<&str> = settings
        .policy
        .models
        .iter()
        .map(|model| &*model.name)
        .collect();
    assert_eq!(names, ["claude/1", "claude/2", "opened", "gemini", "usual"]);
    for written in [
        r#"base_url: "https://bedrock-runtime.eu-central-1.amazonaws.com""#,
        "bedrock: {region: eu-central-1, access_key_id: {env: BEDROCK_ID}, secret_access_key: {env: AWS_SECRET_ACCESS_KEY}, session_token: {env: BEDROCK_SESSION}}",
        r#"base_url: "https://europe-west1-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west1""#,
        r#"base_url: "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1""#,
        "api_key: {env: BEDROCK_KEY}",
        "bedrock: {region: us-west-2}",
        r#"base_url: "https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/endpoints/openapi""#,
        r#"model: "google/gemini-2.5-flash""#,
        "vertex: {service_account: {env: VERTEX_SERVICE_ACCOUNT}}",
        "bedrock: {region: us-east-1, access_key_id: {env: AWS_ACCESS_KEY_ID}, secret_access_key: {env: AWS_SECRET_ACCESS_KEY}}",
    ] {
        assert!(made.text.contains(written), "{written}\n{}", made.text);
    }
    let notes = notes(&made);
    assert!(!format!("{}{notes}", made.text).contains("in-plain-text"));
    for said in [
        "clouds.yaml:7: ",
        "`nowhere` is not carried over: nothing in this file says which region",
        "`titan` is not carried over: of Bedrock's models",
        "`llama` is not carried over: of Vertex AI's models",
        "`unplaced` is not carried over",
        "`aws_role_name` is not carried over: requests are signed with keys",
        "set VERTEX_SERVICE_ACCOUNT to its JSON key",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
}
