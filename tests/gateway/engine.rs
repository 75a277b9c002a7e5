//! The engine in the process, with a tiny decoder of random weights: what `transformers` made of the same prompts is
//! what callers get, and where it is not sure the next model answers.

use crate::support::{
    Act, Gateway, Reply, StandIn, ask, ask_at, chat_body, client, completion, datas, get,
    new_folder, post, repository, run, run_with, until,
};
use firstline::ledger::{Outcome, Record, Route};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the last message and nothing else, so that the prompts are those that `transformers` was given.
const BARE: &str = "{{- messages[-1]['content'] -}}";

/// One prompt and what `transformers` went on with.
struct Golden {
    prompt: String,
    tokens: u64,
    text: String,
    log_probabilities: Vec<f64>,
}

fn golden() -> Vec<Golden> {
    let file = repository("tests/models/tiny-llama-gqa/golden.json");
    let json: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let cases = json["greedy"].as_array().unwrap().iter();
    let numbers = |value: &Value| {
        let numbers = value.as_array().unwrap().iter();
        numbers.map(|number| number.as_f64().unwrap()).collect()
    };
    let cases = cases.map(|case| Golden {
        prompt: case["prompt"].as_str().unwrap().to_owned(),
        tokens: case["ids"].as_array().unwrap().len() as u64,
        text: case["text"].as_str().unwrap().to_owned(),
        log_probabilities: numbers(&case["log_probabilities"]),
    });
    // A prompt that ends in a blank is not what a template passes on.
    cases.filter(|case| !case.prompt.ends_with(' ')).collect()
}

/// A copy of the tiny decoder whose template is [`BARE`].
fn bare() -> PathBuf {
    let (from, to) = (repository("tests/models/tiny-llama-gqa"), new_folder());
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    fs::write(to.join("chat_template.jinja"), BARE).unwrap();
    to
}

/// An engine before a remote model, which answers everything up to any complexity; `rest` is more of the engine.
fn config(folder: &Path, rest: &str, stand_in: Option<&StandIn>) -> String {
    let remote = stand_in.map_or_else(String::new, |stand_in| {
        let url = stand_in.base_url();
        format!("  - {{name: remote, tier: remote, upstream: {{base_url: \"{url}\", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\n")
    });
    format!(
        "debug_headers: true\nencoder: {{deadline: 30s}}\nquality: {{threshold: 1}}\nmodels:\n  - {{name: own, tier: local, engine: {{folder: {}{rest}}}}}\n{remote}",
        folder.display()
    )
}

/// Any beginning is sure enough. Of the wild words of random weights, more than these few may be told for another language.
const SURE: &str = ", max_tokens: 24, sure: {min_confidence: 0, tokens: 5}";

async fn remote() -> StandIn {
    StandIn::always(Act::Answer(200, "", completion("from afar"))).await
}

fn way(reply: &Reply) -> (&str, &str) {
    (
        reply.header("x-firstline-route"),
        reply.header("x-firstline-reason"),
    )
}

fn content(reply: &Reply) -> String {
    let body = reply.json();
    let content = body["choices"][0]["message"]["content"].as_str();
    content
        .unwrap_or_else(|| panic!("{}", reply.text()))
        .to_owned()
}

