//! The program run once, to its end.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Longer than any run of the tests takes on a busy machine.
const AT_MOST: Duration = Duration::from_secs(120);

impl Ran {
    /// Fails unless the run ended with this code.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Fails unless standard error says all of this.
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is missing in {self:#?}");
        }
        self
    }
}

/// Runs the program with a clean environment, and gives its exit code and what it wrote. `change` may change the
/// command before it starts.
pub(crate) fn run_with(
    folder: &Path,
    arguments: &[&str],
    input: &str,
    change: impl FnOnce(&mut Command),
) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstline"));
    command.args(arguments).current_dir(folder).env_clear();
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    if let Some(library) = super::gateway::runtime() {
        command.env("ORT_DYLIB_PATH", library);
    }
    change(&mut command);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    // A program that ends early closes its input; what it says then is looked at by the test.
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let out = reader(child.stdout.take().unwrap());
    let err = reader(child.stderr.take().unwrap());
    let began = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if began.elapsed() > AT_MOST {
            child.kill().unwrap();
            break child.wait().unwrap().code();
        }
        thread::sleep(Duration::from_millis(5));
    };
    writer.join().unwrap();
    Ran {
        code,
        out: out.join().unwrap(),
        err: err.join().unwrap(),
    }
}

/// Runs the program as it is.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ran {
    run_with(folder, arguments, "", |_| {})
}

/// A file or folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn reader(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}
