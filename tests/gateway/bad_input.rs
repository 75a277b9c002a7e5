//! Bad input: what is wrong, where, and what would be right. Nothing is half done and nothing is lost.

use crate::smoke::remote;
use crate::support::{
    Act, Gateway, Ran, StandIn, ask, chat, chat_body, completion, new_folder, records, repository,
    run_with,
};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A config that needs the encoder.
const WITH_DESK: &str =
    "models:\n  - {name: desk, tier: local, knowledge: []}\nguard: {attack: {refuse_from: 0.9}}\n";

/// A config that needs no model file at all.
const WITHOUT_ENCODER: &str = "models:\n  - {name: far, tier: remote, upstream: {base_url: \"http://127.0.0.1:9/v1\", model: m}}\n";

/// Tries to serve this configuration, which must not start.
fn refused(folder: &Path, rest: &str, change: impl FnOnce(&mut std::process::Command)) -> Ran {
    let text = format!("version: 1\nname: test\nlisten: {{api: \"127.0.0.1:0\"}}\n{rest}");
    fs::write(folder.join("firstline.yaml"), text).unwrap();
    let ran = run_with(folder, &["serve", "--config", "firstline.yaml"], "", change).ended(1);
    assert!(ran.out.is_empty(), "it said that it listens: {ran:#?}");
    ran
}

/// The models that ship with a file cut short, one changed and one missing.
pub(crate) fn damaged_models() -> PathBuf {
    let folder = new_folder();
    let (from, to) = (repository("models"), &folder);
    fs::copy(from.join("manifest.json"), to.join("manifest.json")).unwrap();
    symlink(from.join("firstline-desk"), to.join("firstline-desk")).unwrap();
    let (from, to) = (from.join("firstline-encoder"), to.join("firstline-encoder"));
    fs::create_dir(&to).unwrap();
    symlink(from.join("encoder.onnx"), to.join("encoder.onnx")).unwrap();
    let mut tokenizer = fs::read(from.join("tokenizer.json")).unwrap();
    tokenizer.pop();
    fs::write(to.join("tokenizer.json"), tokenizer).unwrap();
    let mut heads = fs::read(from.join("heads.json")).unwrap();
    let last = heads.len() - 1;
    heads[last] ^= 1;
    fs::write(to.join("heads.json"), heads).unwrap();
    folder
}

#[test]
fn a_policy_that_names_an_unknown_model_is_refused_with_those_there_are() {
    let rest = "models:\n  - {name: gpt-large, tier: remote, upstream: {base_url: \"https://x.example/v1\", model: m}}\nroutes:\n  - {use: [gpt-larg]}\n";
    refused(&new_folder(), rest, |_| {}).says(&[
        "the configuration is not valid",
        "firstline.yaml:7: routes[0].use[0]: no model or `human` named `gpt-larg`; did you mean `gpt-large`?",
    ]);
}

#[test]
fn a_reference_to_an_unset_variable_names_the_variable() {
    let rest = "models:\n  - {name: gpt, tier: remote, upstream: {base_url: \"https://x.example/v1\", model: m, api_key: {env: MY_KEY}}}\n";
    refused(&new_folder(), rest, |_| {}).says(&[
        "firstline.yaml:5: models[0].upstream.api_key.env",
        "MY_KEY is not set; set MY_KEY",
    ]);
}

#[test]
fn a_reference_to_a_missing_file_names_the_file() {
    let rest = "models:\n  - {name: gpt, tier: remote, upstream: {base_url: \"https://x.example/v1\", model: m, api_key: {file: secrets/key}}}\n";
    refused(&new_folder(), rest, |_| {}).says(&[
        "firstline.yaml:5: models[0].upstream.api_key.file: the file cannot be read",
        "the path starts at the folder of this config file",
    ]);
}

#[test]
fn knowledge_that_is_wrong_is_named_with_its_line() {
    let folder = new_folder();
    fs::write(folder.join("faq.yaml"), "version: 1\nname: faq\nentries:\n  - id: one\n    questions: [\"a question\"]\n  - id: one\n    questions: []\n    answer: yes\n").unwrap();
    let rest = "models:\n  - {name: desk, tier: local, knowledge: [faq.yaml]}\n";
    refused(&folder, rest, |_| {}).says(&[
        "faq.yaml:4: entries[0].answer: ",
        "faq.yaml:6: entries[1].id: ",
        "faq.yaml:7: entries[1].questions: ",
    ]);
    refused(&folder, &rest.replace("faq.yaml", "none.yaml"), |_| {}).says(&["none.yaml"]);
}

