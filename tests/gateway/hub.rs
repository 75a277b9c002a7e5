//! `firstline models pull` against a hub of our own on loopback, which is a fake: it speaks the hub's API and breaks off,
//! lies and refuses as it is told. Its large files lie on a second address, as a hub's do.

use crate::support::{new_folder, repository, run, run_with};
use firstline::inference::sha256_hex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub and its storage. The threads end with the process.
#[derive(Clone)]
struct Hub {
    hub: SocketAddr,
    storage: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Names that are listed and not there.
    also_listed: Mutex<Vec<String>>,
    trouble: Mutex<Trouble>,
    /// Each request: to the storage or not, its line, and its headers in lower case.
    seen: Mutex<Vec<(bool, String, String)>>,
}

#[derive(Default, Clone)]
struct Trouble {
    /// So many answers with content of the storage are cut in the middle.
    cuts: usize,
    /// From the second answer for a file on, nothing comes before the cut.
    stalls: bool,
    /// What the storage sends is not what was stated.
    lies: bool,
    /// Every answer has this status.
    status: Option<u16>,
    /// The list states neither lengths nor digests.
    lists_names_only: bool,
}

impl Hub {
    /// A hub with the tiny decoder of `tests/models`, its graph in two variants.
    fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let mut files = shared.files.lock().unwrap();
        let folder = repository("tests/models/tiny-llama-gqa");
        for name in [
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja",
            "genai_config.json",
        ] {
            files.insert(name.into(), fs::read(folder.join(name)).unwrap());
        }
        for name in ["model.onnx", "model.onnx.data"] {
            files.insert(name.into(), fs::read(folder.join(name)).unwrap());
        }
        files.insert("onnx/model_q4.onnx".into(), b"another variant".to_vec());
        files.insert("pytorch_model.bin".into(), vec![7; 4096]);
        drop(files);
        let (hub, storage) = (listener(), listener());
        let one = Self {
            hub: hub.local_addr().unwrap(),
            storage: storage.local_addr().unwrap(),
            shared,
        };
        for (listener, is_storage) in [(hub, false), (storage, true)] {
            let serving = one.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let serving = serving.clone();
                    std::thread::spawn(move || serving.serve(stream, is_storage));
                }
            });
        }
        one
    }

    fn now(&self, trouble: Trouble) {
        *self.shared.trouble.lock().unwrap() = trouble;
    }

    /// What was asked since the last look.
    fn seen(&self) -> Vec<(bool, String, String)> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    fn serve(&self, stream: TcpStream, is_storage: bool) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        loop {
            let (mut line, mut headers) = (String::new(), String::new());
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) <= 2 {
                    break;
                }
                headers.push_str(&header.to_ascii_lowercase());
            }
            self.shared
                .seen
                .lock()
                .unwrap()
                .push((is_storage, line.clone(), headers.clone()));
            let path = line.split_whitespace().nth(1).unwrap().to_owned();
            if !self.answer(
                &mut stream,
                is_storage,
                &path,
                &headers,
                line.starts_with("HEAD"),
            ) {
                return;
            }
        }
    }

    /// False when the connection is to be closed.
    fn answer(
        &self,
        stream: &mut TcpStream,
        is_storage: bool,
        path: &str,
        headers: &str,
        head: bool,
    ) -> bool {
        let trouble = self.shared.trouble.lock().unwrap().clone();
        if let Some(status) = trouble.status {
            return send(stream, status, "", b"no", head);
        }
        if path.starts_with("/api/models/org/tiny/revision/") {
            return send(
                stream,
                200,
                "",
                self.list(trouble.lists_names_only).to_string().as_bytes(),
                head,
            );
        }
        let name = path
            .split_once(&format!("/{COMMIT}/"))
            .map(|(_, name)| name.to_owned());
        let files = self.shared.files.lock().unwrap();
        let Some((name, content)) =
            name.and_then(|name| Some((name.clone(), files.get(&name)?.clone())))
        else {
            return send(stream, 404, "", b"{}", head);
        };
        drop(files);
        if !is_storage && is_large(&name) {
            let to = format!(
                "location: http://{}/signed/{COMMIT}/{name}\r\nx-linked-etag: \"{}\"\r\nx-linked-size: {}\r\n",
                self.storage,
                sha256_hex(&content),
                content.len()
            );
            return send(stream, 302, &to, b"", head);
        }
        self.send_file(stream, &content, headers, (is_storage, head))
    }

    fn send_file(
        &self,
        stream: &mut TcpStream,
        content: &[u8],
        headers: &str,
        (is_storage, head): (bool, bool),
    ) -> bool {
        let mut trouble = self.shared.trouble.lock().unwrap();
        let content: Vec<u8> = if trouble.lies && is_storage {
            content.iter().map(|byte| byte ^ 1).collect()
        } else {
            content.to_vec()
        };
        let from = headers
            .lines()
            .find_map(|line| line.strip_prefix("range: bytes="));
        let from: usize = from.map_or(0, |range| {
            range.trim().trim_end_matches('-').parse().unwrap()
        });
        let extra = format!("etag: \"{}\"\r\n", git_blob(&content));
        let (status, extra) = if from > 0 {
            let (last, all) = (content.len() - 1, content.len());
            (
                206,
                format!("{extra}content-range: bytes {from}-{last}/{all}\r\n"),
            )
        } else {
            (200, extra)
        };
        let rest = &content[from..];
        if is_storage && trouble.cuts > 0 && rest.len() > 64 {
            trouble.cuts -= 1;
            let whole = format!(
                "HTTP/1.1 {status} Stand-in\r\n{extra}content-length: {}\r\n\r\n",
                rest.len()
            );
            stream.write_all(whole.as_bytes()).unwrap();
            let sent = if trouble.stalls && from > 0 {
                0
            } else {
                rest.len() / 2
            };
            stream.write_all(&rest[..sent]).unwrap();
            return false;
        }
        drop(trouble);
        send(stream, status, &extra, rest, head)
    }

    fn list(&self, names_only: bool) -> Value {
        let files = self.shared.files.lock().unwrap();
        let mut siblings: Vec<Value> = files
            .iter()
            .map(|(name, content)| {
                let (size, sha256) = (content.len(), sha256_hex(content));
                match (names_only, is_large(name)) {
                    (true, _) => json!({"rfilename": name}),
                    (false, true) => {
                        json!({"rfilename": name, "size": size, "blobId": git_blob(b"a pointer"),
                        "lfs": {"sha256": sha256, "size": size, "pointerSize": 134}})
                    }
                    (false, false) => {
                        json!({"rfilename": name, "size": size, "blobId": git_blob(content)})
                    }
                }
            })
            .collect();
        let also = self.shared.also_listed.lock().unwrap();
        siblings.extend(
            also.iter()
                .map(|name| json!({"rfilename": name, "size": 3, "blobId": "0".repeat(40)})),
        );
        json!({"id": "org/tiny", "sha": COMMIT, "cardData": {"license": "apache-2.0"}, "siblings": siblings})
    }

    /// Runs `models pull` with these arguments behind the source, in the folder given.
    fn pull(&self, folder: &Path, arguments: &[&str]) -> crate::support::Ran {
        let address = format!("http://{}", self.hub);
        let all = [&["models", "pull", "hf:org/tiny"][..], arguments].concat();
        run_with(folder, &all, "", |command| {
            command
                .env("HF_ENDPOINT", address)
                .env("HF_TOKEN", "hf_canary")
                .env("XDG_DATA_HOME", folder.join("data"));
        })
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn is_large(name: &str) -> bool {
    name.contains(".onnx") || name.ends_with(".bin")
}

fn send(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8], head: bool) -> bool {
    let length = body.len();
    let top = format!("HTTP/1.1 {status} Stand-in\r\n{headers}content-length: {length}\r\n\r\n");
    let sent = stream.write_all(top.as_bytes());
    let body = if head { &[][..] } else { body };
    sent.and_then(|()| stream.write_all(body)).is_ok()
}

