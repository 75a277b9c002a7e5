//! What looking for personal data costs: microseconds for each kB, on one thread, of ordinary and of hostile input.
//!
//! `cargo bench --locked --bench scan` prints one row a scene: the median of several passes. A hostile text is one that
//! makes the detector try as often as a text can.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends with its reason, and its figures are for a person"
)]

use firstline::privacy::{Detector, STRUCTURED};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

/// One thing to scan.
struct Scene {
    name: &'static str,
    input: Input,
}

enum Input {
    Text(String),
    Body(String),
}

const PASSES: usize = 9;
const ORDINARY_BYTES: usize = 64 * 1024;
const HOSTILE_BYTES: usize = 1024 * 1024;

fn main() {
    let detector = Detector::new(&STRUCTURED.into_iter().collect());
    println!("| scene | kB | us/kB, median | us/kB, slowest | findings |");
    println!("|---|--:|--:|--:|--:|");
    for scene in scenes() {
        let (kilobytes, mut passes, findings) = measure(&detector, &scene.input);
        passes.sort_by(f64::total_cmp);
        println!(
            "| {} | {kilobytes:.0} | {:.1} | {:.1} | {findings} |",
            scene.name,
            passes[passes.len() / 2],
            passes[passes.len() - 1],
        );
    }
}

/// Kilobytes, microseconds for each in every pass, and how much is found.
fn measure(detector: &Detector, input: &Input) -> (f64, Vec<f64>, usize) {
    let (Input::Text(text) | Input::Body(text)) = input;
    let kilobytes = text.len() as f64 / 1000.0;
    let mut findings = 0;
    let passes = (0..PASSES).map(|_| {
        let began = Instant::now();
        let found = match input {
            Input::Text(text) => detector.find(black_box(text)),
            Input::Body(body) => detector
                .find_in_request(black_box(body.as_bytes()))
                .expect("the scenes are JSON"),
        };
        findings = black_box(found).0.len();
        began.elapsed().as_secs_f64() * 1e6 / kilobytes
    });
    let passes = passes.collect();
    (kilobytes, passes, findings)
}

fn scenes() -> Vec<Scene> {
    let text = |name, pattern: &str, bytes| Scene {
        name,
        input: Input::Text(pattern.repeat(bytes / pattern.len())),
    };
    let chat = "Hello, I ordered a blue jacket last week and it still has not arrived, could you look where it is? ";
    let personal = "I am Maria Lopez, my order 269-9102374 of May 27 went to 12 Long Lane; call +44 20 7946 0958 or write to \
        maria@example.com, the card was 4111 1111 1111 1111 and the IBAN GB29 NWBK 6016 1331 9268 19. ";
    vec![
        text("one short message", chat, chat.len()),
        text("chat", chat, ORDINARY_BYTES),
        text("chat full of personal data", personal, ORDINARY_BYTES),
        text(
            "chat in Russian",
            "Здравствуйте, где мой заказ? Он ещё не пришёл. ",
            ORDINARY_BYTES,
        ),
        text(
            "code",
            "fn add(a: usize, b: usize) -> usize { a.wrapping_add(b) } // 0x1f, 42\n",
            ORDINARY_BYTES,
        ),
        Scene {
            name: "JSON conversation",
            input: Input::Body(conversation(chat)),
        },
        Scene {
            name: "JSON tool results",
            input: Input::Body(tool_results()),
        },
        text("hostile: 4 1 5", "4 1 5 ", HOSTILE_BYTES),
        text("hostile: digits", "4111111111111112", HOSTILE_BYTES),
        text("hostile: groups", "1234 ", HOSTILE_BYTES),
        text("hostile: 1-", "1-", HOSTILE_BYTES),
        text("hostile: 00.", "00. ", HOSTILE_BYTES),
        text("hostile: +1 (", "+1 (2) ", HOSTILE_BYTES),
        text("hostile: GB29", "GB29 ", HOSTILE_BYTES),
        text("hostile: labels", "password ", HOSTILE_BYTES),
        text("hostile: born", "born a b c 1 ", HOSTILE_BYTES),
        text("hostile: @", "a@", HOSTILE_BYTES),
        text("hostile: a at a", "a at a dot ", HOSTILE_BYTES),
        text("hostile: colons", "a:1:", HOSTILE_BYTES),
        text(
            "hostile: private keys",
            "-----BEGIN PRIVATE KEY-----",
            HOSTILE_BYTES,
        ),
        text("hostile: escapes", "%34\\u0031", HOSTILE_BYTES),
        text(
            "hostile: base64",
            "NDExMSAxMTExIDExMTEgMTExMQ== ",
            HOSTILE_BYTES,
        ),
        Scene {
            name: "hostile: tiny parts",
            input: Input::Body(tiny_parts()),
        },
        Scene {
            name: "hostile: tiny numbers",
            input: Input::Body(format!("[{}1]", "4111,".repeat(200_000))),
        },
    ]
}

fn conversation(chat: &str) -> String {
    let mut body =
        String::from(r#"{"model":"auto","messages":[{"role":"system","content":"Be brief."}"#);
    while body.len() < ORDINARY_BYTES {
        for role in ["user", "assistant"] {
            let _ = write!(body, r#",{{"role":"{role}","content":"{chat}{chat}"}}"#);
        }
    }
    body + "]}"
}

fn tool_results() -> String {
    let mut rows = String::new();
    while rows.len() < ORDINARY_BYTES {
        rows += r#"{\"sku\":\"A-1009\",\"price\":1999,\"at\":\"2024-05-27T10:12:00Z\",\"note\":\"left at the door\"},"#;
    }
    format!(
        r#"{{"messages":[{{"role":"tool","content":"[{}0]"}}]}}"#,
        rows
    )
}

fn tiny_parts() -> String {
    let parts = r#"{"type":"text","text":"4"},"#.repeat(HOSTILE_BYTES / 26);
    format!(r#"{{"messages":[{{"role":"user","content":[{parts}0]}}]}}"#)
}