fn with(text: &str, fields: Value) -> String {
    let mut body = chat_body("auto", text);
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

/// The text of a stream's events, and its last finish reason.
fn streamed(reply: &Reply) -> (String, Value) {
    let mut events = datas(&reply.body);
    assert_eq!(events.pop().as_deref(), Some("[DONE]"), "{}", reply.text());
    let events: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let said = |event: &Value| {
        event["choices"][0]["delta"]["content"]
            .as_str()
            .map(str::to_owned)
    };
    let reasons = events
        .iter()
        .map(|event| event["choices"][0]["finish_reason"].clone());
    let reason = reasons.into_iter().find(|reason| !reason.is_null());
    (
        events.iter().filter_map(said).collect(),
        reason.unwrap_or_default(),
    )
}

#[tokio::test]
async fn whole_and_streamed_answers_are_those_of_transformers() {
    let stand_in = remote().await;
    // Fewer tokens are held back than the answer has, so that a stream goes on after them.
    let rest = ", max_tokens: 24, sure: {min_confidence: 0, tokens: 5}";
    let gateway = Gateway::start(&config(&bare(), rest, Some(&stand_in)));
    let golden = golden();
    for case in &golden {
        let greedy = json!({"temperature": 0});
        let whole = ask(&gateway, &[], with(&case.prompt, greedy)).await;
        assert_eq!(way(&whole), ("local", ""), "{}", whole.text());
        assert_eq!(whole.header("x-firstline-model"), "own");
        let confidence: f64 = whole.header("x-firstline-confidence").parse().unwrap();
        let mean = case.log_probabilities[..5].iter().sum::<f64>() / 5.0;
        assert!((confidence - mean.exp()).abs() < 0.02, "{confidence}");
        assert_eq!(content(&whole), case.text, "{}", case.prompt);
        let body = whole.json();
        assert_eq!(body["choices"][0]["finish_reason"], "length");
        assert_eq!(body["usage"]["prompt_tokens"], case.tokens);
        assert_eq!(body["usage"]["completion_tokens"], 24);
        let stream =
            json!({"temperature": 0, "stream": true, "stream_options": {"include_usage": true}});
        let stream = ask(&gateway, &[], with(&case.prompt, stream)).await;
        assert_eq!(stream.header("content-type"), "text/event-stream");
        assert_eq!(streamed(&stream), (case.text.clone(), "length".into()));
        assert!(stream.text().contains("\"completion_tokens\":24"));
    }
    assert!(stand_in.seen().is_empty(), "it was sent on");
    for record in gateway.stop() {
        assert_eq!(record.route, Some(Route::Local));
        assert_eq!(record.model.as_deref(), Some("own"));
        assert_eq!(record.outcome, Outcome::Served);
        assert!(record.confidence.unwrap() > 0.0 && record.attempts.is_empty());
        assert_eq!(record.engine_sha256.as_deref().unwrap().len(), 64);
        let usage = record.usage.unwrap();
        assert_eq!((usage.output, usage.estimated), (24, false));
        assert!(record.saved_micro_usd > 0 && record.phases.local > 0);
    }
}

#[tokio::test]
async fn the_probabilities_of_tokens_are_given_where_they_are_asked_for() {
    let stand_in = remote().await;
    let gateway = Gateway::start(&config(&bare(), SURE, Some(&stand_in)));
    let case = &golden()[0];
    let asked = json!({"temperature": 0, "logprobs": true});
    let reply = ask(&gateway, &[], with(&case.prompt, asked.clone())).await;
    let said = reply.json()["choices"][0]["logprobs"]["content"].clone();
    let said = said.as_array().unwrap();
    assert_eq!(said.len(), case.log_probabilities.len());
    for (token, wanted) in said.iter().zip(&case.log_probabilities) {
        assert!((token["logprob"].as_f64().unwrap() - wanted).abs() < 2e-3);
        assert!(token["token"].is_string() && token["bytes"].is_array());
    }
    let mut stream = asked;
    stream["stream"] = true.into();
    let stream = ask(&gateway, &[], with(&case.prompt, stream)).await;
    let tokens = datas(&stream.body)
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .filter_map(|event| Some(event["choices"][0]["logprobs"]["content"].as_array()?.len()))
        .sum::<usize>();
    assert_eq!(tokens, said.len());
    let without = ask(&gateway, &[], with(&case.prompt, json!({"temperature": 0}))).await;
    assert!(without.json()["choices"][0]["logprobs"].is_null());
}

#[tokio::test]
async fn an_unsure_engine_steps_aside_and_says_why() {
    let stand_in = remote().await;
    let rest = ", max_tokens: 24, sure: {min_confidence: 0.9}";
    let gateway = Gateway::start(&config(&bare(), rest, Some(&stand_in)));
    let reply = ask(
        &gateway,
        &[],
        chat_body("auto", &golden()[0].prompt).to_string(),
    )
    .await;
    assert_eq!(
        way(&reply),
        ("remote", "low_confidence"),
        "{}",
        reply.text()
    );
    assert_eq!(content(&reply), "from afar");
    assert_eq!(stand_in.seen().len(), 1);
    let counted = "gateway_stepped_aside_total{model=\"own\",reason=\"low_confidence\"} 1";
    until("the metric", async || {
        let (_, text) = get(&gateway, "/metrics").await;
        text.contains(counted).then_some(())
    })
    .await;
    let record = gateway.stop().remove(0);
    assert_eq!(record.escalation.as_deref(), Some("low_confidence"));
    let aside = &record.stepped_aside[0];
    assert_eq!((&*aside.model, &*aside.reason), ("own", "low_confidence"));
    assert_eq!(
        (record.confidence, record.route),
        (None, Some(Route::Remote))
    );
}

#[tokio::test]
async fn an_unsure_engine_with_nobody_behind_it_refuses() {
    let gateway = Gateway::start(&config(&bare(), ", max_tokens: 24", None));
    let reply = ask(
        &gateway,
        &[],
        chat_body("auto", &golden()[0].prompt).to_string(),
    )
    .await;
    let told = (reply.status, reply.code());
    assert_eq!(told, (403, "policy_quality".to_owned()), "{}", reply.text());
    assert_eq!(way(&reply), ("refused", "low_confidence"));
}

#[tokio::test]
async fn what_an_engine_cannot_honour_is_passed_on_and_never_passed_over() {
    let stand_in = remote().await;
    let gateway = Gateway::start(&config(&bare(), SURE, Some(&stand_in)));
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let prompt = &golden()[0].prompt;
    let long = "word ".repeat(400);
    let cases = [
        (prompt.as_str(), json!({"tools": tool}), "needs_more"),
        (prompt, json!({"n": 2}), "needs_more"),
        (
            prompt,
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"not": {}}}}}),
            "schema_refused",
        ),
        (
            prompt,
            json!({"response_format": {"type": "json_lines"}}),
            "needs_more",
        ),
        (prompt, json!({"max_tokens": 0}), "needs_more"),
        (prompt, json!({"frequency_penalty": 0.5}), "unknown_setting"),
        (
            prompt,
            json!({"logit_bias": {"5": -100}}),
            "unknown_setting",
        ),
        (
            prompt,
            json!({"logprobs": true, "top_logprobs": 2}),
            "unknown_setting",
        ),
        (
            prompt,
            json!({"a_setting_of_next_year": 1}),
            "unknown_setting",
        ),
        (
            "I want to talk to a human, please",
            json!({}),
            "asks_for_human",
        ),
        (&long, json!({}), "too_long"),
    ];
    for (text, fields, why) in &cases {
        let reply = ask(&gateway, &[], with(text, fields.clone())).await;
        assert_eq!(way(&reply), ("remote", *why), "{fields}: {}", reply.text());
    }
    assert_eq!(stand_in.seen().len(), cases.len());
}

