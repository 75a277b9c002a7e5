//! Deployments in Amazon Bedrock and Google Vertex AI, by LiteLLM's names for what they need.

use super::walk::{Item, Map, as_variable, variable};
use std::collections::BTreeMap;

/// A cloud that is asked in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cloud {
    Bedrock,
    Vertex,
}

/// One deployment as an endpoint here.
pub(super) struct There {
    pub(super) is_anthropic: bool,
    pub(super) url: String,
    pub(super) model: String,
    /// The key that says how it knows us, as YAML.
    pub(super) cloud: String,
    /// The variable of an API key.
    pub(super) key: Option<String>,
}

/// Values that LiteLLM takes from the environment, as far as the file has them.
type Plain = BTreeMap<String, String>;

/// LiteLLM's names for the clouds.
pub(super) const NAMES: [&str; 3] = ["bedrock", "bedrock_converse", "vertex_ai"];

/// The cloud and its own name for a model.
pub(super) fn find<'a>(model: &'a str, stated: Option<&str>) -> Option<(Cloud, &'a str)> {
    let (head, rest) = model.split_once('/').unwrap_or(("", model));
    let (provider, own) = match stated {
        Some(provider) if head == provider => (provider, rest),
        Some(provider) => (provider, model),
        None => (head, rest),
    };
    let cloud = match NAMES.iter().position(|name| *name == provider)? {
        2 => Cloud::Vertex,
        _ => Cloud::Bedrock,
    };
    Some((cloud, own))
}

/// The deployment; `None`, and a note, where there is none like it here.
pub(super) fn deployment(
    item: &Item<'_>,
    name: &str,
    (cloud, model): (Cloud, &str),
    params: &Map<'_>,
    plain: &Plain,
) -> Option<There> {
    for key in ["api_base", "base_url", "aws_bedrock_runtime_endpoint"] {
        if let Some(stated) = params.take(key) {
            let message = "this address is not carried over: the cloud's usual one is written";
            stated.note(message, "change `base_url` where you use another way to it");
        }
    }
    match cloud {
        Cloud::Bedrock => bedrock(item, name, model, params, plain),
        Cloud::Vertex => vertex(item, name, model, params, plain),
    }
}

fn refuse(item: &Item<'_>, name: &str, why: &str, remedy: &str) {
    item.note(format!("`{name}` is not carried over: {why}"), remedy);
}

fn bedrock(
    item: &Item<'_>,
    name: &str,
    model: &str,
    params: &Map<'_>,
    plain: &Plain,
) -> Option<There> {
    let mut model = model;
    for route in ["converse/", "converse_like/", "invoke/"] {
        model = model.strip_prefix(route).unwrap_or(model);
    }
    // A region may stand before the model.
    let (within, model) = match model.split_once('/') {
        Some((region, rest)) if is_region(region) => (Some(region.to_owned()), rest),
        _ => (None, model),
    };
    let stated = params.take("aws_region_name");
    let stated = stated.and_then(|stated| known(&stated, plain));
    let Some(region) = stated.or(within).filter(|region| is_region(region)) else {
        let why = "nothing in this file says which region of AWS it is in";
        refuse(
            item,
            name,
            why,
            "add it under `models` by hand, with `bedrock: {region: …}`",
        );
        return None;
    };
    let is_anthropic = model.contains("anthropic.");
    if !is_anthropic && !model.starts_with("openai.") {
        let why = "of Bedrock's models Claude is spoken to here, and those behind its OpenAI API";
        refuse(
            item,
            name,
            why,
            "look whether `https://bedrock-runtime.REGION.amazonaws.com/openai/v1` has it",
        );
        return None;
    }
    let below = if is_anthropic { "" } else { "/openai/v1" };
    let key = params
        .take("api_key")
        .map(|item| secret(&item, "AWS_BEARER_TOKEN_BEDROCK"));
    let signs = match &key {
        Some(_) => String::new(),
        None => keys(params),
    };
    Some(There {
        is_anthropic,
        url: format!("https://bedrock-runtime.{region}.amazonaws.com{below}"),
        model: model.to_owned(),
        cloud: format!("bedrock: {{region: {region}{signs}}}"),
        key,
    })
}

