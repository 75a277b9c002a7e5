//! What is read, refused and written, beyond the golden files.

use super::{Asked, NotCarried, Wants, carry, read};
use crate::domain::{Form, LimitKey, Role};
use serde_json::{Value, json};

const WANTS: Wants<'_> = Wants {
    model: "up",
    output_limit: None,
    most_output: None,
    limit_key: LimitKey::MaxTokens,
};

fn carried(from: Form, to: Form, body: &Value) -> Value {
    let body = carry(body.to_string().as_bytes(), from, to, &WANTS).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn roles(asked: &Asked<'_>) -> Vec<(Role, String)> {
    let messages = asked.messages().into_iter();
    messages
        .map(|message| (message.role, message.text))
        .collect()
}

#[test]
fn instructions_results_and_what_is_asked_are_read_in_every_form() {
    let bodies = [
        (
            Form::Chat,
            json!({"model": "m", "messages": [{"role": "developer", "content": "S"}, {"role": "user", "content": "Q"},
                {"role": "tool", "tool_call_id": "c", "content": "R"}]}),
        ),
        (
            Form::Messages,
            json!({"model": "m", "max_tokens": 1, "system": "S", "messages": [{"role": "user", "content": "Q"},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "R"}]}]}),
        ),
        (
            Form::Responses,
            json!({"model": "m", "instructions": "S", "input": [{"role": "user", "content": "Q"},
                {"type": "function_call_output", "call_id": "c", "output": "R"}]}),
        ),
    ];
    for (form, body) in bodies {
        let body = body.to_string();
        let asked = read(form, &body).unwrap();
        let said = [(Role::System, "S"), (Role::User, "Q"), (Role::Tool, "R")];
        assert_eq!(
            roles(&asked),
            said.map(|(role, text)| (role, text.to_owned()))
        );
        assert!(asked.needs().tools && asked.strange.is_empty(), "{form:?}");
    }
}

#[test]
fn what_is_no_text_counts_as_an_attachment_in_every_form() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    let document = json!({"type": "document", "source": {"type": "text", "data": "x"}});
    let message = |block: &Value| json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [block]}]});
    let item = |part: Value| json!({"model": "m", "input": [{"role": "user", "content": [part]}]});
    let nested = json!({"type": "tool_result", "tool_use_id": "c", "content": [image]});
    let cases = [
        (Form::Messages, message(&image), 1, 0),
        (Form::Messages, message(&nested), 1, 0),
        (Form::Messages, message(&document), 0, 1),
        (
            Form::Responses,
            item(json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA"})),
            1,
            0,
        ),
        (
            Form::Responses,
            item(json!({"type": "input_file", "file_id": "f"})),
            0,
            1,
        ),
        (
            Form::Completions,
            json!({"model": "m", "prompt": [[1, 2]]}),
            0,
            1,
        ),
    ];
    for (form, body, images, others) in cases {
        let body = body.to_string();
        let needs = read(form, &body).unwrap().needs();
        assert_eq!(
            (needs.image_parts, needs.other_parts),
            (images, others),
            "{body}"
        );
        assert!(needs.attachments);
    }
}

#[test]
fn what_is_wrong_is_said_and_the_text_is_not_repeated() {
    let cases = [
        (
            Form::Messages,
            r#"{"model":"m","messages":[]}"#,
            Some("messages"),
        ),
        (
            Form::Messages,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#,
            Some("max_tokens"),
        ),
        (
            Form::Messages,
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"canary","content":"x"}]}"#,
            Some("messages"),
        ),
        (
            Form::Messages,
            r#"{"model":"m","max_tokens":"canary","messages":[{"role":"user","content":"x"}]}"#,
            Some("max_tokens"),
        ),
        (Form::Messages, r#"{"model":"m","model":"canary"}"#, None),
        (
            Form::Messages,
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"canary"}]}]}"#,
            Some("messages"),
        ),
        (
            Form::Messages,
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[]}]}"#,
            Some("messages"),
        ),
        (
            Form::Messages,
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[]},{"role":"user","content":"x"}]}"#,
            Some("messages"),
        ),
        (Form::Responses, r#"{"model":"m"}"#, Some("input")),
        (
            Form::Responses,
            r#"{"model":"m","input":[]}"#,
            Some("input"),
        ),
        (
            Form::Responses,
            r#"{"model":"m","input":[{"type":"item_reference","id":"canary"}]}"#,
            Some("input"),
        ),
        (
            Form::Responses,
            r#"{"model":"m","input":{"canary":1}}"#,
            Some("input"),
        ),
        (
            Form::Responses,
            r#"{"model":"m","input":[{"role":"canary","content":"x"}]}"#,
            Some("input"),
        ),
        (
            Form::Responses,
            r#"{"model":"m","input":"x","tools":"canary"}"#,
            Some("tools"),
        ),
        (Form::Completions, r#"{"model":"m"}"#, Some("prompt")),
        (
            Form::Completions,
            r#"{"model":"m","prompt":{"canary":1}}"#,
            Some("prompt"),
        ),
        (Form::Completions, "[]", None),
        (Form::Completions, "", None),
    ];
    for (form, body, param) in cases {
        let mistake = read(form, body).expect_err(body);
        assert_eq!(mistake.param, param, "{}", mistake.message);
        assert!(!mistake.message.contains("canary"), "{}", mistake.message);
    }
}