/// Room for a small JSON text.
const ROOMY: &str = ", slots: 8, max_tokens: 160, sure: {min_confidence: 0, tokens: 5}";

fn ticket() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["kind", "count", "words"], "properties": {
        "kind": {"type": "string", "enum": ["refund", "order"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 99},
        "words": {"type": "array", "maxItems": 2, "items": {"type": "string", "maxLength": 6}}}})
}

fn is_ticket(text: &str) -> bool {
    let ticket: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let words = ticket["words"].as_array().unwrap();
    let short = |word: &Value| word.as_str().unwrap().chars().count() <= 6;
    ticket.as_object().unwrap().len() == 3
        && ["refund", "order"].contains(&ticket["kind"].as_str().unwrap())
        && ticket["count"].as_u64().unwrap() < 100
        && words.len() <= 2
        && words.iter().all(short)
}

#[tokio::test]
async fn eight_at_once_keep_to_the_schema_that_they_were_asked_for() {
    let gateway = Gateway::start(&config(&bare(), ROOMY, None));
    let format = json!({"type": "json_schema", "json_schema": {"name": "ticket", "strict": true, "schema": ticket()}});
    let prompt = &golden()[0].prompt;
    let asked = (0..8).map(|seed| {
        let warm = if seed == 0 { 0.0 } else { 1.2 };
        let fields = json!({"response_format": format, "temperature": warm, "seed": seed, "stream": seed % 2 == 1});
        ask(&gateway, &[], with(prompt, fields))
    });
    let mut finished = 0;
    for (seed, reply) in futures_util::future::join_all(asked)
        .await
        .iter()
        .enumerate()
    {
        let (text, reason) = if seed % 2 == 1 {
            streamed(reply)
        } else {
            let choice = &reply.json()["choices"][0];
            (content(reply), choice["finish_reason"].clone())
        };
        if reason == "stop" {
            assert!(is_ticket(&text), "{text}");
            finished += 1;
        } else {
            assert_eq!(reason, "length", "{text}");
        }
    }
    assert!(finished > 0, "none ended by itself");
}

