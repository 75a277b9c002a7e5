//! Secrets stay secret, and a file that means harm or is no file is refused with one clear problem.

use super::{CANARY, environment, only_problem, problems, read, told, with};
use crate::config::{load, parse};
use crate::policy::Offer;
use std::fmt::Write;

#[test]
fn a_secret_is_in_no_message_and_in_no_debug_output() {
    let text = with("").replace("model: m", "model: m, api_key: {env: OPENAI_API_KEY}");
    let settings = read(&text).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let Offer::Endpoint(endpoint) = &settings.policy.models[1].offer else {
        panic!("the second model is behind an API")
    };
    assert_eq!(
        endpoint.credential.as_ref().map(|key| key.reveal()),
        Some(CANARY)
    );
    assert!(!format!("{settings:?}").contains("canary-7f3a"));
    for form in [
        CANARY,
        "{env: sk-canary-7f3a}",
        "{file: sk-canary-7f3a}",
        "{sk-canary-7f3a}",
        "[sk-canary-7f3a]",
    ] {
        let text = with("").replace("model: m", &format!("model: m, api_key: {form}"));
        let told = format!("{:?}", problems(&text));
        assert!(
            told.contains("api_key") && !told.contains("canary"),
            "{told}"
        );
        let caller = with(&format!("callers: [{{name: shop, key_sha256: {form}}}]\n"));
        let told = format!("{:?}", problems(&caller));
        assert!(
            told.contains("key_sha256") && !told.contains("canary"),
            "{told}"
        );
    }
    let address = with("").replace("https://api", "https://user:sk-canary-7f3a@api");
    let told = only_problem(&address);
    assert!(
        told.contains("base_url") && !told.contains("canary"),
        "{told}"
    );
}

#[test]
fn an_unset_variable_is_named_with_its_path() {
    let text = with("").replace("model: m", "model: m, api_key: {env: NOBODY_SET_THIS}");
    let told = only_problem(&text);
    assert!(told.contains(
        "models[1].upstream.api_key.env: the environment variable NOBODY_SET_THIS is not set"
    ));
}

#[test]
fn a_secret_file_is_taken_from_the_configs_folder() {
    let folder = std::env::temp_dir().join(format!("firstline-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("key"), format!("{CANARY}\n")).unwrap();
    let text = with("").replace("model: m", "model: m, api_key: {file: key}");
    let settings = parse(&text, &folder.join("policy.yaml"), &environment);
    std::fs::remove_dir_all(&folder).unwrap();
    let settings = settings.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let Offer::Endpoint(endpoint) = &settings.policy.models[1].offer else {
        panic!("the second model is behind an API")
    };
    assert_eq!(
        endpoint.credential.as_ref().map(|key| key.reveal()),
        Some(CANARY)
    );
}

#[test]
fn a_hostile_file_is_refused_with_one_clear_problem() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip("abcdefgh".chars())
    {
        let _ = writeln!(
            bomb,
            "{name}: &{name} [{}]",
            vec![format!("*{before}"); 9].join(",")
        );
    }
    let hostile = [
        ("an alias bomb", bomb),
        ("100,000 open brackets", "[".repeat(100_000)),
        (
            "100,000 open brackets in a key",
            format!("version: {}", "[".repeat(100_000)),
        ),
        (
            "2 MiB",
            format!("version: 1\n#{}", "x".repeat(2 * 1024 * 1024)),
        ),
        (
            "tabs",
            "version: 1\nlisten:\n\tapi: 127.0.0.1:1\n".to_owned(),
        ),
        ("nothing", String::new()),
        ("comments alone", "# nothing\n".to_owned()),
        ("a list", "- version: 1\n".to_owned()),
        ("a word", "version\n".to_owned()),
        ("a key twice", with("name: u\n")),
        ("two documents", format!("{}---\n{}", with(""), with(""))),
        ("an unknown anchor", "version: *one\n".to_owned()),
        ("an open quote", "version: \"1\n".to_owned()),
    ];
    for (what, text) in hostile {
        let problems = problems(&text);
        let told = told(&problems);
        assert_eq!(problems.len(), 1, "{what}: {told}");
        assert!(
            told.len() < 250 && problems[0].remedy.is_some(),
            "{what}: {told}"
        );
    }
}

#[test]
fn a_policy_with_a_line_lost_or_cut_off_is_read_or_told_without_panic() {
    let text = include_str!("../../../policies/eu-residency.yaml");
    let lines: Vec<&str> = text.lines().collect();
    let mut refused = 0;
    for lost in 0..lines.len() {
        let without = [&lines[..lost], &lines[lost + 1..]].concat().join("\n");
        let cut = text[..text.len() * lost / lines.len()].to_owned();
        for text in [without, cut] {
            let problems = problems(&text);
            refused += usize::from(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.message.is_empty()));
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_huge_or_missing_or_binary_file_is_refused() {
    let path = std::env::temp_dir().join(format!("firstline-config-file-{}", std::process::id()));
    std::fs::write(&path, vec![b'#'; 2 * 1024 * 1024]).unwrap();
    let huge = told(&load(&path, &environment).unwrap_err());
    std::fs::write(&path, [b'v', 0xff, 0xfe]).unwrap();
    let binary = told(&load(&path, &environment).unwrap_err());
    std::fs::remove_file(&path).unwrap();
    let missing = told(&load(&path, &environment).unwrap_err());
    assert!(huge.contains("larger than 1024 KiB") && binary.contains("not UTF-8"));
    assert!(missing.contains("cannot be read"), "{missing}");
}
