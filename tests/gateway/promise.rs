//! The promise about local answers, from judged answers to a threshold, and from the threshold to what is said of it later.

use crate::isolation::digest;
use crate::support::{
    Act, Gateway, Ran, Reply, StandIn, ask, chat, chat_body, client, completion, get, journal_ok,
    new_folder, run,
};
use firstline::ledger::{self, Line, Verdict};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const PROMISE: [&str; 4] = ["--max-local-error", "0.05", "--confidence", "0.95"];

/// Outcomes spread evenly over all complexities, bad from one on.
fn outcomes(folder: &Path, count: u32, bad_from: f64) {
    let mut lines = String::new();
    for number in 0..=count {
        let complexity = f64::from(number) / f64::from(count);
        let line = json!({"complexity": complexity, "local_ok": complexity < bad_from});
        writeln!(lines, "{line}").unwrap();
    }
    fs::write(folder.join("outcomes.jsonl"), lines).unwrap();
}

fn calibrate(folder: &Path, more: &[&str]) -> Ran {
    let start = ["calibrate", "--outcomes", "outcomes.jsonl"];
    run(folder, &[&start, &PROMISE[..], more].concat())
}

/// A local and a remote model, both at the stand-in.
fn config(stand_in: &StandIn, rest: &str) -> String {
    let url = stand_in.base_url();
    format!(
        r#"models:
  - {{name: small, tier: local, upstream: {{base_url: "{url}", model: s}}}}
  - {{name: large, tier: remote, upstream: {{base_url: "{url}", model: l}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}
encoder: {{deadline: 30s}}
{rest}
"#
    )
}

fn promised(stand_in: &StandIn) -> String {
    config(
        stand_in,
        "quality: {promise: {max_local_error: 0.05, confidence: 0.95, calibration: calibration.json}}",
    )
}

async fn stand_in() -> StandIn {
    StandIn::always(Act::Answer(200, "", completion("hello"))).await
}

/// Says something of an answer.
async fn judge(gateway: &Gateway, headers: &[(&str, &str)], body: Value) -> Reply {
    let mut request = client().post(gateway.url("/v1/outcomes"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body.to_string()).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.unwrap().to_vec();
    Reply {
        status,
        headers,
        body,
    }
}

#[test]
fn a_threshold_is_found_below_where_answers_turn_bad() {
    let folder = new_folder();
    outcomes(&folder, 4_000, 0.6);
    let ran = calibrate(&folder, &["--json"]).ended(0);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    let threshold = found["threshold"].as_f64().unwrap();
    assert!((0.55..0.66).contains(&threshold), "{found}");
    assert!(
        found["error_upper_bound"].as_f64().unwrap() <= 0.05,
        "{found}"
    );
    let said = calibrate(&folder, &[]).ended(0).out;
    for part in [
        "threshold   0.",
        "outcomes    4001 read",
        "local ",
        "error ",
    ] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
}

#[test]
fn where_no_threshold_does_it_says_infeasible_and_how_many_outcomes_would_do() {
    let folder = new_folder();
    outcomes(&folder, 30, 2.0);
    let ran = calibrate(&folder, &[]).ended(1);
    assert!(ran.out.starts_with("infeasible"), "{ran:#?}");
    assert!(ran.out.contains("outcomes like these would do"), "{ran:#?}");
    outcomes(&folder, 500, 0.0);
    let ran = calibrate(&folder, &["--json"]).ended(1);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (
            &found["feasible"],
            &found["threshold"],
            &found["needed_outcomes"]
        ),
        (&json!(false), &Value::Null, &Value::Null)
    );
}

#[test]
fn outcomes_that_are_none_are_told_line_by_line_and_not_repeated() {
    let folder = new_folder();
    let lines = [
        r#"{"complexity": 0.2, "local_ok": true}"#,
        r#"{"complexity": 1.2, "local_ok": true}"#,
        r#"{"text": "my secret prompt", "local_ok": true}"#,
        r#"{"complexity": 0.2, "local_ok": true, "my secret": 1}"#,
        r#"{"complexity": 0.2, "local_ok": true, "propensity": 0}"#,
    ];
    fs::write(folder.join("outcomes.jsonl"), lines.join("\n")).unwrap();
    let ran = calibrate(&folder, &[]).ended(1).says(&[
        "outcomes.jsonl:2: `complexity` has to be from 0 to 1",
        "outcomes.jsonl:3: a `text` is measured only with --config FILE",
        "outcomes.jsonl:4: ",
        "outcomes.jsonl:5: `propensity` has to be above 0",
    ]);
    assert!(!ran.err.contains("secret"), "{ran:#?}");
    fs::write(folder.join("outcomes.jsonl"), "\n").unwrap();
    calibrate(&folder, &[])
        .ended(1)
        .says(&["there is no outcome"]);
}

#[test]
fn what_is_no_promise_is_refused_and_none_is_asked_for() {
    let folder = new_folder();
    outcomes(&folder, 100, 2.0);
    let start = ["calibrate", "--outcomes", "outcomes.jsonl"];
    run(&folder, &start)
        .ended(1)
        .says(&["give --max-local-error"]);
    let wrong = [&start[..], &["--max-local-error", "0"]].concat();
    run(&folder, &wrong).ended(1).says(&["above 0 and below 1"]);
    run(&folder, &["calibrate"]).ended(2);
}

#[tokio::test]
async fn a_kept_promise_sets_the_threshold_and_is_in_the_record() {
    let (stand_in, folder) = (stand_in().await, new_folder());
    outcomes(&folder, 1_000, 2.0);
    calibrate(&folder, &["--output", "calibration.json"]).ended(0);
    let gateway = Gateway::start_in(folder, &promised(&stand_in), |_| {});
    let reply = chat(&gateway, "hello there, how are you today?").await;
    assert_eq!(
        reply.header("x-firstline-model"),
        "small",
        "{}",
        gateway.log()
    );
    let file = gateway.folder.join("firstline.yaml");
    let file = file.to_str().unwrap();
    run(&gateway.folder, &["check", file]).ended(0);
    let explained = ["explain", "--config", file, "--message", "hello there"];
    let ran = run(&gateway.folder, &explained).ended(0);
    assert!(
        ran.out.contains("kept up to complexity 1 by calibration"),
        "{ran:#?}"
    );
    let records = gateway.stop();
    assert_eq!(records[0].local_threshold, Some(1.0));
    let digest = records[0].calibration.as_ref().unwrap();
    assert!(ran.out.contains(&**digest), "{ran:#?}");
}

#[tokio::test]
async fn a_calibration_that_does_not_do_sends_everything_up_and_says_so() {
    let (stand_in, folder) = (stand_in().await, new_folder());
    outcomes(&folder, 1_000, 2.0);
    calibrate(&folder, &["--output", "good.json"]).ended(0);
    let good = fs::read_to_string(folder.join("good.json")).unwrap();
    let other = good.replace("\"heads_sha256\": \"", "\"heads_sha256\": \"0");
    fs::write(folder.join("calibration.json"), other).unwrap();
    let gateway = Gateway::start_in(folder, &promised(&stand_in), |_| {});
    let reply = chat(&gateway, "hello there, how are you today?").await;
    assert_eq!(reply.header("x-firstline-model"), "large");
    assert!(
        gateway.log().contains("quality.promise is not kept"),
        "{}",
        gateway.log()
    );
    let check = || run(&gateway.folder, &["check", "firstline.yaml"]);
    for (text, why) in [
        (
            good.replace("\"heads_sha256\": \"", "\"heads_sha256\": \"0"),
            "another encoder",
        ),
        (
            good.replace("\"max_local_error\": 0.05", "\"max_local_error\": 0.2"),
            "the policy promises",
        ),
        (
            good.replace("\"bad\": 0", "\"bad\": 400"),
            "the file was changed",
        ),
        ("not JSON".into(), "no calibration file"),
    ] {
        fs::write(gateway.folder.join("calibration.json"), text).unwrap();
        let ran = check().ended(1);
        assert!(
            ran.out.contains("NOT KEPT") && ran.out.contains(why),
            "{why}: {ran:#?}"
        );
    }
    fs::remove_file(gateway.folder.join("calibration.json")).unwrap();
    assert!(check().ended(1).out.contains("cannot be read"));
}

#[test]
fn check_refuses_a_threshold_beside_a_promise_and_doubts_a_promise_without_a_calibration() {
    let folder = new_folder();
    let head = "version: 1\nname: test\nmodels: [{name: desk, tier: local, knowledge: []}]\n";
    let write =
        |quality: &str| fs::write(folder.join("a.yaml"), format!("{head}{quality}\n")).unwrap();
    write("quality: {threshold: 0.4, promise: {max_local_error: 0.05, confidence: 0.95}}");
    let ran = run(&folder, &["check", "a.yaml"]).ended(1);
    assert!(
        ran.out
            .contains("quality.threshold: there is a threshold and a promise"),
        "{ran:#?}"
    );
    write("quality: {promise: {max_local_error: 0.05, confidence: 1}}");
    assert!(
        run(&folder, &["check", "a.yaml"])
            .ended(1)
            .out
            .contains("the confidence is 1")
    );
    write("quality: {promise: {max_local_error: 0.05, confidence: 0.95}}");
    let ran = run(&folder, &["check", "a.yaml"]).ended(0);
    assert!(
        ran.out
            .contains("warning: quality.promise: NOT KEPT: no calibration is named"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn an_outcome_is_recorded_once_in_the_chain_and_the_last_word_counts() {
    let stand_in = stand_in().await;
    let gateway = Gateway::start(&config(&stand_in, "quality: {threshold: 1}"));
    let id = chat(&gateway, "hello there")
        .await
        .header("x-firstline-decision-id")
        .to_owned();
    let verdict =
        |verdict: &str| json!({"decision_id": id, "verdict": verdict, "comment": "a secret"});
    for (said, recorded) in [("good", true), ("good", false), ("bad", true)] {
        let reply = judge(&gateway, &[], verdict(said)).await;
        assert_eq!(
            (reply.status, &reply.json()["recorded"]),
            (200, &json!(recorded)),
            "{said}"
        );
    }
    let (status, shown) = get(&gateway, &format!("/v1/decisions/{id}")).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (status, &shown["verdict"], &shown["record"]["model"]),
        (200, &json!("bad"), &json!("small"))
    );
    let (_, metrics) = get(&gateway, "/metrics").await;
    assert!(
        metrics.contains(r#"gateway_outcomes_total{route="local",verdict="good"} 1"#),
        "{metrics}"
    );
    let folder = gateway.folder.clone();
    assert_eq!(gateway.stop().len(), 1);
    let journal = folder.join("journal");
    let lines = ledger::read_lines(&journal).unwrap().map(Result::unwrap);
    let verdicts: Vec<Verdict> = lines
        .filter_map(|line| match line {
            Line::Judgement(judgement) => Some(judgement.verdict),
            Line::Record(_) => None,
        })
        .collect();
    assert_eq!(verdicts, [Verdict::Good, Verdict::Bad]);
    assert_eq!(journal_ok(&folder), 3);
    for file in fs::read_dir(journal).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(
            !String::from_utf8_lossy(&bytes).contains("secret"),
            "the comment was kept"
        );
    }
}

#[tokio::test]
async fn outcomes_are_taken_after_a_restart() {
    let stand_in = stand_in().await;
    let config = config(&stand_in, "quality: {threshold: 1}");
    let gateway = Gateway::start(&config);
    let id = chat(&gateway, "hello there")
        .await
        .header("x-firstline-decision-id")
        .to_owned();
    let folder = gateway.folder.clone();
    gateway.stop();
    let gateway = Gateway::start_in(folder, &config, |_| {});
    let reply = judge(
        &gateway,
        &[],
        json!({"decision_id": id, "verdict": "escalated_to_human"}),
    )
    .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn only_who_asked_may_judge_or_look() {
    const ALICE: (&str, &str) = ("authorization", "Bearer alice");
    const BOB: (&str, &str) = ("authorization", "Bearer bob");
    let stand_in = stand_in().await;
    let callers = format!(
        "callers:\n  - {{name: alice, key_sha256: \"{}\"}}\n  - {{name: bob, key_sha256: \"{}\"}}\n",
        digest("alice"),
        digest("bob")
    );
    let gateway = Gateway::start(&config(&stand_in, &callers));
    let asked = ask(&gateway, &[ALICE], chat_body("small", "hello").to_string()).await;
    let id = asked.header("x-firstline-decision-id").to_owned();
    let good = json!({"decision_id": id, "verdict": "good"});
    for (key, status, code) in [
        (BOB, 404, "caller_decision_not_found"),
        (("authorization", "Bearer eve"), 401, "caller_key_unknown"),
    ] {
        let reply = judge(&gateway, &[key], good.clone()).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
    }
    let (status, _) = get(&gateway, &format!("/v1/decisions/{id}")).await;
    assert_eq!(status, 401);
    assert_eq!(judge(&gateway, &[ALICE], good).await.status, 200);
}

#[tokio::test]
async fn an_outcome_that_is_none_is_refused_with_what_would_be_right() {
    let stand_in = stand_in().await;
    let gateway = Gateway::start(&config(&stand_in, ""));
    for wrong in [
        json!({"verdict": "good"}),
        json!({"decision_id": "x", "verdict": "so so"}),
        json!({"decision_id": "x", "verdict": "good", "my secret": 1}),
        json!("my secret"),
    ] {
        let reply = judge(&gateway, &[], wrong).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "caller_invalid_request")
        );
        assert!(!reply.text().contains("secret"), "{}", reply.text());
        assert!(!reply.header("x-request-id").is_empty());
    }
    let unknown = json!({"decision_id": "x", "verdict": "good"});
    assert_eq!(judge(&gateway, &[], unknown).await.status, 404);
    assert_eq!(get(&gateway, "/v1/outcomes").await.0, 405);
}

#[tokio::test]
async fn without_a_journal_an_outcome_is_not_taken() {
    let stand_in = stand_in().await;
    let rest = "records: {on_failure: continue}\nquality: {threshold: 1}";
    let gateway = Gateway::start(&config(&stand_in, rest));
    let id = chat(&gateway, "hello there")
        .await
        .header("x-firstline-decision-id")
        .to_owned();
    let reply = judge(&gateway, &[], json!({"decision_id": id, "verdict": "good"})).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (503, "gateway_records_unavailable")
    );
}

#[tokio::test]
async fn later_outcomes_bear_a_promise_out_or_break_it() {
    let (stand_in, folder) = (stand_in().await, new_folder());
    outcomes(&folder, 1_000, 2.0);
    calibrate(&folder, &["--output", "calibration.json"]).ended(0);
    let gateway = Gateway::start_in(folder.clone(), &promised(&stand_in), |_| {});
    for number in 0..12 {
        let reply = chat(
            &gateway,
            &format!("hello there, how are you on day {number}?"),
        )
        .await;
        let id = reply.header("x-firstline-decision-id");
        let said = judge(&gateway, &[], json!({"decision_id": id, "verdict": "bad"})).await;
        assert_eq!(said.status, 200, "{}", said.text());
    }
    gateway.stop();
    let check = |more: &[&str]| {
        let start = [
            "calibrate",
            "--check",
            "journal",
            "--config",
            "firstline.yaml",
        ];
        run(&folder, &[&start[..], more].concat())
    };
    let ran = check(&[]).ended(1);
    assert!(
        ran.out.contains("broken: 12 of 12 judged local answers"),
        "{ran:#?}"
    );
    let ran = check(&["--max-local-error", "0.99", "--json"]).ended(0);
    let later: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&later["promise"], &later["judged"]),
        (&json!("not_enough_outcomes"), &json!(12))
    );
    let again = [
        "calibrate",
        "--outcomes",
        "journal",
        "--config",
        "firstline.yaml",
    ];
    assert!(run(&folder, &again).ended(1).out.starts_with("infeasible"));
}
