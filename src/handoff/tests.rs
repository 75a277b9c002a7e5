//! What people are told, and what becomes of it where they cannot be.

use super::queue::add;
use super::*;
use crate::domain::DecisionId;
use bytes::Bytes;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

const CANARY: &str = "canary-4711";

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("firstline-handoff-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ticket() -> Ticket {
    let body = format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"{CANARY}"}}]}}"#);
    Ticket {
        decision: DecisionId::new("d-1"),
        caller: "shop".into(),
        topic: Some("complaint".into()),
        class: "personal".into(),
        rule: "routes[0]".into(),
        policy: "p@1".into(),
        body: Bytes::from(body),
        outbound: None,
    }
}

fn queue(folder: &Folder, include_conversation: bool) -> Queue {
    Queue {
        file: folder.0.join("new/handoffs.jsonl"),
        include_conversation,
    }
}

#[test]
fn a_line_holds_a_conversation_only_where_the_operator_says_so() {
    let folder = Folder::new("content");
    let without = ticket().line(&queue(&folder, false)).unwrap();
    assert!(!String::from_utf8_lossy(&without).contains(CANARY));
    let told: Value = serde_json::from_slice(&without).unwrap();
    assert_eq!(told["decision"], "d-1");
    assert_eq!(told["caller"], "shop");
    assert_eq!(told["topic"], "complaint");
    assert_eq!(told["data_class"], "personal");
    assert!(told["at"].as_u64().unwrap() > 1_700_000_000_000);
    let with = ticket().line(&queue(&folder, true)).unwrap();
    let told: Value = serde_json::from_slice(&with).unwrap();
    assert_eq!(told["messages"][0]["content"], CANARY);
}

#[test]
fn a_document_holds_no_conversation_without_leave() {
    let document = ticket().document().unwrap();
    assert!(!String::from_utf8_lossy(&document).contains(CANARY));
}

#[test]
fn lines_are_whole_whatever_was_left_behind() {
    let folder = Folder::new("torn");
    let file = queue(&folder, false).file;
    add(&file, b"{\"first\":1}\n").unwrap();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(&file, "{\"first\":1}\n{\"to").unwrap();
    add(&file, b"{\"third\":3}\n").unwrap();
    let lines = fs::read_to_string(&file).unwrap();
    assert_eq!(lines, "{\"first\":1}\n{\"to\n{\"third\":3}\n");
    // Moved away, as a rotation does: the next line begins a new file.
    fs::rename(&file, folder.0.join("old")).unwrap();
    add(&file, b"{\"fourth\":4}\n").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"fourth\":4}\n");
}

#[test]
fn what_cannot_be_written_is_counted() {
    let folder = Folder::new("counted");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = || reqwest::Client::builder().build();
    let (desk, keeper) = start(client, runtime.handle().clone()).unwrap();
    let good = queue(&folder, false);
    let bad = Queue {
        file: folder.0.clone(),
        ..good.clone()
    };
    for queue in [good, bad] {
        let settings = Settings {
            queue: Some(queue),
            webhook: None,
        };
        desk.hand_over(ticket(), &Arc::new(settings));
    }
    keeper.finish();
    assert_eq!(desk.counts().of(Told::Queued), 1);
    assert_eq!(desk.counts().of(Told::NotQueued), 1);
    assert_eq!(desk.counts().of(Told::NotDelivered), 0);
}

#[test]
fn what_comes_after_the_end_is_counted_as_told_to_nobody() {
    let folder = Folder::new("after");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = || reqwest::Client::builder().build();
    let (desk, keeper) = start(client, runtime.handle().clone()).unwrap();
    keeper.finish();
    let settings = Arc::new(Settings {
        queue: Some(queue(&folder, false)),
        webhook: None,
    });
    desk.hand_over(ticket(), &settings);
    assert_eq!(desk.counts().of(Told::NotQueued), 1);
}
