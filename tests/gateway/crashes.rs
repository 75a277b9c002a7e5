//! What must not be lost when the process is killed, the disk is full, or file descriptors run out.

use crate::support::{
    Act, Gateway, StandIn, chat, client, completion, get, journal_ok, new_folder, post, remote_at,
    stream_body, until,
};
use crate::support::{chat_body, events, records};
use firstline::ledger;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const PROGRAM: &str = env!("CARGO_BIN_EXE_firstline");

#[tokio::test]
async fn check_36_a_killed_process_leaves_a_journal_that_holds() {
    killed(20).await;
}

/// `cargo test --test gateway -- --ignored check_36`.
#[tokio::test]
#[ignore = "a thousand kills"]
async fn check_36_in_full() {
    killed(1_000).await;
}

async fn killed(kills: usize) {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hi"))).await;
    let (folder, rest) = (new_folder(), remote_at(stand_in.address, ""));
    let (mut settled, client) = (BTreeSet::new(), client());
    for round in 0..kills {
        let mut gateway = Gateway::start_in(folder.clone(), &rest, |_| {});
        let address = gateway.url("/v1/chat/completions");
        let mut load = JoinSet::new();
        for _ in 0..4 {
            let (client, address) = (client.clone(), address.clone());
            load.spawn(async move {
                let mut answered = Vec::new();
                // Until the gateway is gone.
                while let Ok(response) = client
                    .post(&address)
                    .body(chat_body("auto", "hi").to_string())
                    .send()
                    .await
                {
                    assert_eq!(response.status().as_u16(), 200);
                    let decision = response.headers()["x-firstline-decision-id"]
                        .to_str()
                        .unwrap()
                        .to_owned();
                    answered.push(decision);
                    if response.bytes().await.is_err() {
                        break;
                    }
                }
                answered
            });
        }
        stand_in.wait_for_requests((round + 1) * 25).await;
        let first = chat(&gateway, "hi")
            .await
            .header("x-firstline-decision-id")
            .to_owned();
        let journal = folder.join("journal");
        // What a request left behind is written soon after; every other time the kill comes before that.
        if round % 2 == 0 {
            until("the record", async || {
                on_disk(&journal, &first).then_some(())
            })
            .await;
            settled.insert(first);
        }
        gateway.signal("KILL");
        assert!(!gateway.wait(Duration::from_secs(5)).success());
        while load.join_next().await.is_some() {}
        journal_ok(&folder);
    }
    let gateway = Gateway::start_in(folder.clone(), &rest, |_| {});
    assert_eq!(chat(&gateway, "hi").await.status, 200);
    let all = gateway.stop();
    let decisions: BTreeSet<String> = all
        .iter()
        .map(|record| record.decision.as_str().to_owned())
        .collect();
    println!("{} records after {kills} kills", all.len());
    assert_eq!(decisions.len(), all.len(), "no record is written twice");
    assert!(
        settled.is_subset(&decisions),
        "a record that was written is gone"
    );
    assert_eq!(journal_ok(&folder), all.len() as u64);
}

fn on_disk(journal: &Path, decision: &str) -> bool {
    let mut files = fs::read_dir(journal)
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.any(|bytes| {
        bytes
            .windows(decision.len())
            .any(|window| window == decision.as_bytes())
    })
}

/// A gateway whose journal can run out of room: on a small file system of its own where this machine permits private
/// mounts, else under a limit on the size of files.
struct Cramped {
    gateway: Gateway,
    private: bool,
}

impl Cramped {
    fn start(rest: &str) -> Self {
        let private = Self::may_mount();
        if !private {
            println!(
                "private mounts are not permitted here: a limit on the size of files stands in for a full disk"
            );
        }
        let folder = new_folder();
        fs::create_dir(folder.join("journal")).unwrap();
        let gateway = Gateway::start_in(folder, rest, |command| {
            let script = if private {
                "mount -t tmpfs -o size=256k tmpfs journal && exec \"$0\" serve --config firstline.yaml"
            } else {
                // Ignored, the signal becomes an error of the write.
                "trap '' XFSZ; exec \"$0\" serve --config firstline.yaml"
            };
            let mut wrapped = if private {
                unshare()
            } else {
                Command::new("env")
            };
            wrapped.args(["sh", "-c", script, PROGRAM]).env_clear();
            wrapped
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                .env("FIRSTLINE_LOG", "warn,firstline::ledger=info");
            wrapped.current_dir(command.get_current_dir().unwrap());
            *command = wrapped;
        });
        Self { gateway, private }
    }

    fn may_mount() -> bool {
        let mut probe = unshare();
        probe
            .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }

    /// The gateway's folder as it sees it.
    fn folder(&self) -> PathBuf {
        let folder = self.gateway.folder.to_str().unwrap();
        PathBuf::from(format!("/proc/{}/root{folder}", self.gateway.process_id()))
    }

    fn fill(&self) {
        let journal = self.folder().join("journal");
        if !self.private {
            let sizes = fs::read_dir(journal)
                .unwrap()
                .map(|entry| entry.unwrap().metadata().unwrap().len());
            return self.limit(&sizes.max().unwrap().to_string());
        }
        let mut ballast = fs::File::create(journal.join("ballast")).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        if self.private {
            fs::remove_file(self.folder().join("journal/ballast")).unwrap();
        } else {
            self.limit("unlimited");
        }
    }

