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
        let named = !self.policy.callers.is_empty();
        if open(address) && !open(self.server.api) && !named && !self.server.allow_anonymous {
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

    /// Refuses to serve anyone who comes from other machines, unless the file and whoever starts the process both say
    /// that this is meant: one slip alone must not open a gateway to a network.
    pub fn refuse_open(&self) -> Result<(), Problem> {
        let server = &self.server;
        let open = !server.api.ip().to_canonical().is_loopback();
        let meant = server.allow_anonymous && server.anonymous_confirmed;
        if !open || !self.policy.callers.is_empty() || meant {
            return Ok(());
        }
        let message = format!(
            "{} is open to other machines, and no callers are named",
            server.api
        );
        let remedy = "name `callers` with their keys; or, to serve everyone who reaches it, say \
                      `listen.allow_anonymous: true` in the file and `--allow-anonymous` on the command line";
        Err(self
            .source
            .problem(Severity::Error, "listen.api", message, Some(remedy)))
    }
}
