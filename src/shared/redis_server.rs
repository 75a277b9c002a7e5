//! A real Redis for tests: started on a free loopback port with a folder of its own, killed, hung and woken at will.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// One server. It ends, and its folder goes, when this is dropped.
pub(crate) struct Server {
    port: u16,
    folder: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// A running server that forgets nothing; `None`, loudly, where this machine has no Redis.
    pub(crate) fn start() -> Option<Self> {
        if binary().is_none() {
            eprintln!("SKIPPED: no redis-server is on this machine; `make redis` fetches one");
            return None;
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("firstline-redis-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut server = Self {
            port,
            folder,
            child: None,
        };
        server.revive();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Starts it again, with everything that it knew.
    pub(crate) fn revive(&mut self) {
        let (program, libraries) = binary().unwrap();
        let mut command = Command::new(program);
        if let Some(libraries) = libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let port = self.port.to_string();
        let always = [
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
        ];
        let child = command
            .args(["--port", &port, "--bind", "127.0.0.1", "--dir"])
            .arg(&self.folder)
            .args(always)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while self.ask("PING") != "+PONG" {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "it does not come up"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// It takes connections and says nothing, until it is woken.
    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn wake(&self) {
        self.signal("-CONT");
    }

    /// The first line of its answer to a command in one line; empty where there is none.
    pub(crate) fn ask(&self, command: &str) -> String {
        use std::io::{BufRead, BufReader, Write};
        let asked = || -> std::io::Result<String> {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(format!("{command}\r\n").as_bytes())?;
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.starts_with('$') && !line.starts_with("$-") {
                line.clear();
                reader.read_line(&mut line)?;
            }
            Ok(line.trim_end().to_owned())
        };
        asked().unwrap_or_default()
    }

    /// Every line of its answer to a command that answers a list of texts.
    pub(crate) fn list(&self, command: &str) -> Vec<String> {
        use std::io::{BufRead, BufReader, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .unwrap();
        let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
        let count = lines.next().unwrap();
        let count: usize = count.trim_start_matches('*').parse().unwrap();
        let texts = lines.filter(|line| !line.starts_with('$'));
        texts.take(count).collect()
    }

    fn signal(&self, signal: &str) {
        let process = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args([signal, &process]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The program, and where its libraries are when it was unpacked beside the build.
fn binary() -> Option<(PathBuf, Option<PathBuf>)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test looks for a program as a shell does"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("redis-server"));
    if let Some(program) = installed.into_iter().find(|program| program.is_file()) {
        return Some((program, None));
    }
    let unpacked = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/redis/usr");
    let program = unpacked.join("bin/redis-server");
    let libraries = unpacked
        .join("lib")
        .join(format!("{}-linux-gnu", std::env::consts::ARCH));
    program.exists().then_some((program, Some(libraries)))
}
