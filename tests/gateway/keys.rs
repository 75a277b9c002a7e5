//! Callers' keys: made, listed, used, ended and taken away, without a restart; and what a key can never do.

use crate::support::{
    Act, Gateway, Sender, StandIn, chat_body, completion, new_folder, raw, run, status_of, until,
};
use firstline::server::{ROUTES, Route};
use serde_json::Value;
use std::path::Path;

/// Two models; `shop` may ask for `small` and `auto`, `desk` for all.
fn config(stand_in: &StandIn, keys: &str, more: &str) -> String {
    let url = stand_in.base_url();
    let digest = "ab".repeat(32);
    format!(
        r#"models:
  - {{name: small, tier: remote, upstream: {{base_url: "{url}", model: m}}}}
  - {{name: large, tier: remote, upstream: {{base_url: "{url}", model: m}}}}
callers:
  - {{name: shop, models: [auto, small]{more}}}
  - {{name: desk, key_sha256: ["{digest}"]}}
{keys}
"#
    )
}

const KEYS: &str = "keys: {file: keys.yaml}";

async fn answering() -> StandIn {
    StandIn::always(Act::Answer(200, "", completion("yes"))).await
}

fn started(stand_in: &StandIn, more: &str) -> Gateway {
    let folder = new_folder();
    std::fs::write(folder.join("keys.yaml"), "keys: []\n").unwrap();
    Gateway::start_in(folder, &config(stand_in, KEYS, more), |_| {})
}

