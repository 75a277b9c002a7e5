//! What the process itself says: its environment, and the arguments that go over the file.

use super::{Problem, Settings, Severity};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The value of an environment variable, where it is set and is text.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Settings {
    /// Listens elsewhere than the file says. An address that other machines reach is taken only where the file names
    /// callers, or is itself open to other machines and says that it means it.
    pub fn listen_on(&mut self, address: SocketAddr) -> Result<(), Problem> {
        let open = |address: SocketAddr| !address.ip().to_canonical().is_loopback();
        if open(address) && !open(self.server.api) && self.policy.callers.is_empty() {
            return Err(Problem {
                file: PathBuf::from("--listen"),
                line: None,
                path: String::new(),
                message: format!("{address} is open to other machines, and no callers are named"),
                remedy: Some("name `callers` with their keys in the configuration".into()),
                severity: Severity::Error,
            });
        }
        self.server.api = address;
        Ok(())
    }
}