    fn limit(&self, bytes: &str) {
        let process = self.gateway.process_id().to_string();
        let status = Command::new("prlimit")
            .args(["--pid", &process, &format!("--fsize={bytes}:unlimited")])
            .status();
        assert!(status.unwrap().success());
    }

    /// Asks until the journal is said to fare so; gives how many requests that took.
    async fn until_healthy(&self, healthy: bool, status: &[u16]) -> u64 {
        let line = format!("gateway_journal_healthy {}\n", u8::from(healthy));
        let mut asked = 0;
        until(&line, async || {
            let reply = chat(&self.gateway, "hi").await;
            assert!(status.contains(&reply.status), "{}", reply.text());
            asked += 1;
            get(&self.gateway, "/metrics")
                .await
                .1
                .contains(&line)
                .then_some(asked)
        })
        .await
    }
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    // Within a user namespace of its own, nobody needs to be root.
    command.arg("--mount").arg("--map-root-user");
    command
}

#[tokio::test]
async fn check_37_a_full_disk_does_not_stop_requests_where_policy_says_continue() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hi"))).await;
    let cramped = Cramped::start(&remote_at(
        stand_in.address,
        "records: {journal: journal, on_failure: continue}",
    ));
    let mut asked = cramped.until_healthy(true, &[200]).await;
    cramped.fill();
    asked += cramped.until_healthy(false, &[200]).await;
    assert!(
        cramped
            .gateway
            .log()
            .contains("the journal cannot be written")
    );
    asked += cramped.until_healthy(false, &[200]).await;
    cramped.free();
    asked += cramped.until_healthy(true, &[200]).await;
    assert!(
        cramped
            .gateway
            .log()
            .contains("the journal can be written again")
    );
    // Nothing was lost: what could not be written was kept and written later.
    let folder = cramped.folder();
    until("the last record", async || {
        (journal_ok(&folder) == asked).then_some(())
    })
    .await;
    let proof = ledger::audit(&folder.join("journal"), &[]).unwrap();
    assert_eq!((proof.holds(), proof.torn_bytes), (true, 0));
}

#[tokio::test]
async fn check_37_a_full_disk_stops_requests_where_policy_says_refuse() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hi"))).await;
    let cramped = Cramped::start(&remote_at(
        stand_in.address,
        "records: {journal: journal, on_failure: refuse}",
    ));
    cramped.until_healthy(true, &[200]).await;
    cramped.fill();
    cramped.until_healthy(false, &[200, 503]).await;
    let before = stand_in.seen().len();
    let reply = chat(&cramped.gateway, "hi").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (503, "gateway_records_unavailable")
    );
    assert_eq!(
        (
            reply.header("retry-after"),
            reply.header("x-firstline-route")
        ),
        ("5", "refused")
    );
    let streamed = post(&client(), &cramped.gateway, &[], stream_body("hi", false))
        .await
        .unwrap();
    assert_eq!(streamed.status(), 503);
    assert_eq!(
        stand_in.seen().len(),
        before,
        "nothing is sent that cannot be recorded"
    );
    cramped.free();
    cramped.until_healthy(true, &[200, 503]).await;
    assert_eq!(chat(&cramped.gateway, "hi").await.status, 200);
    journal_ok(&cramped.folder());
}

/// Processor time of a process, in ticks of 10 ms.
fn ticks(gateway: &Gateway) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", gateway.process_id())).unwrap();
    let fields: Vec<&str> = text
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test]
async fn check_40_without_file_descriptors_it_waits_and_recovers() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hi"))).await;
    let gateway = Gateway::start_in(new_folder(), &remote_at(stand_in.address, ""), |command| {
        let mut wrapped = Command::new("sh");
        wrapped.args([
            "-c",
            "ulimit -n 64; exec \"$0\" serve --config firstline.yaml",
            PROGRAM,
        ]);
        wrapped
            .env_clear()
            .current_dir(command.get_current_dir().unwrap());
        *command = wrapped;
    });
    assert_eq!(chat(&gateway, "hi").await.status, 200);
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(gateway.api).await.unwrap());
    }
    let refusals = || gateway.log().matches("could not accept").count();
    until("the limit", async || (refusals() > 0).then_some(())).await;
    let (before, spent) = (refusals(), ticks(&gateway));
    let began = std::time::Instant::now();
    until("five more tries", async || {
        (refusals() >= before + 5).then_some(())
    })
    .await;
    // Five tries with a pause of 50 ms between them.
    assert!(
        began.elapsed() >= Duration::from_millis(190),
        "{:?}",
        began.elapsed()
    );
    let spent = ticks(&gateway) - spent;
    println!("{spent} ticks in {:?}", began.elapsed());
    assert!(
        spent <= 5,
        "{spent} ticks of 10 ms in {:?}",
        began.elapsed()
    );
    drop(idle);
    assert_eq!(chat(&gateway, "hi").await.status, 200);
    stand_in.now(Act::Stream(events(&["one"], false), Duration::ZERO));
    let flow = post(&client(), &gateway, &[], stream_body("hi", false))
        .await
        .unwrap();
    assert!(flow.whole().await.text().contains("[DONE]"));
    let folder = gateway.folder.clone();
    assert_eq!(gateway.stop().len(), 3);
    assert_eq!(records(&folder).len(), 3);
}
