//! What is served without a config file.

use super::load::parse;
use super::problem::Problem;
use super::settings::Settings;
use std::path::Path;

/// What problems of the built-in config are reported under.
const FILE: &str = "(no config file)";
const OPENAI: &str = "https://api.openai.com/v1";
const MODEL: &str = "gpt-4o-mini";

/// The settings without a config file: a desk without knowledge, and where `OPENAI_API_KEY` or `OPENAI_BASE_URL` is
/// set, that upstream with the model of `OPENAI_MODEL`.
///
/// # Errors
/// What is wrong with those variables.
pub fn defaults(environment: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Vec<Problem>> {
    // Written as a config and read as one, so that there is one way to settings and one place that checks them.
    let text = text(environment);
    parse(&text, Path::new(FILE), environment)
}

fn text(environment: &dyn Fn(&str) -> Option<String>) -> String {
    let set = |name: &str| environment(name).filter(|text| !text.trim().is_empty());
    let mut text =
        "version: 1\nname: default\nmodels:\n  - {name: desk, tier: local, knowledge: []}\n"
            .to_owned();
    let key = set("OPENAI_API_KEY").is_some();
    let base_url = set("OPENAI_BASE_URL");
    if !key && base_url.is_none() {
        return text;
    }
    let base_url = base_url.unwrap_or_else(|| OPENAI.to_owned());
    let model = set("OPENAI_MODEL").unwrap_or_else(|| MODEL.to_owned());
    // A JSON string is a YAML string, whatever a variable holds.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let key = if key {
        ", api_key: {env: OPENAI_API_KEY}"
    } else {
        ""
    };
    text.push_str(&format!(
        "  - name: remote\n    tier: remote\n    upstream: {{base_url: {}, model: {}{key}}}\n",
        quoted(&base_url),
        quoted(&model),
    ));
    text
}
