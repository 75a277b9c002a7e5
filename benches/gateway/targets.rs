//! What is measured, and under which load.

use super::measure::{Figures, cpu_micros};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The proxies under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The ruler.
    Bare,
    /// The gateway with one remote model and no rule that needs a signal.
    PassThrough,
    /// The gateway answering the same question from its cache.
    CacheHit,
    /// The gateway reading every signal of each request before it is sent on.
    FullSignals,
}

/// The loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// One connection, a short question.
    One,
    /// Sixteen connections, a short question.
    Sixteen,
    /// Sixteen connections, 64 kB of conversation.
    Large,
    /// Sixteen connections, streamed answers of 64 events.
    Streamed,
}

/// A process that ends with its handle.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
}

impl Target {
    pub(crate) const ALL: [Self; 4] = [
        Self::Bare,
        Self::PassThrough,
        Self::CacheHit,
        Self::FullSignals,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare proxy",
            Self::PassThrough => "pass-through",
            Self::CacheHit => "cache hit",
            Self::FullSignals => "full signals",
        }
    }

    pub(crate) fn start(self, provider: &Running) -> Running {
        if self == Self::Bare {
            return own(0, &["bare", "127.0.0.1:0", &provider.address]);
        }
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{self:?}.yaml"));
        fs::write(&file, self.config(provider)).expect("the scratch folder can be written");
        let mut command = pinned(0, env!("CARGO_BIN_EXE_firstline"));
        command
            .args(["serve", "--config"])
            .arg(file)
            .env("FIRSTLINE_LOG", "error");
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        spawn(command)
    }

    fn config(self, provider: &Running) -> String {
        let base_url = format!("http://{}/v1", provider.address);
        let remote = format!(
            "  - {{name: remote, tier: remote, upstream: {{dialect: openai, base_url: \"{base_url}\", model: m}}, \
             price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\n"
        );
        let head = "version: 1\nname: bench\nlisten: {api: \"127.0.0.1:0\"}\nmodels:\n";
        let demo = format!("{}/demo/knowledge/shop.yaml", env!("CARGO_MANIFEST_DIR"));
        match self {
            Self::Bare => String::new(),
            Self::PassThrough => format!("{head}{remote}"),
            Self::CacheHit => format!("{head}{remote}cache: {{exact: {{ttl: 1h}}}}\n"),
            Self::FullSignals => format!(
                "{head}  - {{name: desk, tier: local, knowledge: [{demo}], answer: {{min_score: 1.0}}}}\n{remote}\
                 encoder: {{workers: 1, queue: 256, deadline: 1s, close_reading: false}}\n\
                 guard: {{attack: {{refuse_from: 1.0}}}}\n\
                 privacy:\n  raise: [{{class: restricted, any: [card, iban, national_id, secret]}}]\n  \
                 rules: [{{class: restricted, require: local, on_violation: refuse}}]\n\
                 routes: [{{name: hard, when: {{complexity: {{from: 0.99}}, topic: [vehicle], language: [eng]}}, use: [remote]}}]\n"
            ),
        }
    }
}

impl Scene {
    pub(crate) const ALL: [Self; 4] = [Self::One, Self::Sixteen, Self::Large, Self::Streamed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "1 connection",
            Self::Sixteen => "16 connections",
            Self::Large => "16 connections, 64 kB",
            Self::Streamed => "16 connections, SSE of 64 events",
        }
    }

    /// One window of load, after a shorter one that is not counted.
    pub(crate) fn measure(self, target: &Running) -> Figures {
        self.load(target, "0.5");
        let before = cpu_micros(target.child.id());
        let (requests, mut figures) = self.load(target, "2");
        figures.cpu_micros = (cpu_micros(target.child.id()) - before) / requests;
        figures
    }

    fn load(self, target: &Running, seconds: &str) -> (f64, Figures) {
        let (connections, body) = match self {
            Self::One => ("1", "short"),
            Self::Sixteen => ("16", "short"),
            Self::Large => ("16", "large"),
            Self::Streamed => ("16", "streamed"),
        };
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = pinned(1, &program.to_string_lossy());
        let out = command
            .args(["load", &target.address, connections, seconds, body])
            .stderr(Stdio::inherit())
            .output();
        let out = String::from_utf8(out.expect("the load runs").stdout).expect("figures are text");
        let numbers: Vec<f64> = out
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [requests, per_second, p50_ms, p99_ms] = numbers[..] else {
            panic!("the load failed: {out}")
        };
        (
            requests,
            Figures {
                per_second,
                cpu_micros: 0.0,
                p50_ms,
                p99_ms,
            },
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The stand-in provider.
pub(crate) fn stand_in() -> Running {
    own(1, &["stand-in", "127.0.0.1:0"])
}

fn own(core: usize, arguments: &[&str]) -> Running {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = pinned(core, &program.to_string_lossy());
    command.args(arguments);
    spawn(command)
}

/// On a core of its own where there are two and `taskset` is there; anywhere else.
fn pinned(core: usize, program: &str) -> Command {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let can = cores > 1
        && Command::new("taskset")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_ok();
    if !can {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string(), program]);
    command
}

/// Starts a program that says `http://ADDRESS` in its first line.
fn spawn(mut command: Command) -> Running {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
    let line = lines
        .next()
        .and_then(Result::ok)
        .expect("the program says where it listens");
    let address = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .expect("an address");
    let address = address.to_owned();
    std::thread::spawn(move || lines.for_each(drop));
    Running { child, address }
}
