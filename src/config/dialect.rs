//! `upstream.dialect`, `surfaces` and `auth_header`: how an endpoint is spoken to.

use super::reader::{Section, Value};
use crate::domain::{AuthHeader, Dialect, Form};
use std::collections::BTreeSet;

/// The API, the forms of it beside the usual one, and the header for the key of `it`: one of several endpoints, or the
/// whole `upstream` once more.
pub(super) fn read(
    upstream: &Section<'_>,
    it: &Section<'_>,
) -> (Dialect, BTreeSet<Form>, AuthHeader) {
    let dialects = [Dialect::OpenAi, Dialect::Anthropic].map(|one| (one.as_str(), one));
    let dialect = upstream.read("dialect", Dialect::OpenAi, |value| value.choice(&dialects));
    let headers = AuthHeader::ALL.map(|one| (one.as_str(), one));
    let usual = dialect.usual_auth();
    let auth = it.read("auth_header", usual, |value| value.choice(&headers));
    (dialect, surfaces(upstream, dialect), auth)
}

/// The forms of OpenAI's API that the endpoint has beside chat completions, which it always has.
fn surfaces(upstream: &Section<'_>, dialect: Dialect) -> BTreeSet<Form> {
    let Some(value) = upstream.get("surfaces") else {
        return BTreeSet::new();
    };
    if dialect == Dialect::Anthropic {
        let message = "an endpoint that speaks `anthropic` has Messages and nothing beside";
        value.wrong(message, "leave it out");
        return BTreeSet::new();
    }
    let forms = [Form::Chat, Form::Completions, Form::Responses];
    let choices = forms.map(|form| (form.as_str(), form));
    let stated = value.each(|item| item.choice(&choices));
    if !stated.contains(&Form::Chat) {
        let message = "other forms are put into chat completions, so the endpoint needs those";
        value.wrong(message, "add `chat`");
    }
    let beside = stated.into_iter().filter(|form| *form != Form::Chat);
    beside.collect()
}

/// Anthropic's own API is below `/v1`, which its own clients add and a base has to name here.
pub(super) fn check_base(dialect: Dialect, value: &Value<'_>, url: &str) {
    if dialect == Dialect::Anthropic && url.trim_end_matches('/').ends_with("api.anthropic.com") {
        let message = "Anthropic's API is below `/v1`";
        value.wrong(message, "write `https://api.anthropic.com/v1`");
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Settings, parse};
    use crate::domain::{AuthHeader, Form};
    use crate::policy::Offer;
    use std::path::Path;

    fn read(upstream: &str) -> Result<Settings, String> {
        let text = format!(
            "version: 1\nname: t\nmodels:\n  - {{name: m, tier: remote, upstream: {{model: x, {upstream}}}}}\n"
        );
        let settings = parse(&text, Path::new("t.yaml"), &|_| None);
        settings.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn spoken(upstream: &str) -> ([Form; 4], AuthHeader) {
        let settings = read(upstream).unwrap();
        let Offer::Endpoint(endpoint) = &settings.policy.models[0].offer else {
            panic!("no endpoint");
        };
        (Form::ALL.map(|form| endpoint.form_for(form)), endpoint.auth)
    }

    #[test]
    fn each_form_goes_out_as_the_endpoint_takes_it() {
        use Form::{Chat, Completions, Messages, Responses};
        let url = "base_url: \"https://x.example/v1\"";
        assert_eq!(spoken(url), ([Chat; 4], AuthHeader::Bearer));
        let anthropic = spoken(&format!("{url}, dialect: anthropic"));
        assert_eq!(anthropic, ([Messages; 4], AuthHeader::XApiKey));
        let all = spoken(&format!(
            "{url}, surfaces: [chat, completions, responses], auth_header: api-key"
        ));
        let forms = [Chat, Completions, Responses, Chat];
        assert_eq!(all, (forms, AuthHeader::ApiKey));
    }

    #[test]
    fn what_cannot_be_is_said_with_what_would_be_right() {
        let url = "base_url: \"https://x.example/v1\"";
        for (upstream, said) in [
            (format!("{url}, surfaces: [responses]"), "add `chat`"),
            (
                format!("{url}, dialect: anthropic, surfaces: [chat]"),
                "leave it out",
            ),
            (
                "base_url: \"https://api.anthropic.com\", dialect: anthropic".into(),
                "write `https://api.anthropic.com/v1`",
            ),
            (format!("{url}, dialect: antropic"), "anthropic"),
        ] {
            let problems = read(&upstream).unwrap_err();
            assert!(problems.contains(said), "{problems}");
        }
    }
}
