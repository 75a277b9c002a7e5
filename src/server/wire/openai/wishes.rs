//! Reads how a chat completion request wants its tokens chosen. Asked only where a policy has an engine of its own;
//! endpoints read the same fields in the body that is passed on to them.
//!
//! Nothing here is refused: a field that an engine cannot honour, or whose value is not what it should be, is noted as
//! beyond it, so that an endpoint gets the request and says what it thinks of it.

use crate::domain::{JsonWish, Wishes};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Fields that change nothing in the text of an answer, or that are read elsewhere.
const HARMLESS: [&str; 17] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
];
/// The most stop texts that are looked for; OpenAI takes four.
const MOST_STOPS: usize = 16;

/// What a body that is a chat completion request wishes.
pub(in crate::server) fn read(body: &[u8]) -> Wishes {
    let mut wishes = Wishes::default();
    let Ok(fields) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(body) else {
        wishes.beyond = true;
        return wishes;
    };
    for (name, raw) in fields {
        if raw.get() != "null" && take(&mut wishes, &name, raw).is_none() {
            wishes.beyond = true;
        }
    }
    wishes
}

/// Takes one field; `None` for one that no engine can honour.
fn take(wishes: &mut Wishes, name: &str, raw: &RawValue) -> Option<()> {
    match name {
        "temperature" => wishes.temperature = Some(within(raw, 0.0..=2.0)?),
        "top_p" => wishes.top_p = Some(within(raw, f32::MIN_POSITIVE..=1.0)?),
        // A seed is any number of 64 bits; its sign is one of them.
        "seed" => wishes.seed = Some(value::<i64>(raw)?.cast_unsigned()),
        "stop" => wishes.stops = stops(raw)?,
        "logprobs" => wishes.log_probabilities = value(raw)?,
        "top_logprobs" => return (value::<u64>(raw)? == 0).then_some(()),
        "frequency_penalty" | "presence_penalty" => {
            return (value::<f64>(raw)? == 0.0).then_some(());
        }
        "logit_bias" => {
            let biases: BTreeMap<String, IgnoredAny> = value(raw)?;
            return biases.is_empty().then_some(());
        }
        "modalities" => return (value::<Vec<String>>(raw)? == ["text"]).then_some(()),
        "response_format" => wishes.json = format(raw)?,
        name => return HARMLESS.contains(&name).then_some(()),
    }
    Some(())
}

/// Other forms than plain text and JSON nobody here knows. `strict` asks for no less than what an engine does in any case.
fn format(raw: &RawValue) -> Option<Option<JsonWish>> {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(rename = "type")]
        kind: String,
        #[serde(borrow)]
        json_schema: Option<Named<'a>>,
    }
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        schema: Option<&'a RawValue>,
    }
    let format: Format<'_> = value(raw)?;
    match format.kind.as_str() {
        "text" => Some(None),
        "json_object" => Some(Some(JsonWish::Object)),
        "json_schema" => {
            let schema = format.json_schema?.schema?;
            Some(Some(JsonWish::Schema(schema.get().into())))
        }
        _ => None,
    }
}

fn stops(raw: &RawValue) -> Option<Vec<String>> {
    let stops = match value::<String>(raw) {
        Some(one) => vec![one],
        None => value(raw)?,
    };
    let fits = stops.len() <= MOST_STOPS && stops.iter().all(|stop| !stop.is_empty());
    fits.then_some(stops)
}

fn within(raw: &RawValue, range: std::ops::RangeInclusive<f32>) -> Option<f32> {
    value::<f32>(raw).filter(|number| range.contains(number))
}

fn value<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(rest: &str) -> Wishes {
        let body = format!(r#"{{"model":"m","messages":[],"stream":true,"user":"x"{rest}}}"#);
        read(body.as_bytes())
    }

    #[test]
    fn what_an_engine_can_honour_is_read() {
        let rest = r#","temperature":0.5,"top_p":0.25,"seed":-1,"stop":["a","b"],"logprobs":true,"n":null,
            "frequency_penalty":0,"presence_penalty":0.0,"logit_bias":{},"top_logprobs":0,"modalities":["text"],
            "response_format":{"type":"text"},"max_tokens":7,"metadata":{"a":"b"}"#;
        let wanted = Wishes {
            temperature: Some(0.5),
            top_p: Some(0.25),
            seed: Some(u64::MAX),
            stops: vec!["a".into(), "b".into()],
            log_probabilities: true,
            json: None,
            beyond: false,
        };
        assert_eq!(wishes(rest), wanted);
        let object = wishes(r#","response_format":{"type":"json_object"}"#);
        assert_eq!(
            (object.json, object.beyond),
            (Some(JsonWish::Object), false)
        );
        let fits = r#","response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{ "type":"null"}}}"#;
        let schema = JsonWish::Schema(r#"{ "type":"null"}"#.into());
        assert_eq!(
            (wishes(fits).json, wishes(fits).beyond),
            (Some(schema), false)
        );
        assert_eq!(wishes(r#","stop":"one""#).stops, ["one"]);
        assert_eq!(wishes(""), Wishes::default());
    }

    #[test]
    fn what_an_engine_cannot_honour_is_never_passed_over() {
        for rest in [
            r#","frequency_penalty":0.1"#,
            r#","presence_penalty":-1"#,
            r#","logit_bias":{"5":1}"#,
            r#","top_logprobs":3"#,
            r#","modalities":["text","audio"]"#,
            r#","response_format":{"type":"grammar"}"#,
            r#","response_format":{"type":"json_schema"}"#,
            r#","response_format":{"type":"json_schema","json_schema":{"name":"n"}}"#,
            r#","functions":[{}]"#,
            r#","reasoning_effort":"low""#,
            r#","min_p":0.1"#,
            r#","something_new":true"#,
            r#","temperature":-1"#,
            r#","temperature":"warm""#,
            r#","temperature":2.5"#,
            r#","top_p":0"#,
            r#","top_p":1.5"#,
            r#","seed":1.5"#,
            r#","stop":["a",1]"#,
            r#","stop":"""#,
            r#","logprobs":"yes""#,
        ] {
            assert!(wishes(rest).beyond, "{rest}");
        }
        assert!(read(b"nothing").beyond);
    }
}
