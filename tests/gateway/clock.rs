//! A clock that jumps: an hour forth and back, and ten years, while requests are served (check 39).
//!
//! Needs libfaketime; where it is missing the test says so and proves nothing (`apt-get install faketime`). The wall clock
//! alone jumps, as a step of NTP makes it; spans are measured by the steady clock, which nothing can set.

use crate::support::{Act, Gateway, Sender, StandIn, chat_body, completion, new_folder};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const PLACES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

fn library() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Sets the clock so far off; the library reads the file at every look at the clock.
fn set(folder: &Path, offset: &str) {
    let (new, file) = (folder.join("clock.new"), folder.join("clock"));
    fs::write(&new, format!("{offset}\n")).unwrap();
    fs::rename(new, file).unwrap();
}

fn digest(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(good: &StandIn, bad: &StandIn) -> String {
    let (good, bad) = (good.base_url(), bad.base_url());
    format!(
        r#"models:
  - {{name: good, tier: remote, upstream: {{base_url: "{good}", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 1}}}}
  - {{name: bad, tier: remote, upstream: {{base_url: "{bad}", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 1}}}}
routes: [{{use: [good]}}]
callers:
  - {{name: steady, key_sha256: "{}", requests_per_minute: 60}}
  - {{name: passing, key_sha256: "{}", expires: 2030-01-01}}
cost: {{budgets: [{{name: day, usd: 100, per: day}}]}}
upstream: {{retry: {{max_attempts: 1}}, breaker: {{failures: 2, open_for: 1h}}}}
"#,
        digest("steady"),
        digest("passing"),
    )
}

async fn status(sender: &Sender, key: &str, model: &str) -> (u16, String) {
    let bearer = format!("Bearer {key}");
    let body = chat_body(model, "hello").to_string();
    let reply = sender.chat(&[("authorization", &bearer)], body).await;
    let code = if reply.status == 200 {
        String::new()
    } else {
        reply.code()
    };
    (reply.status, code)
}

#[tokio::test]
async fn check_39_a_clock_that_jumps_breaks_nothing() {
    let Some(library) = library() else {
        // To the handle itself, for what passes is not shown: a check that was not run must be seen.
        let told = "SKIPPED: check 39 was not run, for libfaketime is not on this machine (apt-get install faketime)\n";
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        return;
    };
    let good = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let bad = StandIn::always(Act::Answer(500, "", "{}".into())).await;
    let folder = new_folder();
    set(&folder, "+0");
    let gateway = Gateway::start_in(folder.clone(), &config(&good, &bad), |command| {
        command
            .env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", folder.join("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
    });
    let sender = Sender::to(&gateway);
    for _ in 0..2 {
        assert_eq!(status(&sender, "steady", "bad").await.0, 500);
    }
    let open = (503, "upstream_breaker_open".to_owned());
    let fine = (200, String::new());
    let over = (401, "caller_key_expired".to_owned());
    for (jump, ends) in [
        ("+0", false),
        ("+1h", false),
        ("-1h", false),
        ("+10y", true),
        ("-1h", false),
        ("+0", false),
    ] {
        set(&folder, jump);
        assert_eq!(status(&sender, "steady", "auto").await, fine, "{jump}");
        assert_eq!(
            status(&sender, "steady", "bad").await,
            open,
            "{jump}: the breaker"
        );
        let passing = if ends { &over } else { &fine };
        assert_eq!(
            &status(&sender, "passing", "auto").await,
            passing,
            "{jump}: the key"
        );
    }
    set(&folder, "+0");
    assert_eq!(bad.seen().len(), 2, "the breaker let none through");
    let records = gateway.stop();
    assert_eq!(records.len(), 2 + 6 * 3 - 1);
    let minute = 60 * 1_000_000;
    for record in &records {
        let phases = &record.phases;
        let spans = [
            phases.total,
            phases.own,
            phases.upstream,
            phases.parse,
            phases.decide,
        ];
        assert!(spans.iter().all(|span| *span < minute), "{phases:?}");
    }
    let years: std::collections::BTreeSet<u64> = records
        .iter()
        .map(|record| record.started_at / 31_557_600_000)
        .collect();
    assert_eq!(years.len(), 2, "the clock did jump: {years:?}");
}