/// Makes a key with these arguments besides; gives its id and itself.
fn made(folder: &Path, more: &[&str]) -> (String, String) {
    let mut arguments = vec!["keys", "create", "--config", "firstline.yaml", "--json"];
    arguments.extend(more);
    let ran = run(folder, &arguments).ended(0);
    let made: Value = serde_json::from_str(&ran.out).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn status(sender: &Sender, key: &str, model: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    let body = chat_body(model, "hello").to_string();
    sender
        .chat(&[("authorization", &bearer)], body)
        .await
        .status
}

async fn turns(sender: &Sender, key: &str, model: &str, wanted: u16) {
    let what = format!("{wanted} for {model}");
    crate::support::until(&what, async || {
        (status(sender, key, model).await == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_comes_and_goes_without_a_restart_and_only_its_digest_is_kept() {
    let far = answering().await;
    let gateway = started(&far, "");
    let sender = Sender::to(&gateway);
    let (first_id, first) = made(&gateway.folder, &["--caller", "shop"]);
    let (_, second) = made(&gateway.folder, &["--caller", "shop"]);
    assert!(first.starts_with("fl-") && first.len() > 40 && first != second);
    for key in [&first, &second] {
        turns(&sender, key, "auto", 200).await;
        let mut other = key.clone().into_bytes();
        let last = other.last_mut().unwrap();
        *last = if *last == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert_eq!(
            status(&sender, &other, "auto").await,
            401,
            "its last byte is another"
        );
    }
    let file = std::fs::read_to_string(gateway.folder.join("keys.yaml")).unwrap();
    assert!(!file.contains(&first) && file.contains(&first_id), "{file}");
    let listed = run(
        &gateway.folder,
        &["keys", "list", "--config", "firstline.yaml", "--json"],
    );
    let listed: Value = serde_json::from_str(&listed.ended(0).out).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["id"], first_id);
    let revoke = ["keys", "revoke", "--config", "firstline.yaml", &first_id];
    run(&gateway.folder, &revoke).ended(0);
    turns(&sender, &first, "auto", 401).await;
    assert_eq!(status(&sender, &second, "auto").await, 200);
    run(&gateway.folder, &revoke)
        .ended(1)
        .says(&["no key is called"]);
    let log = gateway.log();
    assert!(!log.contains(&first) && !log.contains(&second));
}

#[tokio::test]
async fn a_key_cannot_do_what_its_caller_may_not() {
    let far = answering().await;
    let gateway = started(&far, ", expires: 2199-01-01");
    let sender = Sender::to(&gateway);
    let create = |more: &[&str]| {
        let mut all = vec!["keys", "create", "--config", "firstline.yaml"];
        all.extend(more);
        run(&gateway.folder, &all)
    };
    create(&["--caller", "shop", "--models", "large"])
        .ended(1)
        .says(&["may not ask for `large`"]);
    create(&["--caller", "desk", "--models", "/*"])
        .ended(1)
        .says(&["may not ask for `/*`"]);
    create(&["--caller", "shop", "--expires", "2199-01-02"])
        .ended(1)
        .says(&["no key of it can end later"]);
    create(&["--caller", "admin"])
        .ended(1)
        .says(&["no caller is called `admin`", "shop, desk"]);
    let (_, narrow) = made(&gateway.folder, &["--caller", "desk", "--models", "small"]);
    turns(&sender, &narrow, "small", 200).await;
    for other in ["large", "auto"] {
        assert_eq!(status(&sender, &narrow, other).await, 403, "{other}");
    }
    // Whatever somebody writes into the file, a key does no more than its caller may.
    let (_, shop) = made(&gateway.folder, &["--caller", "shop", "--models", "small"]);
    turns(&sender, &shop, "small", 200).await;
    let path = gateway.folder.join("keys.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let widened = text.replace(
        "models: [\"small\"]",
        "models: [\"small\", \"large\", \"/*\"]",
    );
    assert_ne!(text, widened);
    std::fs::write(&path, widened).unwrap();
    turns(&sender, &narrow, "large", 200).await;
    assert_eq!(status(&sender, &shop, "large").await, 403);
    assert_eq!(status(&sender, &shop, "/*").await, 404);
    let bearer = format!("Bearer {shop}");
    let listed = crate::support::client()
        .get(gateway.url("/v1/models"))
        .header("authorization", bearer)
        .send()
        .await
        .unwrap();
    let listed: Value = serde_json::from_slice(&listed.bytes().await.unwrap()).unwrap();
    let names: Vec<&str> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["small"]);
}

#[tokio::test]
async fn a_key_that_has_ended_lets_nobody_in() {
    let far = answering().await;
    let gateway = started(&far, "");
    let sender = Sender::to(&gateway);
    let (_, over) = made(
        &gateway.folder,
        &["--caller", "shop", "--expires", "2020-01-01"],
    );
    let (_, good) = made(
        &gateway.folder,
        &["--caller", "shop", "--expires", "2199-01-01"],
    );
    turns(&sender, &good, "auto", 200).await;
    let bearer = format!("Bearer {over}");
    let reply = sender
        .chat(
            &[("authorization", &bearer)],
            chat_body("auto", "hi").to_string(),
        )
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "caller_key_expired")
    );
    assert_eq!(reply.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_broken_file_of_keys_is_refused_and_the_old_keys_stay() {
    let far = answering().await;
    let gateway = started(&far, "");
    let sender = Sender::to(&gateway);
    let (_, key) = made(&gateway.folder, &["--caller", "shop"]);
    turns(&sender, &key, "auto", 200).await;
    std::fs::write(gateway.folder.join("keys.yaml"), "keys: [{id: x").unwrap();
    gateway.signal("HUP");
    until("the refusal", async || {
        gateway.log().contains("reload refused").then_some(())
    })
    .await;
    assert_eq!(status(&sender, &key, "auto").await, 200);
}

#[test]
fn the_first_key_begins_the_file() {
    let folder = new_folder();
    let text = "version: 1\nname: t\nmodels: [{name: d, tier: local, knowledge: []}]\ncallers: [{name: shop}]\nkeys: {file: keys.yaml}\n";
    std::fs::write(folder.join("firstline.yaml"), text).unwrap();
    run(&folder, &["check", "firstline.yaml"]).ended(1);
    made(&folder, &["--caller", "shop"]);
    run(&folder, &["check", "firstline.yaml"]).ended(0);
    let none = text.replace("keys: {file: keys.yaml}\n", "");
    std::fs::write(folder.join("firstline.yaml"), none).unwrap();
    run(&folder, &["keys", "list", "--config", "firstline.yaml"])
        .ended(1)
        .says(&["key_sha256"]);
}

/// Every page of the API, each without a key and with a bad one.
#[tokio::test]
async fn check_29_every_route_without_a_key_and_with_a_bad_one_is_401() {
    let far = answering().await;
    let gateway = started(&far, "");
    let (closed, open): (Vec<&Route>, Vec<&Route>) =
        ROUTES.iter().partition(|route| route.needs_key());
    assert!(closed.len() >= 11, "{closed:?}");
    assert!(open.iter().all(|route| !route.path.starts_with("/v1")));
    for route in closed {
        let (method, path) = (route.allow, route.path.replace("{id}", "0198"));
        for key in ["", "authorization: Bearer nobody\r\n", "x-api-key: fl-\r\n"] {
            let body = if method == "POST" { "{}" } else { "" };
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{key}content-length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = raw(&gateway, request.as_bytes()).await;
            let text = String::from_utf8_lossy(&answer).into_owned();
            assert_eq!(
                status_of(&answer),
                Some(401),
                "{method} {path} {key}: {text}"
            );
            assert!(text.contains("caller_key_"), "{text}");
        }
    }
    assert_eq!((far.opened(), far.seen().len()), (0, 0));
}

#[test]
fn an_open_address_without_callers_has_to_be_meant_twice() {
    let folder = new_folder();
    let text = "version: 1\nname: t\nlisten: {api: \"0.0.0.0:0\", allow_anonymous: true}\nmodels: [{name: d, tier: local, knowledge: []}]\n";
    std::fs::write(folder.join("firstline.yaml"), text).unwrap();
    run(&folder, &["serve", "--config", "firstline.yaml"])
        .ended(1)
        .says(&["open to other machines", "--allow-anonymous"]);
    let once = text.replace(", allow_anonymous: true", "");
    std::fs::write(folder.join("firstline.yaml"), once).unwrap();
    run(
        &folder,
        &["serve", "--config", "firstline.yaml", "--allow-anonymous"],
    )
    .ended(1)
    .says(&["open to other machines"]);
    // Both together serve.
    let rest = "listen: {api: \"0.0.0.0:0\", allow_anonymous: true}\nmodels: [{name: d, tier: local, knowledge: []}]";
    let rest = format!("\n{rest}");
    drop(Gateway::start_in(new_folder(), &rest, |command| {
        command.arg("--allow-anonymous");
    }));
}

#[tokio::test]
async fn a_reload_that_would_drop_the_callers_of_an_open_address_is_refused() {
    let far = answering().await;
    let listen = "\nlisten: {api: \"0.0.0.0:0\", allow_anonymous: true}\n";
    let callers = config(&far, "", ", key_sha256: \"PLACE\"").replace("PLACE", &"cd".repeat(32));
    let gateway = Gateway::start(&format!("{listen}{callers}"));
    let url = far.base_url();
    gateway.reload(&format!(
        "{listen}models:\n  - {{name: small, tier: remote, upstream: {{base_url: \"{url}\", model: m}}}}"
    ));
    until("the refusal", async || {
        gateway.log().contains("reload refused").then_some(())
    })
    .await;
    let answer = raw(
        &gateway,
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status_of(&answer), Some(401));
}
