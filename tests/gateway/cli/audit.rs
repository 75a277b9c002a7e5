//! `firstline audit`: what a gateway recorded is proved, and what somebody did to it is named.

use super::rows;
use crate::support::{Act, Gateway, Ran, StandIn, ask, chat_body, completion, new_folder, run};
use firstline::ledger::Route;
use std::fs;
use std::path::{Path, PathBuf};

const IBAN: &str = "DE89 3704 0044 0532 0130 00";

/// What a gateway left behind: three public requests that went to the US, and two restricted ones that the local model
/// answered, though one of them asked for the other.
async fn recorded() -> PathBuf {
    let local = StandIn::always(Act::Answer(200, "", completion("from here"))).await;
    let far = StandIn::always(Act::Answer(200, "", completion("from far"))).await;
    let gateway = Gateway::start(&format!(
        r#"models:
  - {{name: us, tier: remote, upstream: {{base_url: "{}", model: m}}, residency: {{processing: [us], storage: us}}}}
  - {{name: here, tier: local, upstream: {{base_url: "{}", model: m}}}}
privacy:
  default_class: public
  on_error: restricted
  raise: [{{class: restricted, any: [iban]}}]
  rules: [{{class: restricted, require: local, on_violation: local}}]
quality: {{threshold: 1}}
"#,
        far.base_url(),
        local.base_url()
    ));
    let asked = [
        ("us", "one"),
        ("us", "two"),
        ("us", "three"),
        ("here", IBAN),
        ("us", IBAN),
    ];
    for (model, text) in asked {
        let body = chat_body(model, text).to_string();
        assert_eq!(
            ask(&gateway, &[], body).await.status,
            200,
            "{model}: {text}"
        );
    }
    let folder = gateway.folder.clone();
    assert_eq!(gateway.stop().len(), 5);
    folder
}

fn audit(folder: &Path, arguments: &[&str]) -> Ran {
    run(folder, &[&["audit"], arguments].concat())
}

#[tokio::test]
async fn a_journal_is_proved_and_a_changed_byte_is_named() {
    let folder = recorded().await;
    let ran = audit(&folder, &["verify", "journal"]).ended(0);
    for part in [
        "journal: 5 records in 1 files, from 2",
        "head: record 5, ",
        "the hash chain holds; a cut-off end",
    ] {
        assert!(ran.out.contains(part), "`{part}` is not in {ran:#?}");
    }
    let file = folder.join("journal/journal-000001.flj");
    let whole = fs::read(&file).unwrap();
    let mut bytes = whole.clone();
    bytes[150] ^= 4;
    fs::write(&file, &bytes).unwrap();
    let ran = audit(&folder, &["verify", "journal"]).ended(1);
    let found =
        "journal-000001.flj: record 1, at byte 60: changed: the bytes do not match their checksum";
    assert!(
        ran.out.starts_with(found) && ran.out.contains("NOT as it was written"),
        "{ran:#?}"
    );
    let ran = audit(&folder, &["verify", "journal", "--json"]).ended(1);
    let told = &rows(&ran)[0];
    assert_eq!(
        (&told["holds"], &told["findings"][0]["first_record"]),
        (&false.into(), &1.into())
    );
    assert_eq!(told["findings"][0]["code"], "changed");
    let ran = audit(&folder, &["report", "journal"]).ended(1);
    assert!(!ran.out.contains("none left"), "{ran:#?}");
}