/// References to what signs, LiteLLM's own variables where the file names none.
fn keys(params: &Map<'_>) -> String {
    let of = |key, usual: &str| {
        let stated = params.take(key);
        stated.map_or_else(|| usual.to_owned(), |item| secret(&item, usual))
    };
    let id = of("aws_access_key_id", "AWS_ACCESS_KEY_ID");
    let signs = of("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY");
    let session = params.take("aws_session_token");
    let session = session.map_or_else(String::new, |item| {
        format!(
            ", session_token: {{env: {}}}",
            secret(&item, "AWS_SESSION_TOKEN")
        )
    });
    format!(", access_key_id: {{env: {id}}}, secret_access_key: {{env: {signs}}}{session}")
}

/// `eu-central-1`, and nothing that is a model's name.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = parts.last().is_some_and(|last| last.parse::<u8>().is_ok());
    let word = |part: &&str| part.bytes().all(|byte| byte.is_ascii_lowercase());
    parts.len() >= 3 && number && parts[..parts.len() - 1].iter().all(word)
}

fn vertex(
    item: &Item<'_>,
    name: &str,
    model: &str,
    params: &Map<'_>,
    plain: &Plain,
) -> Option<There> {
    let stated = |key| params.take(key).and_then(|item| known(&item, plain));
    let (project, place) = (stated("vertex_project"), stated("vertex_location"));
    let (Some(project), Some(place)) = (project, place) else {
        let why = "nothing in this file says its `vertex_project` and `vertex_location`";
        refuse(
            item,
            name,
            why,
            "add it under `models` by hand, with `vertex: {service_account: …}`",
        );
        return None;
    };
    let is_anthropic = model.starts_with("claude");
    if !is_anthropic && !model.starts_with("gemini") {
        let why = "of Vertex AI's models Claude is spoken to here, and Gemini by the OpenAI API";
        refuse(item, name, why, "look whether `…/endpoints/openapi` has it");
        return None;
    }
    let host = match place.as_str() {
        "global" => "aiplatform.googleapis.com".to_owned(),
        place => format!("{place}-aiplatform.googleapis.com"),
    };
    let below = if is_anthropic {
        ""
    } else {
        "/endpoints/openapi"
    };
    let maker = if is_anthropic { "" } else { "google/" };
    Some(There {
        is_anthropic,
        url: format!("https://{host}/v1/projects/{project}/locations/{place}{below}"),
        model: format!("{maker}{model}"),
        cloud: format!("vertex: {{service_account: {}}}", account(item, params)),
        key: None,
    })
}

/// A reference to the service account's key: a file where LiteLLM names one.
fn account(item: &Item<'_>, params: &Map<'_>) -> String {
    const USUAL: &str = "VERTEX_SERVICE_ACCOUNT";
    let Some(stated) = params.take("vertex_credentials") else {
        let message =
            "LiteLLM takes Google's usual credentials here, and a service account's key is needed";
        item.note(
            message,
            format!("set {USUAL} to its JSON key, or write `{{file: PATH}}`"),
        );
        return format!("{{env: {USUAL}}}");
    };
    match stated.text() {
        Some(path) if variable(&path).is_none() && !path.starts_with('{') => {
            let path = serde_json::Value::from(path);
            format!("{{file: {path}}}")
        }
        _ => format!("{{env: {}}}", secret(&stated, USUAL)),
    }
}

/// A word that has to stand in the file here: out of a variable only where the file has its value.
fn known(item: &Item<'_>, plain: &Plain) -> Option<String> {
    let text = item.text()?;
    let known = match variable(&text) {
        Some(name) => plain.get(name).cloned(),
        None => Some(text),
    };
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-.:_".contains(letter);
    known.filter(|text| text.chars().all(fits))
}

/// The variable of a secret. One in plain text is not repeated anywhere.
fn secret(item: &Item<'_>, usual: &str) -> String {
    let text = item.text().unwrap_or_default();
    if let Some(name) = variable(&text) {
        return as_variable(name);
    }
    let message =
        format!("a secret stands in this file in plain text; the policy refers to {usual}");
    item.note(
        message,
        format!(
            "move it there, set {usual} for the gateway, and change it, for it was written down"
        ),
    );
    usual.to_owned()
}
