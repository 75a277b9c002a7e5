//! The request that leaves, and what is read out of answers.

use super::openai::{read_event, read_whole, request_body};
use super::{Event, NoAnswer};
use crate::domain::{BodyLayout, FinishReason, LimitKey, Seen, Usage};
use crate::privacy::Payload;
use bytes::Bytes;

fn payload(body: &str, stream: bool) -> Payload {
    let model = body.find(r#""gpt-x""#).unwrap();
    let stream_options = body.find(r#""stream_options":"#).map(|key| {
        let start = key + r#""stream_options":"#.len();
        let length = match body[start..].strip_prefix("null") {
            Some(_) => 4,
            None => body[start..].find('}').unwrap() + 1,
        };
        start..start + length
    });
    Payload {
        body: Bytes::copy_from_slice(body.as_bytes()),
        layout: BodyLayout {
            question: None,
            model: model..model + 7,
            stream_options,
            output_limits: Vec::new(),
            previous_response: None,
            metadata: None,
            end: body.rfind('}').unwrap(),
        },
        surface: crate::domain::Surface::default(),
        stream,
        include_usage: false,
        output_limit: None,
    }
}

fn sent(body: &str, stream: bool) -> String {
    let bytes = request_body("gpt-4o", LimitKey::MaxTokens, &payload(body, stream));
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn only_the_model_changes_in_a_request() {
    let body = "{ \"seed\":9007199254740993, \"x\":[1.0,1e2,\"\\ud83d\\u0034\"],\t\"model\" : \"gpt-x\",\r\n \"z\":{\"model\":\"gpt-y\"} } ";
    assert_eq!(sent(body, false), body.replace("gpt-x", "gpt-4o"));
}

#[test]
fn a_model_name_with_quotes_stays_one_text() {
    let bytes = request_body(
        "a\"b\\c",
        LimitKey::MaxTokens,
        &payload(r#"{"model":"gpt-x"}"#, false),
    );
    assert_eq!(bytes, r#"{"model":"a\"b\\c"}"#.as_bytes());
}

#[test]
fn a_body_that_needs_no_edit_is_not_copied() {
    let payload = payload(r#"{"model":"gpt-x"}"#, false);
    let bytes = request_body("gpt-x", LimitKey::MaxTokens, &payload);
    assert_eq!(bytes.as_ptr(), payload.body.as_ptr());
}

#[test]
fn a_stream_is_made_to_end_with_usage() {
    for (before, after) in [
        (
            r#"{"model":"gpt-x","a":1 }"#,
            r#"{"model":"gpt-4o","a":1 ,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"stream_options":{"b":[1.0],"include_usage":false, "c":2},"model":"gpt-x"}"#,
            r#"{"stream_options":{"b":[1.0],"include_usage":true, "c":2},"model":"gpt-4o"}"#,
        ),
        (
            r#"{"stream_options":{ "b":1.0},"model":"gpt-x"}"#,
            r#"{"stream_options":{"include_usage":true, "b":1.0},"model":"gpt-4o"}"#,
        ),
        (
            r#"{"model":"gpt-x","stream_options":{ }}"#,
            r#"{"model":"gpt-4o","stream_options":{"include_usage":true }}"#,
        ),
        (
            r#"{"model":"gpt-x","stream_options":null}"#,
            r#"{"model":"gpt-4o","stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"model":"gpt-x","stream_options":{"include_usage":null}}"#,
            r#"{"model":"gpt-4o","stream_options":{"include_usage":true}}"#,
        ),
    ] {
        assert_eq!(sent(before, true), after);
        let value: serde_json::Value = serde_json::from_str(after).unwrap();
        assert_eq!(value["stream_options"]["include_usage"], true);
    }
}

#[test]
fn a_caller_who_asked_for_usage_keeps_its_own_words() {
    let body = r#"{"model":"gpt-x","stream_options":{"include_usage":true}}"#;
    let mut payload = payload(body, true);
    payload.include_usage = true;
    assert_eq!(
        request_body("gpt-x", LimitKey::MaxTokens, &payload),
        body.as_bytes()
    );
}

fn seen(data: &str) -> Seen {
    match read_event(data.as_bytes(), false) {
        Event::Piece(seen) => seen,
        Event::Error(_) => panic!("an error: {data}"),
    }
}

#[test]
fn content_of_every_kind_is_seen_and_its_absence_too() {
    for delta in [
        r#"{"content":"x"}"#,
        r#"{"refusal":"x"}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}"#,
        r#"{"reasoning_content":"x"}"#,
        r#"{"content":[{"type":"text"}]}"#,
    ] {
        assert!(seen(&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#)).content);
    }
    for delta in [
        r#"{"role":"assistant","content":""}"#,
        r#"{"role":"assistant","content":null,"refusal":null,"tool_calls":[]}"#,
        "{}",
        "null",
    ] {
        assert!(!seen(&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#)).content);
    }
}

#[test]
fn a_texts_length_is_that_of_the_text_and_not_of_its_escapes() {
    let of = |text: &str| {
        seen(&format!(
            r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#
        ))
        .content_bytes
    };
    assert_eq!(of("hello"), 5);
    assert_eq!(of(r#"a\n\"b\\"#), 5);
    assert_eq!(of(r"\u00e9"), 2);
    assert_eq!(of(r"\ud83d"), 2, "a lone surrogate breaks nothing");
}

#[test]
fn usage_alone_is_known_for_what_it_is() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}"#;
    let only = seen(usage);
    assert!(only.usage_only);
    assert_eq!(
        only.usage,
        Some(Usage {
            input: 10,
            cached_input: 4,
            output: 7,
            reasoning: 2,
            estimated: false
        })
    );
    let Event::Piece(asked_for) = read_event(usage.as_bytes(), true) else {
        panic!("no piece");
    };
    assert!(!asked_for.usage_only);
    let with_choice = r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}],"usage":{"prompt_tokens":1.5,"completion_tokens":-1}}"#;
    assert!(!seen(with_choice).usage_only);
    assert_eq!(seen(with_choice).usage, Some(Usage::default()));
    assert_eq!(seen(with_choice).finish, Some(FinishReason::Length));
    assert!(!seen(r#"{"choices":[],"usage":null,"prompt_filter_results":[]}"#).usage_only);
}

#[test]
fn the_end_and_errors_are_told_apart() {
    assert!(seen("[DONE]").last);
    assert_eq!(
        read_event(br#"{"error":{"message":"no","code":429}}"#, false),
        Event::Error(Some(429))
    );
    assert_eq!(
        read_event(
            br#"{"error":{"message":"no","code":"oops","status":"503"}}"#,
            false
        ),
        Event::Error(Some(503))
    );
    assert_eq!(read_event(br#"{"error":"no"}"#, false), Event::Error(None));
    assert!(seen(r#"{"error":null,"choices":[{"delta":{"content":"x"}}]}"#).content);
    assert!(seen("{not json").content, "passed on, not judged");
}

#[test]
fn a_whole_answer_is_read_and_nonsense_is_not() {
    let body = br#" {"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"four"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
    let seen = read_whole(body).unwrap();
    assert!(seen.content && seen.last);
    assert_eq!(
        (seen.content_bytes, seen.finish),
        (4, Some(FinishReason::Stop))
    );
    assert_eq!(seen.usage.unwrap().total(), 4);
    assert!(read_whole(br#"{"choices":"odd"}"#).unwrap().last);
    for nonsense in [
        &b""[..],
        b"[1]",
        b"<html>",
        br#"{"choices":[{"message""#,
        br#"{"error":{"message":"no"}}"#,
    ] {
        assert!(matches!(read_whole(nonsense), Err(NoAnswer(_))));
    }
}

#[test]
fn a_limit_on_the_output_is_told_in_the_callers_own_words() {
    let told = |body: &str, key| {
        let mut payload = payload(body, false);
        payload.output_limit = Some(77);
        for name in [r#""max_tokens":"#, r#""max_completion_tokens":"#] {
            if let Some(start) = body.find(name).map(|at| at + name.len()) {
                let value = body[start..].find([',', '}']).unwrap();
                payload.layout.output_limits.push(start..start + value);
            }
        }
        let body = request_body("gpt-x", key, &payload);
        String::from_utf8(body.to_vec()).unwrap()
    };
    let (old, new) = (LimitKey::MaxTokens, LimitKey::MaxCompletionTokens);
    assert_eq!(
        told(r#"{"model":"gpt-x"}"#, old),
        r#"{"model":"gpt-x","max_tokens":77}"#
    );
    assert_eq!(
        told(r#"{"model":"gpt-x"}"#, new),
        r#"{"model":"gpt-x","max_completion_tokens":77}"#
    );
    assert_eq!(
        told(r#"{"max_tokens":9000,"model":"gpt-x"}"#, new),
        r#"{"max_tokens":77,"model":"gpt-x"}"#
    );
    assert_eq!(
        told(
            r#"{"max_completion_tokens":null,"model":"gpt-x","max_tokens":5}"#,
            new
        ),
        r#"{"max_completion_tokens":77,"model":"gpt-x","max_tokens":77}"#
    );
}