#[test]
fn a_damaged_model_file_is_refused_by_its_fault() {
    let models = damaged_models();
    let encoder = models.join("firstline-encoder");
    let rest = format!("{WITH_DESK}encoder: {{folder: {}}}\n", encoder.display());
    let start = || refused(&new_folder(), &rest, |_| {});
    start().says(&[
        "firstline-encoder/tokenizer.json: the file is cut short: 466080 bytes, expected 466081",
    ]);
    let shipped = repository("models/firstline-encoder");
    fs::copy(
        shipped.join("tokenizer.json"),
        encoder.join("tokenizer.json"),
    )
    .unwrap();
    start().says(&[
        "firstline-encoder/heads.json: the content is another: SHA-256 ",
        ", expected ",
    ]);
    fs::remove_file(encoder.join("heads.json")).unwrap();
    start().says(&["firstline-encoder/heads.json: the file is missing"]);
    fs::remove_file(models.join("manifest.json")).unwrap();
    start().says(&["manifest.json: cannot be read"]);
}

#[test]
fn a_missing_runtime_is_one_sentence_that_names_the_command() {
    let folder = new_folder();
    let library = folder.join("nothing.so");
    let ran = refused(&folder, WITH_DESK, |command| {
        command.env("ORT_DYLIB_PATH", &library);
    });
    assert_eq!(ran.err.lines().count(), 1, "{ran:#?}");
    ran.says(&[
        "the ONNX Runtime library",
        "nothing.so",
        "run `make runtime`",
    ]);
}

#[test]
fn a_runtime_that_is_none_is_one_sentence_that_names_the_command() {
    let folder = new_folder();
    let library = folder.join("wrong.so");
    fs::write(&library, "no library").unwrap();
    let ran = refused(&folder, WITH_DESK, |command| {
        command.env("ORT_DYLIB_PATH", &library);
    });
    assert_eq!(ran.err.lines().count(), 1, "{ran:#?}");
    ran.says(&[
        "the ONNX Runtime library at",
        "wrong.so",
        "run `make runtime`",
    ]);
}

#[test]
fn a_runtime_with_another_digest_is_not_loaded() {
    let folder = new_folder();
    let place = folder.join(".cache/onnxruntime-1.31.1");
    fs::create_dir_all(&place).unwrap();
    for name in ["libonnxruntime.so", "libonnxruntime.dylib"] {
        fs::write(place.join(name), "not what was published").unwrap();
    }
    let ran = refused(&folder, WITH_DESK, |command| {
        command.env_remove("ORT_DYLIB_PATH");
    });
    ran.says(&[
        ".cache/onnxruntime-1.31.1",
        "has SHA-256 ",
        ", expected ",
        "run `make runtime`",
    ]);
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = new_folder();
    let text = format!("version: 1\nname: test\n{WITHOUT_ENCODER}");
    fs::write(folder.join("firstline.yaml"), text).unwrap();
    let listen = address.to_string();
    let arguments = ["serve", "--config", "firstline.yaml", "--listen", &listen];
    run_with(&folder, &arguments, "", |_| {}).ended(1).says(&[
        &format!("cannot listen on {address}"),
        "is another program using the port?",
        "--listen",
    ]);
}

#[tokio::test]
async fn malformed_requests_are_told_where_they_break_and_the_gateway_goes_on() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hello"))).await;
    let gateway = Gateway::start(&remote(&stand_in));
    let bad = [
        ("{\"model\": \"auto\", ", "ends too early"),
        ("", "ends too early"),
        ("[]", "object"),
        ("{\"messages\": []}", "model"),
        ("{\"model\": \"auto\"}", "messages"),
        ("{\"model\": \"auto\", \"messages\": \"hi\"}", "messages"),
        ("{\"model\": 7, \"messages\": []}", "model"),
    ];
    for (body, part) in bad {
        let reply = ask(&gateway, &[], body).await;
        let error = &reply.json()["error"];
        assert_eq!(
            (reply.status, error["code"].as_str()),
            (400, Some("caller_invalid_request")),
            "{body}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(part), "{body}: {message}");
        assert!(!reply.header("x-firstline-decision-id").is_empty());
    }
    assert!(
        stand_in.seen().is_empty(),
        "a malformed request was sent on"
    );
    assert_eq!(chat(&gateway, "hi").await.status, 200);
    gateway.stop();
}

