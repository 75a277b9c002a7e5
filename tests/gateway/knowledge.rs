//! Approved answers as operators keep them: in folders and several forms, with slots, in conversation, tested by their
//! own questions.

use crate::support::{
    Act, Gateway, Reply, StandIn, ask, ask_at, chat, completion, new_folder, repository, run, until,
};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A desk over these sources before a remote model.
fn desk(stand_in: &StandIn, sources: &str) -> String {
    let url = stand_in.base_url();
    format!(
        "debug_headers: true\nencoder: {{deadline: 30s}}\nmodels:\n  - {{name: desk, tier: local, knowledge: [{sources}]}}\n  - \
         {{name: remote, tier: remote, upstream: {{base_url: \"{url}\", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: \
         2}}}}\n"
    )
}

async fn remote() -> StandIn {
    StandIn::always(Act::Answer(200, "", completion("from afar"))).await
}

/// Asks with this conversation: the person first, then by turns.
async fn say(gateway: &Gateway, turns: &[&str], more: Value) -> Reply {
    let roles = ["user", "assistant"].iter().cycle();
    let messages = roles
        .zip(turns)
        .map(|(role, text)| json!({"role": role, "content": text}));
    let mut body = json!({"model": "auto", "messages": messages.collect::<Vec<_>>()});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    ask(gateway, &[], body.to_string()).await
}

fn answer(reply: &Reply) -> String {
    let text = &reply.json()["choices"][0]["message"]["content"];
    text.as_str().unwrap_or_default().to_owned()
}

fn example(path: &str) -> String {
    repository(&format!("examples/{path}"))
        .display()
        .to_string()
}

#[tokio::test]
async fn a_missing_value_is_asked_for_and_the_reply_completes_the_answer() {
    let stand_in = remote().await;
    let gateway = Gateway::start(&desk(&stand_in, &example("faq/orders")));
    let first = "Is my reservation ready?";
    let asked = say(&gateway, &[first], json!({})).await;
    let question = "What is the number of your reservation (it looks like HL-12345)?";
    assert_eq!(answer(&asked), question, "{}", asked.text());
    assert_eq!(asked.header("x-firstline-evidence"), "reservation-status");
    let filled = "See https://library.example/reservations/HL-20417; we keep what is ready for 7 days at the desk.";
    for reply in ["HL-20417", "it's HL-20417, thank you"] {
        let completed = say(&gateway, &[first, question, reply], json!({})).await;
        assert_eq!(answer(&completed), filled, "{}", completed.text());
    }
    let said_at_once = "Is my reservation HL-20417 ready?";
    assert_eq!(
        answer(&say(&gateway, &[said_at_once], json!({})).await),
        filled
    );
    let application = json!({"metadata": {"reservation": "HL-20417"}});
    assert_eq!(answer(&say(&gateway, &[first], application).await), filled);
    assert!(stand_in.seen().is_empty(), "it was sent on");
    // Who does not say it is not guessed at, and not asked for ever.
    let unsaid = say(&gateway, &[first, question, "I do not know it"], json!({})).await;
    assert_eq!(
        (
            unsaid.header("x-firstline-route"),
            unsaid.header("x-firstline-reason")
        ),
        ("remote", "follow_up")
    );
}

#[tokio::test]
async fn the_application_fills_a_slot_on_every_surface_that_has_metadata() {
    let stand_in = remote().await;
    let gateway = Gateway::start(&desk(&stand_in, &example("faq/orders")));
    let question = "Is my reservation ready?";
    let said = json!([{"role": "user", "content": question}]);
    let bodies = [
        ("/v1/chat/completions", json!({"messages": said})),
        ("/v1/responses", json!({"input": question})),
        ("/v1/messages", json!({"messages": said, "max_tokens": 200})),
    ];
    for (path, mut body) in bodies {
        body["model"] = "auto".into();
        let without = ask_at(&gateway, path, &[], body.to_string()).await;
        assert!(
            without.text().contains("What is the number"),
            "{}",
            without.text()
        );
        body["metadata"] = json!({"reservation": "HL-20417"});
        let with = ask_at(&gateway, path, &[], body.to_string()).await;
        assert!(
            with.text().contains("reservations/HL-20417;"),
            "{path}: {}",
            with.text()
        );
    }
    assert!(stand_in.seen().is_empty(), "it was sent on");
}

