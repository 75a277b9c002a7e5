use super::*;
use crate::inference::InferenceError;
use crate::inference::decoder::test_models::{
    Answer, MODELS, greedy_job, read as read_answer, start, vocabulary,
};
use crate::inference::decoder::{DecoderSettings, EndReason, Job, Sampling};
use futures_util::future::join_all;
use serde_json::Value;
use std::time::{Duration, Instant};

const SCHEMA: &str = r##"{"type": "object", "additionalProperties": false, "required": ["topic", "urgent", "note", "scores", "who"],
    "properties": {"topic": {"type": "string", "enum": ["refund", "où", "🎁"]}, "urgent": {"type": "boolean"},
        "note": {"type": "string", "maxLength": 12}, "who": {"anyOf": [{"$ref": "#/$defs/person"}, {"type": "null"}]},
        "scores": {"type": "array", "items": {"type": "integer", "minimum": -9, "maximum": 99}, "minItems": 1, "maxItems": 3}},
    "$defs": {"person": {"type": "object", "additionalProperties": false, "required": ["name"],
        "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 8}}}}}"##;

fn fits(value: &Value) -> bool {
    let string = |value: &Value, least: usize, most: usize| {
        let text = value.as_str().map(|text| text.chars().count());
        text.is_some_and(|length| (least..=most).contains(&length))
    };
    let fields = value.as_object().unwrap();
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    let scores = value["scores"].as_array().unwrap();
    let who = &value["who"];
    names == ["topic", "urgent", "note", "who", "scores"]
        && ["refund", "où", "🎁"].contains(&value["topic"].as_str().unwrap())
        && value["urgent"].is_boolean()
        && string(&value["note"], 0, 12)
        && (1..=3).contains(&scores.len())
        && scores
            .iter()
            .all(|one| (-9..=99).contains(&one.as_i64().unwrap()))
        && (who.is_null() || who.as_object().unwrap().len() == 1 && string(&who["name"], 1, 8))
}

fn grammars(model: &str) -> Grammars {
    Grammars::new(&vocabulary(model), &[2]).unwrap()
}

fn refusal(schema: &str) -> String {
    let made = grammars(MODELS[0]).of_json(Some(schema));
    made.err().unwrap_or_else(|| panic!("{schema}")).to_string()
}

/// Eight answers side by side: one greedy, the others drawn from all tokens.
async fn eight(model: &str, schema: Option<&str>, max_tokens: usize) -> Vec<Answer> {
    let settings = DecoderSettings {
        slots: 8,
        ..DecoderSettings::default()
    };
    let (decoder, threads) = start(model, &settings);
    let grammar = decoder.json_grammar(schema.map(Arc::from)).await.unwrap();
    let tokens: Vec<_> = (0..8_u32)
        .map(|seed| {
            let job = Job {
                sampling: Sampling {
                    temperature: if seed == 0 { 0.0 } else { 1.5 },
                    seed: Some(seed.into()),
                    ..Sampling::greedy()
                },
                grammar: Some(grammar.clone()),
                ..greedy_job(&[40 + seed, 41], max_tokens)
            };
            decoder.submit(job).unwrap()
        })
        .collect();
    let answers = join_all(tokens.into_iter().map(read_answer)).await;
    drop(decoder);
    threads.join();
    answers
}

fn finished(answers: &[Answer]) -> Vec<Value> {
    let ended = answers.iter().filter(|answer| match &answer.end.reason {
        EndReason::EndOfTurn => true,
        EndReason::MaxTokens | EndReason::Context => false,
        EndReason::StopText | EndReason::Failed(_) => panic!("{:?}", answer.end),
    });
    let parsed = ended.map(|answer| {
        serde_json::from_str(&answer.text)
            .unwrap_or_else(|error| panic!("{error}: {}", answer.text))
    });
    parsed.collect()
}

#[tokio::test]
async fn what_eight_write_side_by_side_fits_the_schema() {
    for model in MODELS {
        let answers = finished(&eight(model, Some(SCHEMA), 250).await);
        assert!(!answers.is_empty(), "{model}: none ended by itself");
        for answer in answers {
            assert!(fits(&answer), "{model}: {answer}");
        }
    }
}

/// Cut short, a text lacks its end and has no other fault; a sign before a number's first digit would be one.
#[tokio::test]
async fn in_json_mode_an_answer_is_an_object_or_the_beginning_of_one() {
    for model in MODELS {
        for answer in eight(model, None, 60).await {
            let text = answer.text.trim_end_matches('-');
            let read = serde_json::from_str::<Value>(text);
            let fits = read.map_or_else(|error| error.is_eof(), |value| value.is_object());
            assert!(fits && text.starts_with('{'), "{model}: {text}");
        }
    }
}

#[tokio::test]
async fn how_sure_the_model_was_is_said_among_what_was_left_to_it() {
    let only = Some(r#"{"const": "refund"}"#);
    for answer in eight(MODELS[0], only, 40).await {
        assert_eq!(answer.text, "\"refund\"");
        let unsure = answer.log_probabilities.iter().any(|one| *one < -20.0);
        assert!(!unsure, "{:?}", answer.log_probabilities);
    }
}

#[test]
fn a_schema_that_asks_for_what_cannot_be_kept_to_is_refused() {
    for schema in [
        r#"{"not": {"type": "string"}}"#,
        r#"{"if": {"type": "string"}, "then": {"minLength": 3}}"#,
        r#"{"type": "nothing"}"#,
        r#"{"type": "array", "uniqueItems": true}"#,
        r#"{"type": "object", "properties": 3}"#,
    ] {
        assert_eq!(
            refusal(schema),
            "the JSON schema asks for what cannot be kept to here, or is too large"
        );
    }
    assert_eq!(refusal("{"), "the JSON schema is no JSON");
    for schema in [
        "true",
        "[]",
        r#"{"x-guidance": {"lenient": true}, "not": {}}"#,
    ] {
        assert_eq!(refusal(schema), "the JSON schema is no JSON schema");
    }
    let elsewhere = r##"{"$ref": "#/properties/a/default"}"##;
    let why = "the JSON schema refers to something that is no definition of its own";
    assert_eq!(refusal(elsewhere), why);
    assert_eq!(refusal(r#"{"$ref": "https://example.org/schema"}"#), why);
}

#[test]
fn what_would_be_multiplied_out_is_refused() {
    let why = "the JSON schema has a choice with other rules beside it";
    for schema in [
        r#"{"anyOf": [{"type": "null"}], "properties": {}}"#,
        r#"{"anyOf": [{"type": "null"}], "oneOf": []}"#,
        r##"{"$ref": "#/$defs/a", "type": "object", "$defs": {"a": {}}}"##,
        r#"{"items": {"enum": [1], "minimum": 0}}"#,
        r#"{"properties": {"a": {"prefixItems": [{"const": 1, "enum": [1]}]}}}"#,
    ] {
        assert_eq!(refusal(schema), why, "{schema}");
    }
    let several = r#"{"allOf": [{"type": "object"}, {"type": "object"}]}"#;
    assert_eq!(
        refusal(several),
        "the JSON schema has an `allOf` of several"
    );
    assert_eq!(
        refusal(&format!("{{\"title\":\"{}\"}}", "a".repeat(20_000))),
        "the JSON schema is over 16 KiB"
    );
}

#[test]
fn names_of_properties_are_no_rules() {
    let schema = r#"{"type": "object", "properties": {"enum": {"type": "string"}, "anyOf": {}, "type": {}}}"#;
    assert!(grammars(MODELS[0]).of_json(Some(schema)).is_ok());
}

/// Each is made or refused, soon, on the thread that makes them for callers; and so is a mask.
#[tokio::test]
async fn a_schema_that_is_made_to_be_slow_or_deep_is_neither() {
    let (decoder, threads) = start(MODELS[0], &DecoderSettings::default());
    let many = |one: &str, count: usize| vec![one; count].join(",");
    let refers = |to: usize| format!("{{\"$ref\":\"#/$defs/{to}\"}}");
    let nested = |inner: String, levels: usize| {
        (0..levels).fold(inner, |inner, _| format!("{{\"items\":{inner}}}"))
    };
    let chain = |links: usize, levels: usize| {
        let inner = (0..links).map(|at| format!("\"{at}\":{},", nested(refers(at + 1), levels)));
        let links: String = inner.chain([format!("\"{links}\":{{}}")]).collect();
        format!("{{\"$ref\":\"#/$defs/0\",\"$defs\":{{{links}}}}}")
    };
    let names = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("\"p{at}\":{{}}")).collect();
        format!("{{\"properties\":{{{}}}}}", names.join(","))
    };
    for schema in [chain(20, 4), chain(4, 30), names(257)] {
        let made = decoder.json_grammar(Some(schema.into())).await;
        let why = "the JSON schema is nested too deep, or names too many properties";
        assert_eq!(made.err(), Some(InferenceError::Refused(why.into())));
    }
    for schema in [
        format!(
            "{{\"anyOf\":[{}]}}",
            many(r#"{"type":"string","maxLength":9000}"#, 300)
        ),
        format!(
            "{{\"oneOf\":[{}]}}",
            many(r#"{"type":"string","pattern":"^(a|b)*c{9}$"}"#, 200)
        ),
        format!("{{\"enum\":[{}]}}", many("12345", 2500)),
        format!(
            "{{\"pattern\":\"{}a{}\"}}",
            "(".repeat(200),
            "){1,9}".repeat(200)
        ),
        chain(18, 4),
        chain(1, 50),
        names(256),
        r##"{"$ref":"#"}"##.to_owned(),
        r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}"##.to_owned(),
        r#"{"type":"string","pattern":"((a{1,999}){1,999}){1,999}"}"#.to_owned(),
        r#"{"type":"string","pattern":"(x+x+)+y","minLength":1000000000}"#.to_owned(),
        r#"{"type":"array","minItems":1000000000}"#.to_owned(),
        r#"{"type":"number","multipleOf":0.000000001,"maximum":1e300}"#.to_owned(),
    ] {
        let began = Instant::now();
        let made = decoder.json_grammar(Some(schema.as_str().into())).await;
        if let Ok(mut grammar) = made {
            let _ = grammar.narrow(&mut [0.0; 512]);
        }
        let took = began.elapsed();
        let beginning: String = schema.chars().take(50).collect();
        assert!(took < Duration::from_secs(20), "{took:?}: {beginning}");
    }
    drop(decoder);
    threads.join();
}

#[tokio::test]
async fn a_refused_schema_is_told_to_the_caller_of_the_decoder() {
    let (decoder, threads) = start(MODELS[1], &DecoderSettings::default());
    let refused = decoder.json_grammar(Some("[]".into())).await;
    assert!(matches!(refused, Err(InferenceError::Refused(_))));
    drop(decoder);
    threads.join();
}