#[tokio::test]
async fn an_upstream_that_hangs_ends_as_a_timeout_that_is_recorded() {
    let stand_in = StandIn::always(Act::Hang).await;
    let limits = "\n    timeouts: {first_token: 200ms}";
    let url = stand_in.base_url();
    let gateway = Gateway::start(&format!(
        "models:\n  - name: remote\n    tier: remote\n    upstream: {{base_url: \"{url}\", model: m}}{limits}\nupstream: {{retry: {{max_attempts: 1}}}}\n"
    ));
    let reply = chat(&gateway, "hi").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "upstream_timeout"),
        "{}",
        reply.text()
    );
    let records = gateway.stop();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].attempts.len(), 1, "{:?}", records[0]);
}

#[test]
fn a_journal_folder_that_cannot_be_made_is_named() {
    let folder = new_folder();
    // A file stands where the folder should be: refused to root as well, who may write everywhere else.
    fs::write(folder.join("taken"), "").unwrap();
    let rest = format!("{WITHOUT_ENCODER}records: {{journal: taken/journal}}\n");
    refused(&folder, &rest, |_| {}).says(&["taken/journal", "records.journal"]);
}

#[test]
fn a_journal_folder_without_leave_to_write_is_named() {
    let folder = new_folder();
    let journal = folder.join("journal");
    fs::create_dir(&journal).unwrap();
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write all the same, and then there is nothing to see.
    if fs::write(journal.join("probe"), "").is_ok() {
        return;
    }
    let rest = format!("{WITHOUT_ENCODER}records: {{journal: journal}}\n");
    refused(&folder, &rest, |_| {}).says(&[
        "journal/journal.lock",
        "Permission denied",
        "records.journal",
    ]);
}

#[tokio::test]
async fn a_journal_held_by_another_gateway_is_left_alone() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hello"))).await;
    let gateway = Gateway::start(&remote(&stand_in));
    let rest = format!(
        "{WITHOUT_ENCODER}records: {{journal: {}}}\n",
        gateway.folder.join("journal").display()
    );
    refused(&new_folder(), &rest, |_| {}).says(&[
        "journal.lock",
        "another process writes to this journal",
        "records.journal",
    ]);
    assert_eq!(chat(&gateway, "hi").await.status, 200);
    assert_eq!(gateway.stop().len(), 1);
}

#[tokio::test]
async fn a_changed_journal_is_refused_and_left_as_it_is() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hello"))).await;
    let gateway = Gateway::start(&remote(&stand_in));
    let folder = gateway.folder.clone();
    for question in ["one", "two", "three"] {
        ask(&gateway, &[], chat_body("auto", question).to_string()).await;
    }
    assert_eq!(gateway.stop().len(), 3);
    let file = folder.join("journal/journal-000001.flj");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let rest = format!("{WITHOUT_ENCODER}records: {{journal: journal}}\n");
    refused(&folder, &rest, |_| {}).says(&["journal-000001.flj: at byte ", "records.journal"]);
    assert_eq!(
        fs::read(&file).unwrap(),
        bytes,
        "the damaged journal was changed"
    );
    // Put right again, it goes on.
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let gateway = Gateway::start_in(folder, &remote(&stand_in), |_| {});
    chat(&gateway, "four").await;
    assert_eq!(gateway.stop().len(), 4);
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_every_whole_record_is_kept() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hello"))).await;
    let gateway = Gateway::start(&remote(&stand_in));
    let folder = gateway.folder.clone();
    chat(&gateway, "one").await;
    chat(&gateway, "two").await;
    gateway.stop();
    let file = folder.join("journal/journal-000001.flj");
    let mut bytes = fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 7);
    fs::write(&file, &bytes).unwrap();
    assert_eq!(records(&folder).len(), 1);
    let gateway = Gateway::start_in(folder, &remote(&stand_in), |_| {});
    chat(&gateway, "three").await;
    assert_eq!(gateway.stop().len(), 2);
}