#[tokio::test]
async fn a_header_fills_no_slot() {
    let stand_in = remote().await;
    let gateway = Gateway::start(&desk(&stand_in, &example("faq/orders")));
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": "Is my reservation ready?"}]});
    for name in [
        "reservation",
        "x-reservation",
        "x-firstline-metadata",
        "metadata",
    ] {
        let reply = ask(&gateway, &[(name, "HL-20417")], body.to_string()).await;
        assert!(
            answer(&reply).starts_with("What is the number"),
            "{name}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_follow_up_is_read_with_the_question_before_it() {
    let stand_in = remote().await;
    let gateway = Gateway::start(&desk(&stand_in, &example("faq")));
    let before = ["Can I print here?", "Yes.", "and how much does it cost?"];
    let reply = say(&gateway, &before, json!({})).await;
    assert_eq!(
        reply.header("x-firstline-evidence"),
        "printing",
        "{}",
        reply.text()
    );
    // Alone it means nothing, and after its own answer it asks for more than that says.
    let alone = chat(&gateway, "and how much does it cost?").await;
    assert_eq!(alone.header("x-firstline-route"), "remote");
    let again = [before[0], &answer(&reply), before[2]];
    let again = say(&gateway, &again, json!({})).await;
    assert_eq!(again.header("x-firstline-reason"), "follow_up");
}

#[tokio::test]
async fn an_entry_in_one_language_answers_no_question_in_another() {
    let folder = new_folder();
    let page = "---\nlanguage: nob\n---\n## How long may I keep a book that I have borrowed from the library?\n\nI 28 dager.\n";
    fs::write(folder.join("page.md"), page).unwrap();
    let stand_in = remote().await;
    let path = folder.join("page.md").display().to_string();
    let gateway = Gateway::start(&desk(&stand_in, &path));
    // Worded as the entry is, so that nothing but the language can speak against it.
    let asked = "How long may I keep a book that I have borrowed from the library?";
    let reply = chat(&gateway, asked).await;
    assert_eq!(
        (
            reply.header("x-firstline-route"),
            reply.header("x-firstline-reason")
        ),
        ("remote", "no_match")
    );
    drop(gateway);
    fs::write(folder.join("page.md"), page.replace("nob", "en")).unwrap();
    let gateway = Gateway::start(&desk(&stand_in, &path));
    assert_eq!(answer(&chat(&gateway, asked).await), "I 28 dager.");
}

#[tokio::test]
async fn a_page_put_into_the_folder_is_taken_without_a_restart() {
    let folder = new_folder();
    let pages = folder.join("pages");
    fs::create_dir_all(pages.join("deep")).unwrap();
    fs::write(
        pages.join("one.md"),
        "## When are you open?\n\nTen to six.\n",
    )
    .unwrap();
    let stand_in = remote().await;
    let gateway = Gateway::start(&desk(&stand_in, &pages.display().to_string()));
    let asked = "Who makes the coffee in the morning?";
    assert_eq!(
        chat(&gateway, asked).await.header("x-firstline-route"),
        "remote"
    );
    // A page with a mistake changes nothing, and the old answers stay.
    fs::write(
        pages.join("two.md"),
        "## Who makes the coffee in the morning?\n",
    )
    .unwrap();
    until("the refusal", async || {
        gateway.log().contains("two.md:1: ").then_some(())
    })
    .await;
    assert_eq!(
        answer(&chat(&gateway, "When are you open?").await),
        "Ten to six."
    );
    fs::remove_file(pages.join("two.md")).unwrap();
    fs::write(
        pages.join("deep/two.md"),
        "## Who makes the coffee in the morning?\n\nBo does.\n",
    )
    .unwrap();
    until("the new page", async || {
        (answer(&chat(&gateway, asked).await) == "Bo does.").then_some(())
    })
    .await;
}

#[test]
fn the_example_is_sound_and_its_questions_get_their_answers() {
    let folder = repository("");
    let checked = run(&folder, &["check", "examples/faq.yaml"]).ended(0);
    assert_eq!(checked.out.lines().count(), 1, "{checked:#?}");
    let config = ["--config", "examples/faq.yaml"];
    let list = [&["knowledge", "list"], &config[..]].concat();
    let listed = run(&folder, &list).ended(0);
    assert_eq!(listed.out.lines().count(), 12, "{listed:#?}");
    for part in [
        "opening-hours",
        "nob",
        "slots reservation",
        "until 2099-08-14",
        "faq/library.md:12",
    ] {
        assert!(listed.out.contains(part), "{part}: {listed:#?}");
    }
    let test = [
        "knowledge",
        "test",
        "examples/questions.jsonl",
        "--min-right",
        "1",
        "--max-wrong",
        "0",
    ];
    let tested = run(&folder, &[&test[..], &config].concat()).ended(0);
    assert!(tested.out.contains("9 of 9 (100.0 %"), "{tested:#?}");
    assert!(tested.out.contains("0 of 2 (0.0 %"), "{tested:#?}");
    assert_eq!(tested.err, "", "a pipe is quiet");
}

/// A configuration with two entries, in a folder of its own.
fn two_entries(folder: &Path) {
    fs::write(
        folder.join("policy.yaml"),
        "version: 1\nname: two\nmodels:\n  - {name: desk, tier: local, knowledge: [faq.csv]}\n",
    )
    .unwrap();
    fs::write(
        folder.join("faq.csv"),
        "id,question,answer\nhours,When are you open?,Ten to six.\nplace,Where is the shop?,In Oslo.\n",
    )
    .unwrap();
}

#[test]
fn a_test_that_does_not_hold_says_which_questions_and_ends_with_one() {
    let folder = new_folder();
    two_entries(&folder);
    fs::write(
        folder.join("asked.csv"),
        "text,expect,also\nWhen are you open?,place,\nWhere is the shop?,,\nWhere is the shop?,hours,place\nIs water wet?,hours,\n",
    )
    .unwrap();
    let test = ["knowledge", "test", "asked.csv", "--config", "policy.yaml"];
    let told = run(&folder, &test).ended(0);
    let lines: Vec<&str> = told.out.lines().collect();
    assert!(
        lines[0].starts_with("hit ") && lines[0].contains("place  \"Where is the shop?\""),
        "{told:#?}"
    );
    assert!(
        lines[1].starts_with("miss ") && lines[1].contains(", wanted hours ("),
        "{told:#?}"
    );
    assert!(
        lines[2].starts_with("UNCOVERED ") && lines[2].contains("place"),
        "{told:#?}"
    );
    assert!(
        lines[3].starts_with("WRONG ") && lines[3].contains("hours, wanted place"),
        "{told:#?}"
    );
    for (demand, share) in [("--min-right", "0.34"), ("--max-wrong", "0.66")] {
        let broken = run(&folder, &[&test[..], &[demand, share]].concat()).ended(1);
        assert!(
            broken
                .err
                .contains(&format!("{demand} {share} does not hold: ")),
            "{broken:#?}"
        );
        let looser = if demand == "--min-right" {
            "0.33"
        } else {
            "0.67"
        };
        run(&folder, &[&test[..], &[demand, looser]].concat()).ended(0);
    }
    let as_json = run(&folder, &[&test[..], &["--json"]].concat()).ended(0);
    let told: Value = serde_json::from_str(&as_json.out).unwrap();
    assert_eq!(told["summary"]["right"]["hits"], 1);
    assert_eq!(told["questions"][0]["verdict"], "wrong");
}

#[test]
fn questions_that_cannot_be_used_are_told_with_their_lines() {
    let folder = new_folder();
    two_entries(&folder);
    let lines = "{\"text\": \"a\", \"expect\": \"hours\"}\nnonsense\n{\"text\": \"b\"}\n{\"expect\": null}\n{\"text\": \"c\", \
                 \"expcet\": null}\n";
    fs::write(folder.join("asked.jsonl"), lines).unwrap();
    let told = run(
        &folder,
        &[
            "knowledge",
            "test",
            "asked.jsonl",
            "--config",
            "policy.yaml",
        ],
    )
    .ended(1);
    for line in [
        "asked.jsonl:2: ",
        "asked.jsonl:3: `expect` is missing",
        "asked.jsonl:4: a line needs",
        "asked.jsonl:5: unknown",
    ] {
        assert!(told.err.contains(line), "{line}: {told:#?}");
    }
    fs::write(
        folder.join("asked.jsonl"),
        "{\"text\": \"a\", \"expect\": \"house\"}\n",
    )
    .unwrap();
    let told = run(
        &folder,
        &[
            "knowledge",
            "test",
            "asked.jsonl",
            "--config",
            "policy.yaml",
        ],
    )
    .ended(1);
    assert!(
        told.err
            .contains("asked.jsonl:1: no entry has the id `house`"),
        "{told:#?}"
    );
    let none = run(&folder, &["knowledge", "list"]).ended(1);
    assert!(none.err.contains("--config FILE"), "{none:#?}");
}

#[test]
fn check_tells_of_two_answers_to_one_question_and_of_what_has_ended() {
    let folder = new_folder();
    two_entries(&folder);
    let more = "again,\"when are you OPEN\",Never.,\nold,Do you sell skis?,Yes.,2020-01-31\nnear,How do I find your shop?,Ask.,\n";
    let table = fs::read_to_string(folder.join("faq.csv")).unwrap();
    let table = table
        .replace("answer\n", "answer,valid_until\n")
        .replace("six.\n", "six.,\n")
        .replace("Oslo.\n", "Oslo.,\n");
    fs::write(folder.join("faq.csv"), table + more).unwrap();
    let told = run(&folder, &["check", "policy.yaml"]).ended(1);
    let at = |line: &str| {
        told.out
            .lines()
            .find(|one| one.contains(line))
            .unwrap_or_default()
    };
    let twice = at("faq.csv:4: ");
    assert!(
        twice.contains("`again` and `hours` (")
            && twice.contains("answer the same question in two ways"),
        "{told:#?}"
    );
    assert!(
        at("faq.csv:5: ").contains("warning: valid_until: `old` ended on 2020-01-31"),
        "{told:#?}"
    );
}
