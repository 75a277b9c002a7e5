use super::*;
use crate::inference::decoder::folder::DecoderFolder;
use crate::inference::decoder::test_models::{MODELS, golden, path};
use serde_json::json;
use std::time::{Duration, UNIX_EPOCH};

fn conversation(messages: serde_json::Value) -> Conversation {
    let messages = messages.as_array().unwrap().clone();
    Conversation {
        messages,
        tools: None,
        now: UNIX_EPOCH + Duration::from_secs(1_763_683_200),
    }
}

fn render(source: &str, messages: serde_json::Value) -> Result<String, EngineError> {
    ChatTemplate::parse(source, serde_json::Map::new())?.render(&conversation(messages))
}

#[test]
fn conversations_are_written_out_to_the_byte_as_transformers_does() {
    for model in MODELS {
        let source = DecoderFolder::open(&path(model), None)
            .unwrap()
            .template
            .unwrap();
        let template = ChatTemplate::parse(&source, serde_json::Map::new()).unwrap();
        for case in golden(model).templates {
            let conversation = Conversation {
                messages: case.messages,
                tools: case.tools,
                now: UNIX_EPOCH,
            };
            assert_eq!(
                template.render(&conversation).unwrap(),
                case.rendered,
                "{model}"
            );
        }
    }
}

#[test]
fn what_published_templates_use_works() {
    let messages = json!([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]);
    let cases = [
        (
            "{% for m in messages[::-1] %}{{ m.content }}{% if loop.last %}{% break %}{% endif %},{% endfor %}",
            "two,one",
        ),
        (
            "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m['content'] | upper }}{% endfor %}",
            "TWO",
        ),
        ("{{ strftime_now('%d %b %Y') }}", "21 Nov 2025"),
        (
            "{% if tools is none and documents is none %}none{% endif %}",
            "none",
        ),
        (
            "{% if nothing is defined %}x{% else %}y{% endif %}{{ nothing }}",
            "y",
        ),
        (
            "{% macro say(m) %}[{{ m.role }}]{% endmacro %}{{ say(messages[0]) }}",
            "[user]",
        ),
        (
            "{{ messages[0] | tojson(indent=2) }}",
            "{\n  \"role\": \"user\",\n  \"content\": \"one\"\n}",
        ),
        (
            "{%- for m in messages %}{%- generation -%} {{ m.content }} {%- endgeneration -%}{%- endfor %}",
            "onetwo",
        ),
        ("{{ messages[0].content.startswith('on') }}", "True"),
        (
            "{{ messages | length }}{{ messages[-1]['content'] }}{{ messages[0].get('name', '-') }}",
            "2two-",
        ),
        ("{{ '<b>' + messages[0].content + '</b>' }}", "<b>one</b>"),
    ];
    for (source, expected) in cases {
        let found = render(source, messages.clone());
        assert_eq!(found.as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn special_tokens_are_given_by_their_names() {
    let tokens = json!({"bos_token": "<s>"});
    let template =
        ChatTemplate::parse("{{ bos_token }}hello", tokens.as_object().unwrap().clone()).unwrap();
    assert_eq!(
        template.render(&conversation(json!([]))).unwrap(),
        "<s>hello"
    );
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    let error = render(endless, json!([])).unwrap_err().to_string();
    assert_eq!(
        error,
        "the chat template fails in line 1: it takes too many steps"
    );
}

#[test]
fn errors_name_the_line_and_never_the_text() {
    let secret = json!([{"role": "user", "content": "my secret"}]);
    let sources = [
        "\n{{ raise_exception('not ' + messages[0].content) }}",
        "\n{{ messages[0].content.no_such_method() }}",
        "\n{{ messages[0].content | no_such_filter }}",
        "\n{{ messages[0].content + 1 }}",
        "\n{% for x in %}",
    ];
    for source in sources {
        let error = render(source, secret.clone()).unwrap_err().to_string();
        assert!(
            error.starts_with("the chat template fails in line 2: "),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}
