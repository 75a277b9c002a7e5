//! A gateway process on a port of its own, with a folder of its own.

use firstline::ledger::{self, Record};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A running gateway. Killed when dropped; [`Gateway::stop`] ends it in good order.
pub(crate) struct Gateway {
    child: Option<Child>,
    pub(crate) folder: PathBuf,
    pub(crate) api: SocketAddr,
}

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Gateway {
    /// Starts a gateway with this configuration. `version`, `name`, `listen` and `records` are put in front of it; the
    /// journal is `journal/` in its folder.
    pub(crate) fn start(rest: &str) -> Self {
        Self::start_in(new_folder(), rest, |_| {})
    }

    /// Starts a gateway in a folder that may hold files already; `change` may change the command.
    pub(crate) fn start_in(folder: PathBuf, rest: &str, change: impl FnOnce(&mut Command)) -> Self {
        fs::write(folder.join("firstline.yaml"), config(rest)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_firstline"));
        command
            .args(["serve", "--config", "firstline.yaml"])
            .current_dir(&folder)
            .env_clear();
        command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        command.env("FIRSTLINE_LOG", "debug");
        if let Some(library) = runtime() {
            command.env("ORT_DYLIB_PATH", library);
        }
        change(&mut command);
        let log = fs::File::create(folder.join("stderr.log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(Ok(line)) = lines.next() else {
            let status = child.wait().unwrap();
            panic!(
                "the gateway did not start ({status}):\n{}",
                fs::read_to_string(folder.join("stderr.log")).unwrap()
            );
        };
        let address = line
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .unwrap();
        let api = address.parse().unwrap();
        // The rest is read so that the gateway never waits for its standard output.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child: Some(child),
            folder,
            api,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.api)
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Sends a signal by name: `TERM`, `HUP`, `KILL`, `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process_id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Writes another configuration in the old one's place, whole, and asks for a reload.
    pub(crate) fn reload(&self, rest: &str) {
        let (new, file) = (
            self.folder.join("new.yaml"),
            self.folder.join("firstline.yaml"),
        );
        fs::write(&new, config(rest)).unwrap();
        fs::rename(new, file).unwrap();
        self.signal("HUP");
    }

    /// Everything the gateway has written to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("stderr.log")).unwrap()
    }

    /// Ends the gateway in good order and gives what it recorded.
    pub(crate) fn stop(mut self) -> Vec<Record> {
        self.signal("TERM");
        let status = self.wait(Duration::from_secs(30));
        assert!(
            status.success(),
            "the gateway ended with {status}:\n{}",
            self.log()
        );
        records(&self.folder)
    }

    /// Waits for the process to end.
    pub(crate) fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let began = Instant::now();
        let child = self.child.as_mut().unwrap();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                self.child = None;
                return status;
            }
            assert!(
                began.elapsed() < at_most,
                "the gateway did not end within {at_most:?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The records of a gateway that has ended.
pub(crate) fn records(folder: &Path) -> Vec<Record> {
    ledger::read(&folder.join("journal"))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// A new, empty folder under cargo's own scratch folder.
pub(crate) fn new_folder() -> PathBuf {
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn config(rest: &str) -> String {
    let records = if rest.contains("\nrecords:") {
        ""
    } else {
        "records: {journal: journal}\n"
    };
    let listen = if rest.contains("\nlisten:") {
        ""
    } else {
        "listen: {api: \"127.0.0.1:0\"}\n"
    };
    format!("version: 1\nname: test\n{listen}{records}{rest}\n")
}

/// The test's own ONNX Runtime, where the environment names one.
pub(super) fn runtime() -> Option<std::ffi::OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test hands its own environment on"
    )]
    std::env::var_os("ORT_DYLIB_PATH")
}
