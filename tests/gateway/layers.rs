//! The house: who may name whom, and how long a file may be. `ARCHITECTURE.md` shows the same table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may name. Every row names only rooms above it, so there can be no cycle.
const ROOMS: [(&str, &[&str]); 28] = [
    ("domain", &[]),
    ("wire", &["domain"]),
    ("policy", &["domain"]),
    ("calibration", &["domain"]),
    ("privacy", &["domain", "policy"]),
    ("inference", &[]),
    ("signals", &["domain", "inference", "privacy"]),
    ("learning", &["signals"]),
    ("knowledge", &["domain", "inference"]),
    ("local", &["domain", "inference", "knowledge"]),
    ("upstream", &["domain", "wire", "privacy"]),
    ("handoff", &["domain", "privacy"]),
    ("hub", &["domain"]),
    ("similar", &[]),
    ("shared", &["domain"]),
    ("cache", &["domain", "similar", "shared"]),
    ("limits", &["domain"]),
    ("ledger", &["domain", "policy", "shared"]),
    ("replay", &["domain", "policy", "calibration", "ledger"]),
    ("telemetry", &["domain", "handoff", "shared", "ledger"]),
    ("report", &["ledger"]),
    (
        "pipeline",
        &[
            "domain",
            "policy",
            "privacy",
            "signals",
            "local",
            "upstream",
            "handoff",
            "cache",
            "limits",
            "ledger",
            "telemetry",
        ],
    ),
    (
        "server",
        &[
            "domain",
            "wire",
            "policy",
            "signals",
            "upstream",
            "limits",
            "ledger",
            "pipeline",
            "telemetry",
        ],
    ),
    (
        "config",
        &[
            "domain",
            "policy",
            "calibration",
            "privacy",
            "inference",
            "signals",
            "learning",
            "local",
            "upstream",
            "handoff",
            "similar",
            "shared",
            "cache",
            "ledger",
            "telemetry",
            "server",
        ],
    ),
    (
        "cases",
        &["domain", "policy", "privacy", "server", "config"],
    ),
    (
        "app",
        &[
            "domain",
            "policy",
            "calibration",
            "privacy",
            "inference",
            "signals",
            "learning",
            "knowledge",
            "local",
            "upstream",
            "handoff",
            "similar",
            "shared",
            "cache",
            "limits",
            "ledger",
            "telemetry",
            "pipeline",
            "server",
            "config",
        ],
    ),
    (
        "demo",
        &["domain", "policy", "knowledge", "ledger", "config", "app"],
    ),
    (
        "cli",
        &[
            "domain",
            "policy",
            "calibration",
            "privacy",
            "inference",
            "signals",
            "knowledge",
            "local",
            "hub",
            "similar",
            "ledger",
            "replay",
            "report",
            "pipeline",
            "server",
            "config",
            "cases",
            "app",
            "demo",
        ],
    ),
];

/// Lines of shipped code in one file (unit tests at the foot do not count).
const LONGEST_FILE: usize = 600;

#[test]
fn the_table_is_in_order() {
    for (index, (room, may_name)) in ROOMS.iter().enumerate() {
        let above: Vec<&str> = ROOMS[..index].iter().map(|(room, _)| *room).collect();
        for named in *may_name {
            assert!(
                above.contains(named),
                "`{room}` may name `{named}`, which does not stand above it"
            );
        }
    }
}

#[test]
fn every_room_is_in_the_table() {
    let rooms: BTreeSet<String> = fs::read_dir(source())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let table: BTreeSet<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, table);
}

#[test]
fn no_room_names_a_room_outside_its_row() {
    let mut breaches = Vec::new();
    for (room, _) in ROOMS {
        for path in files(&source().join(room))
            .into_iter()
            .filter(|path| !is_test(path))
        {
            breaches.extend(breaches_in(
                room,
                &path.display().to_string(),
                &fs::read_to_string(&path).unwrap(),
            ));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn a_planted_breach_is_found_and_named() {
    let planted = "use std::fmt;\nuse crate::{domain::Usage, server::{Site, routes}};\nfn f() { crate::config::load() }";
    let found = breaches_in("policy", "src/policy/planted.rs", planted);
    assert_eq!(
        found,
        [
            "src/policy/planted.rs: `policy` names `config`",
            "src/policy/planted.rs: `policy` names `server`"
        ]
    );
    assert!(
        breaches_in(
            "policy",
            "x",
            "// crate::server is only mentioned\nuse crate::domain::Usage;"
        )
        .is_empty()
    );
}

#[test]
fn no_file_is_too_long() {
    let mut long = Vec::new();
    for path in files(&source()) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = shipped(&text).lines().count();
        if lines > LONGEST_FILE && !is_test(&path) {
            long.push(format!("{}: {lines} lines", path.display()));
        }
    }
    assert!(
        long.is_empty(),
        "over {LONGEST_FILE} lines:\n{}",
        long.join("\n")
    );
}

/// Rooms that a file names without leave, each once, in order.
fn breaches_in(room: &str, file: &str, text: &str) -> Vec<String> {
    let allowed = ROOMS
        .iter()
        .find(|(name, _)| *name == room)
        .map_or(&[][..], |(_, may_name)| may_name);
    let code: String = shipped(text)
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect();
    let strangers = named_rooms(&code)
        .into_iter()
        .filter(|named| named != room && !allowed.contains(&named.as_str()));
    strangers
        .map(|named| format!("{file}: `{room}` names `{named}`"))
        .collect()
}

/// Every room after `crate::`, in braces too.
fn named_rooms(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let names = if let Some(group) = after.strip_prefix('{') {
            top_level(group)
        } else {
            vec![word(after)]
        };
        found.extend(
            names
                .into_iter()
                .filter(|name| ROOMS.iter().any(|(room, _)| room == name)),
        );
    }
    found
}

/// The first word of each item of a brace group, not looking into inner braces.
fn top_level(group: &str) -> Vec<String> {
    let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(word(std::mem::take(&mut item).trim())),
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    items.push(word(item.trim()));
    items
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

fn is_test(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    name == "tests.rs"
        || name.ends_with("_tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