#[tokio::test]
async fn json_mode_gives_an_object_and_a_response_keeps_to_its_format() {
    let gateway = Gateway::start(&config(&bare(), ROOMY, None));
    let prompt = &golden()[0].prompt;
    let object = json!({"response_format": {"type": "json_object"}, "max_tokens": 16});
    let reply = ask(&gateway, &[], with(prompt, object)).await;
    assert!(content(&reply).starts_with('{'), "{}", reply.text());
    let format =
        json!({"type": "json_schema", "name": "ticket", "schema": ticket(), "strict": true});
    let body =
        json!({"model": "auto", "input": prompt, "temperature": 0, "text": {"format": format}});
    let reply = ask_at(&gateway, "/v1/responses", &[], body.to_string()).await;
    let body = reply.json();
    let text = body["output"][0]["content"][0]["text"].as_str().unwrap();
    // Random weights may spend all of their room on blanks.
    let is_whole = body["status"] == "completed";
    assert!(
        text.starts_with('{') && (!is_whole || is_ticket(text)),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn a_stop_text_ends_the_answer_before_it() {
    let gateway = Gateway::start(&config(&bare(), SURE, None));
    for case in &golden() {
        let letters: Vec<char> = case.text.chars().collect();
        let stop: String = letters[8..10].iter().collect();
        let fields = json!({"temperature": 0, "stop": [stop, "never said"]});
        let reply = ask(&gateway, &[], with(&case.prompt, fields)).await;
        assert_eq!(reply.json()["choices"][0]["finish_reason"], "stop");
        assert_eq!(content(&reply), case.text.split(&stop).next().unwrap());
    }
}

#[tokio::test]
async fn the_same_seed_repeats_the_same_answer() {
    let gateway = Gateway::start(&config(&bare(), SURE, None));
    let drawn = async |seed: i64| {
        let fields = json!({"temperature": 1, "top_p": 0.95, "seed": seed});
        content(&ask(&gateway, &[], with("4711", fields)).await)
    };
    let first = drawn(7).await;
    assert_eq!(first, drawn(7).await);
    assert_ne!(first, drawn(8).await);
}

#[tokio::test]
async fn eight_at_once_get_what_each_would_get_alone() {
    let gateway = Gateway::start(&config(
        &bare(),
        ", slots: 3, queue: 8, max_tokens: 24, sure: {min_confidence: 0, tokens: 5}",
        None,
    ));
    let golden = golden();
    let asked = (0..8).map(|number| {
        let case = &golden[number % golden.len()];
        let body = with(&case.prompt, json!({"temperature": 0}));
        let gateway = &gateway;
        async move { (ask(gateway, &[], body).await, &case.text) }
    });
    for (reply, wanted) in futures_util::future::join_all(asked).await {
        assert_eq!(content(&reply), *wanted);
    }
}

#[tokio::test]
async fn who_finds_the_engine_full_gets_the_next_model() {
    let stand_in = remote().await;
    let rest = ", slots: 1, queue: 0, max_tokens: 200, sure: {min_confidence: 0, tokens: 200}";
    let gateway = Gateway::start(&config(&bare(), rest, Some(&stand_in)));
    let asked = (0..16).map(|_| ask(&gateway, &[], with("4711", json!({"temperature": 0}))));
    let replies = futures_util::future::join_all(asked).await;
    let (mut local, mut busy) = (0, 0);
    for reply in &replies {
        match way(reply) {
            ("local", _) => local += 1,
            ("remote", "engine_busy") => busy += 1,
            other => panic!("{other:?}: {}", reply.text()),
        }
    }
    assert!(local > 0 && busy > 0, "{local} local, {busy} busy");
}

#[tokio::test]
async fn callers_who_leave_free_the_slot() {
    let rest = ", slots: 1, queue: 0, max_tokens: 200, sure: {min_confidence: 0, tokens: 1}";
    let gateway = Gateway::start(&config(&bare(), rest, None));
    let client = client();
    for number in 0..40 {
        let stream = number % 2 == 0;
        let body = with("4711", json!({"temperature": 0, "stream": stream}));
        if stream {
            // Leaves after the first bytes, or finds the slot still taken by the last one.
            let mut open = post(&client, &gateway, &[], body).await.unwrap();
            let _ = open.more().await;
        } else {
            let asking = post(&client, &gateway, &[], body);
            let _ = tokio::time::timeout(std::time::Duration::from_millis(number), asking).await;
        }
    }
    let reply = until("a free slot", async || {
        let reply = ask(&gateway, &[], with("4711", json!({"temperature": 0}))).await;
        assert!(
            reply.status == 200 || reply.code() == "gateway_engine_busy",
            "{}",
            reply.text()
        );
        (reply.status == 200).then_some(reply)
    })
    .await;
    assert_eq!(way(&reply), ("local", ""));
    let records = gateway.stop();
    let ended = |outcome: Outcome| records.iter().filter(|one| one.outcome == outcome).count();
    assert!(ended(Outcome::Abandoned) > 0 && ended(Outcome::Served) > 0);
    let full = |one: &Record| one.error.as_deref() == Some("gateway_engine_busy");
    let refused = records.iter().filter(|one| one.outcome == Outcome::Refused);
    assert!(refused.into_iter().all(full));
}

#[tokio::test]
async fn an_answer_is_kept_in_the_cache_like_any_other() {
    let mut config = config(
        &bare(),
        ", max_tokens: 200, sure: {min_confidence: 0}",
        None,
    );
    config.push_str("cache: {exact: {ttl: 1h}}\n");
    let gateway = Gateway::start(&config);
    let case = &golden()[0];
    let stop: String = case.text.chars().skip(8).take(2).collect();
    let body = with(&case.prompt, json!({"temperature": 0, "stop": stop}));
    let first = ask(&gateway, &[], body.clone()).await;
    let second = ask(&gateway, &[], body).await;
    assert_eq!((way(&first).0, way(&second).0), ("local", "cache"));
    assert_eq!(content(&first), content(&second));
    assert_eq!(second.header("x-firstline-model"), "own");
}

#[tokio::test]
async fn a_hard_question_does_not_reach_the_engine() {
    let stand_in = remote().await;
    let config = config(&bare(), SURE, Some(&stand_in)).replace("threshold: 1", "threshold: 0");
    let gateway = Gateway::start(&config);
    let hard = "Prove that there are infinitely many primes, and then that there are infinitely many of the form 4k+3.";
    let reply = ask(&gateway, &[], chat_body("auto", hard).to_string()).await;
    assert_eq!(way(&reply), ("remote", ""), "{}", reply.text());
    // Asked for by name it is given: the threshold is how `auto` chooses.
    let reply = ask(
        &gateway,
        &[],
        chat_body("own", &golden()[0].prompt).to_string(),
    )
    .await;
    assert_eq!(way(&reply).0, "local", "{}", reply.text());
}

/// Spoils a model's folder.
type Spoil = fn(&Path);

#[test]
fn a_broken_folder_is_told_by_check_and_refused_at_start() {
    let breaks: [(Spoil, &str); 4] = [
        (
            |folder| {
                let file = folder.join("model.onnx.data");
                let bytes = fs::read(&file).unwrap();
                fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
            },
            "model.onnx.data cannot be used: it is cut short",
        ),
        (
            |folder| fs::remove_file(folder.join("tokenizer.json")).unwrap(),
            "tokenizer.json is missing",
        ),
        (
            |folder| fs::remove_file(folder.join("chat_template.jinja")).unwrap(),
            "has no chat template",
        ),
        (|folder| fs::remove_dir_all(folder).unwrap(), "is missing"),
    ];
    for (spoil, said) in breaks {
        let (model, folder) = (bare(), new_folder());
        spoil(&model);
        let config = format!(
            "version: 1\nname: t\nlisten: {{api: \"127.0.0.1:0\"}}\n{}",
            config(&model, "", None)
        );
        fs::write(folder.join("c.yaml"), config).unwrap();
        let ran = run(&folder, &["check", "c.yaml"]).ended(1);
        assert!(
            ran.out.contains(said) && ran.out.contains("models[0].engine"),
            "{ran:#?}"
        );
        run_with(&folder, &["serve", "--config", "c.yaml"], "", |_| {})
            .ended(1)
            .says(&["the engine of `own`", said]);
    }
}

#[test]
fn explain_says_what_the_engine_would_do() {
    let folder = new_folder();
    let config = format!("version: 1\nname: t\n{}", config(&bare(), "", None));
    fs::write(folder.join("c.yaml"), config).unwrap();
    let explain = |message: &str| {
        run(
            &folder,
            &["explain", "--config", "c.yaml", "--message", message],
        )
        .ended(0)
        .out
    };
    let out = explain("Where is my order?");
    assert!(
        out.contains("own (an engine in this process): would answer where it is sure"),
        "{out}"
    );
    let out = explain("I want to talk to a human, please");
    assert!(out.contains("would step aside (asks_for_human)"), "{out}");
}

#[tokio::test]
async fn a_reload_changes_how_sure_it_must_be_and_not_how_it_runs() {
    let (stand_in, folder) = (remote().await, bare());
    let gateway = Gateway::start(&config(&folder, SURE, Some(&stand_in)));
    let prompt = &golden()[0].prompt;
    let way_now = async || {
        let reply = ask(&gateway, &[], with(prompt, json!({"temperature": 0}))).await;
        reply.header("x-firstline-route").to_owned()
    };
    assert_eq!(way_now().await, "local");
    let other = format!("{SURE}, slots: 9");
    gateway.reload(&config(&folder, &other, Some(&stand_in)));
    until("the refusal", async || {
        let refused = gateway.log().contains("engines are loaded at start only");
        refused.then_some(())
    })
    .await;
    assert_eq!(way_now().await, "local");
    let strict = ", max_tokens: 24, sure: {min_confidence: 0.9}";
    gateway.reload(&config(&folder, strict, Some(&stand_in)));
    until("the reload", async || {
        (way_now().await == "remote").then_some(())
    })
    .await;
}

#[test]
fn inspect_says_what_a_folder_holds() {
    let (model, folder) = (bare().display().to_string(), new_folder());
    let out = run(&folder, &["models", "inspect", &model]).ended(0).out;
    assert!(
        out.contains("512 tokens") && out.contains("chat template  there"),
        "{out}"
    );
    fs::remove_file(Path::new(&model).join("chat_template.jinja")).unwrap();
    let out = run(&folder, &["models", "inspect", &model]).ended(1).out;
    assert!(out.contains("chat template  missing"), "{out}");
    run(&folder, &["models", "inspect", "nowhere"])
        .ended(1)
        .says(&["nowhere is missing"]);
}

#[tokio::test]
async fn what_is_said_of_its_answers_counts_for_a_promise() {
    let gateway = Gateway::start(&config(&bare(), SURE, None));
    let prompt = &golden()[0].prompt;
    let reply = ask(&gateway, &[], with(prompt, json!({"temperature": 0}))).await;
    assert_eq!(way(&reply).0, "local");
    let said = json!({"decision_id": reply.header("x-firstline-decision-id"), "verdict": "good"});
    let judged = client().post(gateway.url("/v1/outcomes"));
    let judged = judged.body(said.to_string()).send().await.unwrap();
    assert_eq!(judged.status().as_u16(), 200);
    let folder = gateway.folder.clone();
    gateway.stop();
    let promise = ["--max-local-error", "0.05", "--confidence", "0.95"];
    let start = ["calibrate", "--outcomes", "journal"];
    let ran = run(&folder, &[&start[..], &promise[..]].concat()).ended(1);
    // One outcome proves nothing, but it was found.
    assert!(ran.out.starts_with("infeasible"), "{ran:#?}");
}