#[tokio::test]
async fn a_cut_journal_shows_against_a_signed_anchor() {
    let folder = recorded().await;
    let ran = audit(&folder, &["keygen", "key"]).ended(0);
    assert!(ran.out.contains("key.pub: the public key"), "{ran:#?}");
    audit(&folder, &["keygen", "key"])
        .ended(1)
        .says(&["key: ", "exists"]);
    audit(&folder, &["keygen", "other"]).ended(0);
    audit(
        &folder,
        &["head", "journal", "--sign", "key", "--append", "anchors"],
    )
    .ended(0);
    let verify = |more: &[&str]| {
        audit(
            &folder,
            &[&["verify", "journal", "--anchor", "anchors"], more].concat(),
        )
    };
    let ran = verify(&["--public-key", "key.pub"]).ended(0);
    assert!(ran.out.contains("and so does every anchor"), "{ran:#?}");
    let ran = verify(&["--public-key", "other.pub"]).ended(1);
    assert!(
        ran.out.contains("its signature does not fit the key"),
        "{ran:#?}"
    );
    audit(&folder, &["head", "journal", "--append", "anchors"]).ended(0);
    verify(&[]).ended(0);
    let ran = verify(&["--public-key", "key.pub"]).ended(1);
    assert!(ran.out.contains("it is not signed"), "{ran:#?}");

    // Cut off between two records: only the anchor knows.
    let file = folder.join("journal/journal-000001.flj");
    let whole = fs::read(&file).unwrap();
    let mut end = 60;
    for _ in 0..4 {
        let length = u32::from_le_bytes(whole[end..end + 4].try_into().unwrap());
        end += 48 + length as usize;
    }
    fs::write(&file, &whole[..end]).unwrap();
    audit(&folder, &["verify", "journal"]).ended(0);
    let ran = verify(&[]).ended(1);
    assert!(
        ran.out
            .contains("the journal had 5 records then: its end was cut off"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn the_report_says_where_each_went_and_claims_only_what_is_so() {
    let folder = recorded().await;
    let ran = audit(
        &folder,
        &["report", "journal", "--data-class", "restricted"],
    )
    .ended(0);
    for part in [
        "  restricted  local  sent to here [this machine]  (",
        "restricted: 2 requests (local 2), none left this machine",
        "  2 sent to here [this machine]",
        "none left this machine: so say 5 records",
    ] {
        assert!(ran.out.contains(part), "`{part}` is not in {ran:#?}");
    }
    assert!(
        !ran.out.contains(IBAN) && !ran.out.contains("public"),
        "{ran:#?}"
    );
    let ran = audit(&folder, &["report", "journal", "--data-class", "public"]).ended(0);
    for part in [
        "public: 3 requests (remote 3), 3 left this machine",
        "  3 sent to us [processing us, storage us, law not stated, retention not stated, trains on it not stated, \
         agreements none stated, subprocessors not stated]",
        "\n3 left this machine",
    ] {
        assert!(ran.out.contains(part), "`{part}` is not in {ran:#?}");
    }
    let ran = audit(
        &folder,
        &[
            "report",
            "journal",
            "--data-class",
            "restricted",
            "--format",
            "json",
        ],
    )
    .ended(0);
    let told = &rows(&ran)[0];
    assert_eq!(told["claim"], "none_left_this_machine");
    assert_eq!(told["requests"].as_array().unwrap().len(), 2);
    let ran = audit(&folder, &["report", "journal", "--from", "2999-01-01"]).ended(0);
    assert!(ran.out.contains("no request of this filter"), "{ran:#?}");
}

#[tokio::test]
async fn a_repeated_question_has_its_class_and_who_was_refused_at_the_door_stands_apart() {
    let local = StandIn::always(Act::Answer(200, "", completion("from here"))).await;
    let gateway = Gateway::start(&format!(
        r#"models: [{{name: here, tier: local, upstream: {{base_url: "{}", model: m}}}}]
privacy:
  default_class: public
  on_error: restricted
  raise: [{{class: restricted, any: [iban]}}]
  rules: [{{class: restricted, require: local, on_violation: local}}]
quality: {{threshold: 1}}
cache: {{exact: {{}}, never: {{}}}}
"#,
        local.base_url()
    ));
    for (model, status) in [("here", 200), ("here", 200), ("nobody", 404)] {
        let answered = ask(&gateway, &[], chat_body(model, IBAN).to_string()).await;
        assert_eq!(answered.status, status, "{model}");
    }
    let folder = gateway.folder.clone();
    let records = gateway.stop();
    assert_eq!(records[1].route, Some(Route::Cache));
    assert_eq!(records[1].data_class.as_deref(), Some("restricted"));
    let models = records[0].measured_by.as_ref().unwrap();
    assert_eq!((models.encoder.len(), models.heads.len()), (64, 64));
    let class = ["--data-class", "restricted", "--summary"];
    let ran = audit(&folder, &[&["report", "journal"], &class[..]].concat()).ended(0);
    for part in [
        "restricted: 2 requests (cache 1, local 1), none left this machine",
        "of no class, ended before it was known: 1 request (refused 1: caller_model_not_found 1)",
        "none left this machine: so say 3 records",
    ] {
        assert!(ran.out.contains(part), "`{part}` is not in {ran:#?}");
    }
    assert_eq!(ran.out.matches("sent to").count(), 1, "{ran:#?}");
}

#[tokio::test]
async fn records_are_exported_as_lines_and_as_a_table() {
    let folder = recorded().await;
    let ran = audit(&folder, &["export", "journal"]).ended(0);
    let lines = rows(&ran);
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0]["places"][0]["processing"][0], "us");
    let ran = audit(
        &folder,
        &[
            "export",
            "journal",
            "--format",
            "csv",
            "--data-class",
            "public",
        ],
    )
    .ended(0);
    let table: Vec<&str> = ran.out.lines().collect();
    assert!(
        table[0].starts_with("at,decision,request,caller,") && table.len() == 4,
        "{ran:#?}"
    );
    let columns = table[0].split(',').count();
    assert!(
        table.iter().all(|row| row.split(',').count() >= columns),
        "{ran:#?}"
    );
}

#[test]
fn bad_input_is_told_with_what_would_be_right() {
    let folder = new_folder();
    audit(&folder, &["verify", "nowhere"])
        .ended(1)
        .says(&["nowhere", "No such file"]);
    audit(&folder, &["verify", "."])
        .ended(1)
        .says(&["there is no journal file here", "records.journal"]);
    audit(&folder, &["report", ".", "--from", "yesterday"])
        .ended(2)
        .says(&["2026-11-21T10:30:00Z"]);
    audit(&folder, &["verify", ".", "--public-key", "key"])
        .ended(2)
        .says(&["--anchor"]);
    fs::write(folder.join("anchors"), "{}\n").unwrap();
    audit(&folder, &["verify", ".", "--anchor", "anchors"])
        .ended(1)
        .says(&["anchors: line 1 is no anchor"]);
    audit(&folder, &["head", ".", "--sign", "anchors"])
        .ended(1)
        .says(&["no Ed25519 private key", "audit keygen"]);
    audit(
        &folder,
        &["report", ".", "--from", "2026-01-02", "--to", "2026-01-01"],
    )
    .ended(1)
    .says(&["is not after --from"]);
}
