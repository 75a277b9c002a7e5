//! Where a form's requests go below an endpoint's base: in Claude's clouds the model stands in the path.

use crate::domain::{Cloud, Endpoint, Form};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved letters: names of models have `:` and `/` in them.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Google's own names have `@` before a version, and stand as they are.
const RESERVED_BUT_AT: &AsciiSet = &RESERVED.remove(b'@');

/// The paths for whole answers and for streams.
pub(in crate::upstream) fn paths(endpoint: &Endpoint, form: Form) -> [String; 2] {
    let claude = endpoint.cloud.as_ref().filter(|_| form == Form::Messages);
    let Some(cloud) = claude else {
        return [form.path(), form.path()].map(str::to_owned);
    };
    let in_path = |set| utf8_percent_encode(&endpoint.upstream_model, set).to_string();
    match cloud {
        Cloud::Bedrock(_) => {
            let model = in_path(RESERVED);
            ["invoke", "invoke-with-response-stream"].map(|verb| format!("/model/{model}/{verb}"))
        }
        Cloud::Vertex(_) => {
            let model = in_path(RESERVED_BUT_AT);
            ["rawPredict", "streamRawPredict"]
                .map(|verb| format!("/publishers/anthropic/models/{model}:{verb}"))
        }
    }
}