/// Git's own name of a blob.
fn git_blob(content: &[u8]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(format!("blob {}\0", content.len()).as_bytes());
    context.update(content);
    context
        .finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn usual_target(folder: &Path) -> PathBuf {
    folder.join("data/firstline/models/org--tiny--f32")
}

#[test]
fn a_model_is_pulled_checked_and_can_be_looked_at() {
    let (hub, folder) = (Hub::start(), new_folder());
    let ran = hub.pull(&folder, &["--variant", "f32"]).ended(0);
    assert!(
        ran.out.contains("apache-2.0") && ran.out.contains(COMMIT),
        "{ran:#?}"
    );
    let target = usual_target(&folder);
    let original = repository("tests/models/tiny-llama-gqa");
    for name in [
        "model.onnx",
        "model.onnx.data",
        "tokenizer.json",
        "chat_template.jinja",
    ] {
        assert!(
            fs::read(target.join(name)).unwrap() == fs::read(original.join(name)).unwrap(),
            "{name}"
        );
    }
    // Nothing but what was asked for, and nothing half done.
    assert!(!target.join("pytorch_model.bin").exists() && !target.join("onnx").exists());
    assert!(!target.join(".partial").exists());
    let target = target.display().to_string();
    let out = run(&folder, &["models", "inspect", &target]).ended(0).out;
    assert!(out.contains("512 tokens"), "{out}");
    let out = run(&folder, &["models", "verify", "--folder", &target])
        .ended(0)
        .out;
    assert!(
        out.contains("8 files, every digest as the manifest says"),
        "{out}"
    );
    // The token is for the hub; the storage it redirects to is somebody else.
    let seen = hub.seen();
    assert!(seen.iter().any(|(is_storage, ..)| *is_storage));
    for (is_storage, line, headers) in &seen {
        assert_eq!(headers.contains("hf_canary"), !is_storage, "{line}");
        assert!(!line.contains("pytorch_model.bin"), "{line}");
    }
    // A second pull asks for no content that is here.
    hub.pull(&folder, &["--variant", "f32"]).ended(0);
    assert!(
        hub.seen()
            .iter()
            .all(|(_, line, _)| line.contains("/api/models/"))
    );
}

#[test]
fn a_download_that_is_cut_goes_on_where_it_stopped() {
    let (hub, folder) = (Hub::start(), new_folder());
    hub.now(Trouble {
        cuts: 3,
        ..Trouble::default()
    });
    hub.pull(&folder, &["--variant", "f32"]).ended(0);
    let ranges: Vec<String> = ranges(&hub);
    assert!(ranges.len() >= 3, "{ranges:?}");
    let target = usual_target(&folder).display().to_string();
    run(&folder, &["models", "verify", "--folder", &target]).ended(0);
}

#[test]
fn a_pull_that_was_given_up_is_gone_on_with_by_the_next() {
    let (hub, folder) = (Hub::start(), new_folder());
    hub.now(Trouble {
        cuts: 1_000,
        stalls: true,
        ..Trouble::default()
    });
    hub.pull(&folder, &["--variant", "f32"])
        .ended(1)
        .says(&["broke off at", "what is there is kept"]);
    let target = usual_target(&folder);
    assert!(!target.join("model.onnx").exists() && !target.join("manifest.json").exists());
    hub.seen();
    hub.now(Trouble::default());
    hub.pull(&folder, &["--variant", "f32"]).ended(0);
    assert!(!ranges(&hub).is_empty(), "the second pull began again");
    run(
        &folder,
        &[
            "models",
            "verify",
            "--folder",
            &target.display().to_string(),
        ],
    )
    .ended(0);
}

/// The ranges that were asked for.
fn ranges(hub: &Hub) -> Vec<String> {
    let seen = hub.seen();
    let headers = seen.iter().flat_map(|(_, _, headers)| headers.lines());
    headers
        .filter(|line| line.starts_with("range: "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn content_that_is_not_what_was_stated_gets_no_name() {
    let (hub, folder) = (Hub::start(), new_folder());
    hub.now(Trouble {
        lies: true,
        ..Trouble::default()
    });
    hub.pull(&folder, &["--variant", "f32"]).ended(1).says(&[
        "model.onnx is not what the hub stated: SHA-256",
        "pull again",
    ]);
    assert!(!usual_target(&folder).join("model.onnx").exists());
    hub.now(Trouble::default());
    hub.pull(&folder, &["--variant", "f32"]).ended(0);
}

#[test]
fn what_the_list_does_not_state_is_asked_for() {
    let (hub, folder) = (Hub::start(), new_folder());
    hub.now(Trouble {
        lists_names_only: true,
        ..Trouble::default()
    });
    hub.pull(&folder, &["--variant", "f32"]).ended(0);
    assert!(
        hub.seen()
            .iter()
            .any(|(_, line, _)| line.starts_with("HEAD "))
    );
}

#[test]
fn a_refusal_is_told_with_what_to_do() {
    let (hub, folder) = (Hub::start(), new_folder());
    for (status, said) in [
        (
            401,
            "refuses org/tiny (status 401): name a variable that holds a token",
        ),
        (403, "accept the model's licence"),
        (404, "org/tiny is not there at"),
        (503, "its status is 503"),
    ] {
        hub.now(Trouble {
            status: Some(status),
            ..Trouble::default()
        });
        let ran = hub
            .pull(&folder, &["--variant", "f32"])
            .ended(1)
            .says(&[said]);
        assert!(!ran.err.contains("hf_canary"), "{ran:#?}");
    }
    hub.now(Trouble::default());
    hub.pull(&folder, &[])
        .ended(1)
        .says(&["--variant: f32, int4, q4"]);
    hub.pull(&folder, &["--variant", "f16"])
        .ended(1)
        .says(&["no variant `f16`"]);
    hub.pull(&folder, &["--variant", "float"])
        .ended(1)
        .says(&["`float` is no variant"]);
    assert!(
        !folder.join("data").exists(),
        "a pull that was refused left something"
    );
    run(&folder, &["models", "pull", "org/tiny"])
        .ended(1)
        .says(&["write `hf:ORG/REPO`"]);
}

#[test]
fn a_hub_that_lists_a_name_outside_the_folder_gives_nothing() {
    let (hub, folder) = (Hub::start(), new_folder());
    for name in [
        "../../../escaped",
        "/etc/escaped",
        "onnx/../../escaped",
        "..\\escaped",
    ] {
        *hub.shared.also_listed.lock().unwrap() = vec![name.into()];
        hub.pull(&folder, &["--variant", "f32"])
            .ended(1)
            .says(&["outside the folder"]);
    }
    assert!(!folder.join("data").exists());
}

#[test]
fn the_token_crosses_no_network_in_the_clear() {
    let folder = new_folder();
    let pull = ["models", "pull", "hf:org/tiny"];
    run_with(&folder, &pull, "", |command| {
        command
            .env("HF_ENDPOINT", "http://hub.example")
            .env("HF_TOKEN", "hf_canary");
    })
    .ended(1)
    .says(&["the token would cross the network unencrypted"]);
    let asked = [&pull[..], &["--token-env", "NOT_SET_HERE"]].concat();
    run(&folder, &asked)
        .ended(1)
        .says(&["NOT_SET_HERE of --token-env is not set"]);
}

#[test]
fn a_folder_is_copied_and_what_changes_later_is_found() {
    let folder = new_folder();
    let from = repository("tests/models/tiny-llama-gqa")
        .display()
        .to_string();
    let to = folder.join("copy").display().to_string();
    let out = run(&folder, &["models", "pull", &from, "--to", &to, "--json"])
        .ended(0)
        .out;
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["files"].as_array().unwrap().len(), 8);
    run(&folder, &["models", "inspect", &to]).ended(0);
    run(&folder, &["models", "verify", "--folder", &to]).ended(0);
    fs::write(folder.join("copy/tokenizer.json"), "{}").unwrap();
    run(&folder, &["models", "verify", "--folder", &to])
        .ended(1)
        .says(&["tokenizer.json: the file is cut short"]);
    // Another model does not go into the same folder.
    let other = repository("tests/models/tiny-gpt2").display().to_string();
    run(&folder, &["models", "pull", &other, "--to", &to])
        .ended(1)
        .says(&["already holds a model"]);
}
