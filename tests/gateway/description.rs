//! What is described is what is answered: `docs/openapi.yaml`, `docs/http.md` and the router's own table say the same.

use crate::support::{Gateway, answering, one, raw, repository, status_of};
use firstline::server::ROUTES;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap()
}

fn description() -> Value {
    serde_saphyr::from_str(&read("docs/openapi.yaml")).unwrap()
}

/// Every text of this form, its letters and underscores, behind one of the four beginnings of an error's code.
fn codes(text: &str, quote: char) -> BTreeSet<String> {
    let whose = ["caller_", "policy_", "gateway_", "upstream_"];
    let texts = text.split(quote);
    let is_code = |text: &&str| {
        let begins = whose.iter().any(|begin| text.starts_with(begin));
        begins
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    texts.filter(is_code).map(str::to_owned).collect()
}

/// The text of every file of source below a folder, tests aside.
fn source(folder: &Path) -> String {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let shipped = entries.filter(|path| !path.to_string_lossy().contains("tests"));
    let texts = shipped.map(|path| match path.is_dir() {
        true => source(&path),
        false => fs::read_to_string(path).unwrap(),
    });
    texts.collect()
}

#[test]
fn every_path_is_described_with_its_methods_and_no_other_is() {
    let description = description();
    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let answered: BTreeSet<String> = ROUTES
        .iter()
        // HEAD is GET without its body, and needs no words of its own.
        .map(|route| format!("{} {}", route.allow.replace(", HEAD", ""), route.path))
        .collect();
    assert_eq!(described, answered);
    let (table, _) = read("docs/http.md")
        .split_once("\n## ")
        .map(|(one, two)| (one.to_owned(), two.to_owned()))
        .unwrap();
    for route in ROUTES {
        assert!(
            table.contains(&format!("{}`", route.path)),
            "{} is not in docs/http.md",
            route.path
        );
    }
}

#[test]
fn what_asks_for_a_key_says_so() {
    let description = description();
    for route in ROUTES {
        let methods = description["paths"][route.path].as_object().unwrap();
        for method in methods.values() {
            let open = method["security"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(open, !route.needs_key(), "{}", route.path);
        }
    }
}

#[test]
fn every_code_of_an_error_is_described_and_no_other_is() {
    let description = description();
    let listed = description["components"]["schemas"]["Code"]["enum"]
        .as_array()
        .unwrap();
    let listed: BTreeSet<String> = listed
        .iter()
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    let rooms = ["server", "policy", "pipeline", "upstream"];
    let said: String = rooms
        .map(|room| source(&repository("src").join(room)))
        .concat();
    assert_eq!(listed, codes(&said, '"'), "docs/openapi.yaml");
    let text = read("docs/http.md");
    let errors = text.split("## Errors").nth(1).unwrap();
    assert_eq!(listed, codes(errors, '`'), "docs/http.md");
}

#[tokio::test]
async fn every_path_answers_its_methods_and_names_them_to_others() {
    let far = answering().await;
    let gateway = Gateway::start(&one(&far, "", ""));
    for route in ROUTES {
        let path = route.path.replace("{id}", "0198");
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            let answer = raw(&gateway, request.as_bytes()).await;
            let text = String::from_utf8_lossy(&answer).into_owned();
            let takes = route.allow.split(", ").any(|one| one == method);
            assert_eq!(
                status_of(&answer) == Some(405),
                !takes,
                "{method} {path}: {text}"
            );
            let allow = format!("allow: {}\r\n", route.allow);
            assert!(takes || text.contains(&allow), "{method} {path}: {text}");
        }
    }
}
