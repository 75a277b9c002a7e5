//! The engine under strain: callers who leave at any moment, prompts of every length, letters cut anywhere. Nothing may
//! leak, nothing may hang, and what cannot be answered is said clearly.

use crate::support::{
    Gateway, Reply, ask, chat_body, client, datas, new_folder, post, repository, run, until,
};
use firstline::ledger::Outcome;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Writes the last message and nothing else.
const BARE: &str = "{{- messages[-1]['content'] -}}";

/// A copy of a tiny decoder with a template that adds nothing, after `change`.
fn model(name: &str, change: impl FnOnce(&Path)) -> PathBuf {
    let to = new_folder();
    copy(&repository("tests/models").join(name), &to);
    fs::write(to.join("chat_template.jinja"), BARE).unwrap();
    change(&to);
    to
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn config(folder: &Path, rest: &str) -> String {
    let folder = folder.display();
    format!(
        "debug_headers: true\nencoder: {{deadline: 60s}}\nlatency: {{deadline: 600s}}\nquality: {{threshold: 1, escalate_on: []}}\nmodels:\n  - {{name: own, tier: local, engine: {{folder: {folder}, sure: {{min_confidence: 0, tokens: 1, within: 580s}}{rest}}}}}\n"
    )
}

fn body(text: &str, fields: &Value) -> String {
    let mut body = chat_body("own", text);
    body["temperature"] = 0.into();
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

/// What the process holds: open files, threads, and memory in MiB.
fn held(gateway: &Gateway) -> (usize, usize, usize) {
    let folder = PathBuf::from(format!("/proc/{}", gateway.process_id()));
    let status = fs::read_to_string(folder.join("status")).unwrap();
    let number = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace()
            .next()
            .unwrap()
            .parse::<usize>()
            .unwrap()
    };
    let files = fs::read_dir(folder.join("fd")).unwrap().count();
    (files, number("Threads:"), number("VmRSS:") / 1024)
}

#[tokio::test]
async fn a_thousand_callers_who_leave_at_any_moment_leave_nothing_behind() {
    let rest = ", slots: 4, queue: 64, max_tokens: 200";
    let gateway = Gateway::start(&config(&model("tiny-llama-gqa", |_| {}), rest));
    let greedy = body("4711", &json!({"max_tokens": 20}));
    join_all((0..24).map(|_| ask(&gateway, &[], greedy.clone()))).await;
    let before = held(&gateway);
    // Steps of the golden ratio: moments that are spread over an answer and follow no order.
    let moments = (0_u64..1000).map(|number| number.wrapping_mul(2_654_435_769) % 16);
    let client = client();
    stream::iter(moments)
        .for_each_concurrent(24, |moment| leave(&gateway, &client, moment))
        .await;
    drop(client);
    let reply = until("a free slot", async || {
        let reply = ask(&gateway, &[], greedy.clone()).await;
        (reply.status == 200).then_some(reply)
    })
    .await;
    assert_eq!(reply.header("x-firstline-route"), "local");
    let after = until("the connections to be gone", async || {
        let now = held(&gateway);
        (now.0 <= before.0 + 8).then_some(now)
    })
    .await;
    assert!(
        after.1 <= before.1 + 1,
        "threads: {before:?}, then {after:?}"
    );
    assert!(
        after.2 <= before.2 + 48,
        "memory: {before:?}, then {after:?}"
    );
    // Who leaves before the request is sent is nobody's entry; every other entry is closed, and the journal is whole.
    let records = gateway.stop();
    let left = records
        .iter()
        .filter(|one| one.outcome == Outcome::Abandoned);
    let left = left.count();
    assert!(left > 300, "{left} of {} left in the middle", records.len());
}

/// Asks and is gone: from a stream after so many pieces, from a whole answer after so many milliseconds.
async fn leave(gateway: &Gateway, client: &reqwest::Client, moment: u64) {
    let streamed = !moment.is_multiple_of(4);
    let body = body("4711", &json!({"stream": streamed, "max_tokens": 200}));
    let asking = post(client, gateway, &[], body);
    if !streamed {
        // Whether it came to its end before is of no account.
        let _ = tokio::time::timeout(Duration::from_millis(moment), asking).await;
        return;
    }
    let mut flow = asking.await.unwrap();
    assert_eq!(flow.status(), 200);
    for _ in 0..moment {
        if flow.more().await.unwrap().is_none() {
            return;
        }
    }
}

#[tokio::test]
async fn a_prompt_of_twenty_thousand_tokens_is_read_and_holds_up_no_short_one() {
    let folder = model("tiny-llama", |folder| {
        let path = folder.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        // Rotary positions have no end of their own.
        config["max_position_embeddings"] = 32_768.into();
        fs::write(path, config.to_string()).unwrap();
    });
    let rest = ", slots: 2, context: 24000, memory_mb: 512, max_tokens: 8";
    let gateway = Gateway::start(&config(&folder, rest));
    let long = "order ".repeat(20_500);
    let answered = async |text: String, wait| {
        tokio::time::sleep(wait).await;
        let reply = patiently(&gateway, body(&text, &json!({}))).await;
        (reply, Instant::now())
    };
    let ((long, long_at), (short, short_at)) = tokio::join!(
        answered(long, Duration::ZERO),
        answered("Where is it?".into(), Duration::from_millis(300)),
    );
    assert_eq!(long.0, 200, "{}", long.1);
    let read = long.1["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!((20_000..24_000).contains(&read), "{read} tokens");
    assert_eq!(short.0, 200, "{}", short.1);
    assert!(short_at < long_at, "the short one waited for the long one");
    let longer = ask(&gateway, &[], body(&"order ".repeat(28_000), &json!({}))).await;
    let told = (longer.status, longer.header("x-firstline-reason"));
    assert_eq!(told, (403, "too_long"), "{}", longer.text());
}

/// As [`ask`], for a prompt that takes a busy machine a minute to read.
async fn patiently(gateway: &Gateway, body: String) -> (u16, Value) {
    let asked = client()
        .post(gateway.url("/v1/chat/completions"))
        .header("content-type", "application/json")
        .body(body)
        .timeout(Duration::from_secs(580));
    let reply = asked.send().await.unwrap();
    let status = reply.status().as_u16();
    let body = reply.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn an_empty_prompt_is_an_error_and_no_hang() {
    let gateway = Gateway::start(&config(&model("tiny-llama-gqa", |_| {}), ""));
    for text in ["", " ", "\n"] {
        let reply = ask(&gateway, &[], body(text, &json!({"max_tokens": 4}))).await;
        assert!(
            reply.status == 200 || (400..500).contains(&reply.status),
            "{text:?}: {}",
            reply.text()
        );
    }
    let empty = ask(&gateway, &[], body("", &json!({}))).await;
    assert_ne!(empty.status, 200, "{}", empty.text());
    assert!(
        empty.code().starts_with("policy_") || empty.code().starts_with("caller_"),
        "{}",
        empty.text()
    );
}

#[tokio::test]
async fn letters_of_several_parts_are_whole_wherever_an_answer_is_cut() {
    let gateway = Gateway::start(&config(
        &model("tiny-gpt2", |_| {}),
        ", slots: 8, queue: 32",
    ));
    let prompts = [
        "👩‍👩‍👧‍👦 é🇩🇪",
        "e\u{301}\u{323}\u{302} व्यक्ति",
        "نص עברית 🎁",
        "\u{200d}\u{fe0f}\u{301}",
    ];
    for prompt in prompts {
        let asked = (1..=24).step_by(3).map(|most| {
            let gateway = &gateway;
            async move {
                let whole = ask(gateway, &[], body(prompt, &json!({"max_tokens": most}))).await;
                let fields = json!({"max_tokens": most, "stream": true});
                (whole, ask(gateway, &[], body(prompt, &fields)).await)
            }
        });
        for (whole, streamed) in join_all(asked).await {
            assert_eq!(whole.status, 200, "{}", whole.text());
            let content = whole.json()["choices"][0]["message"]["content"].clone();
            assert_eq!(said(&streamed), content.as_str().unwrap(), "{prompt}");
        }
    }
}

/// The text of a stream whose every event is whole, valid JSON.
fn said(reply: &Reply) -> String {
    let mut events = datas(&reply.body);
    assert_eq!(events.pop().as_deref(), Some("[DONE]"), "{}", reply.text());
    let deltas = events.iter().map(|event| {
        let event: Value = serde_json::from_str(event).unwrap();
        event["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    deltas.collect()
}

#[test]
fn a_folder_whose_files_lead_elsewhere_is_refused_before_anything_is_read() {
    let spoils: [fn(&Path); 2] = [
        |folder| {
            let data = folder.join("model.onnx.data");
            let elsewhere = new_folder().join("weights");
            fs::rename(&data, &elsewhere).unwrap();
            std::os::unix::fs::symlink(elsewhere, data).unwrap();
        },
        |folder| {
            let path = folder.join("genai_config.json");
            let text = fs::read_to_string(&path).unwrap();
            let outside = text.replace("\"model.onnx\"", "\"../model.onnx\"");
            assert_ne!(text, outside);
            fs::write(path, outside).unwrap();
        },
    ];
    for spoil in spoils {
        let (folder, model) = (new_folder(), model("tiny-llama-gqa", spoil));
        let text = format!("version: 1\nname: t\n{}", config(&model, ""));
        fs::write(folder.join("c.yaml"), text).unwrap();
        let ran = run(&folder, &["check", "c.yaml"]).ended(1);
        assert!(ran.out.contains("leads out of its folder"), "{ran:#?}");
        run(
            &folder,
            &[
                "models",
                "try",
                &model.display().to_string(),
                "--message",
                "x",
            ],
        )
        .ended(1)
        .says(&["leads out of its folder"]);
    }
}

#[test]
fn a_graph_that_leaves_its_window_to_another_library_is_given_no_more_than_the_window() {
    let model = model("tiny-llama-gqa", |folder| {
        let path = folder.join("genai_config.json");
        let mut genai: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        genai["model"]["decoder"]["sliding_window"] = json!({"window_size": 64, "layers": []});
        fs::write(path, genai.to_string()).unwrap();
    });
    let model = model.display().to_string();
    let long = "where is my order ".repeat(40);
    run(&new_folder(), &["models", "try", &model, "--prompt", &long])
        .ended(1)
        .says(&["expected fewer than the context's 64"]);
}