#[test]
fn a_list_that_may_be_empty_is_taken() {
    let elsewhere = |key: &str| format!(r#"{{"model":"m","input":[],{key}}}"#);
    let taken = [
        (Form::Responses, elsewhere(r#""previous_response_id":"x""#)),
        (Form::Responses, elsewhere(r#""conversation":"x""#)),
        (Form::Responses, elsewhere(r#""prompt":{"id":"x"}"#)),
        (Form::Responses, r#"{"model":"m","prompt":{"id":"x"}}"#.to_owned()),
        (
            Form::Responses,
            r#"{"model":"m","input":[{"role":"user","content":[]}]}"#.to_owned(),
        ),
        (
            Form::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":[]}]}"#.to_owned(),
        ),
        (
            Form::Messages,
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[]}]}"#
                .to_owned(),
        ),
    ];
    for (form, body) in taken {
        assert!(read(form, &body).is_ok(), "{body}");
    }
    let nowhere = elsewhere(r#""previous_response_id":null"#);
    assert!(read(Form::Responses, &nowhere).is_err());
}

#[test]
fn a_reference_to_an_item_is_named_with_its_place() {
    let body = r#"{"model":"m","input":[{"role":"user","content":"x"},{"type":"item_reference","id":"rs_1"}]}"#;
    let mistake = read(Form::Responses, body).unwrap_err();
    let said = "`input[1]` is an `item_reference`";
    assert!(mistake.message.starts_with(said), "{}", mistake.message);
}

#[test]
fn depth_and_numbers_of_members_do_no_harm() {
    let nested = |depth: usize| {
        let begin = r#"{"type":"tool_result","tool_use_id":"a","content":["#.repeat(depth);
        let end = "]}".repeat(depth);
        format!(
            r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":[{begin}{end}]}}]}}"#
        )
    };
    let (one, many) = (nested(1), nested(100_000));
    assert!(read(Form::Messages, &one).unwrap().strange.is_empty());
    assert_eq!(read(Form::Messages, &many).unwrap().needs().other_parts, 1);
    let deep = format!(
        r#"{{"model":"m","input":"x","deep":{}1e400{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(read(Form::Responses, &deep).is_ok());
    let members: Vec<String> = (0..200_000)
        .map(|number| format!(r#""k{number}":1"#))
        .collect();
    let wide = format!(r#"{{"model":"m","prompt":"x",{}}}"#, members.join(","));
    let began = std::time::Instant::now();
    assert!(read(Form::Completions, &wide).is_ok());
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn a_limit_is_found_for_a_form_that_needs_one() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}).to_string();
    let limit = |wants: Wants<'_>| {
        let body = carry(body.as_bytes(), Form::Chat, Form::Messages, &wants).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["max_tokens"].clone()
    };
    assert_eq!(limit(WANTS), 4096);
    let most_output = Some(900);
    assert_eq!(
        limit(Wants {
            most_output,
            ..WANTS
        }),
        900
    );
    let output_limit = Some(70);
    assert_eq!(
        limit(Wants {
            most_output,
            output_limit,
            ..WANTS
        }),
        70
    );
}

#[test]
fn calls_that_stand_beside_each_other_are_one_message_of_chat() {
    let body = json!({"model": "m", "input": [{"role": "user", "content": "x"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": "2"}]});
    let messages = carried(Form::Responses, Form::Chat, &body)["messages"].clone();
    let roles: Vec<&str> = messages
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool"]);
    assert_eq!(messages[1]["tool_calls"].as_array().unwrap().len(), 2);
    let message = carried(Form::Responses, Form::Messages, &body)["messages"].clone();
    let results = message[2]["content"].as_array().unwrap();
    assert_eq!((message.as_array().unwrap().len(), results.len()), (3, 2));
}

#[test]
fn arguments_that_are_no_object_are_not_lost() {
    let call = |arguments: &str| json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}});
    let input = |arguments: &str| {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [call(arguments)]}]});
        carried(Form::Chat, Form::Messages, &body)["messages"][1]["content"][0]["input"].clone()
    };
    assert_eq!(input(r#"{"a":1}"#), json!({"a": 1}));
    assert_eq!(input(""), json!({}));
    assert_eq!(input("[1]"), json!({"arguments": "[1]"}));
    assert_eq!(input("{broken"), json!({"arguments": "{broken"}));
}

#[test]
fn a_setting_that_asks_for_nothing_hinders_nothing() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 1, "logprobs": false,
        "top_logprobs": 0, "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "store": true,
        "modalities": ["text"], "seed": 7, "tools": null, "unknown": null});
    assert_eq!(carried(Form::Chat, Form::Messages, &body)["model"], "up");
}

#[test]
fn an_unknown_field_is_refused_without_its_name() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}],"my-canary":1,"n":2}"#;
    let refused = carry(body, Form::Chat, Form::Messages, &WANTS).unwrap_err();
    let NotCarried::Fields { fields, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(fields, &["a field that is not known here", "n"]);
}
