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

/// Firstline's folder among a user's, by the XDG Base Directory Specification 0.8: below what `variable` names, else
/// below `usual` in the home folder. `None` where neither is an absolute path.
pub fn user_folder(
    environment: &dyn Fn(&str) -> Option<String>,
    variable: &str,
    usual: &str,
) -> Option<PathBuf> {
    let named = |name: &str| {
        let path = environment(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let home = || named("HOME").map(|home| home.join(usual));
    let folder = named(variable).or_else(home)?;
    Some(folder.join("firstline"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_folder_is_where_the_variable_says_else_below_home() {
        let folder = |set: Vec<(&str, &str)>| {
            let value = |name: &str| set.iter().find(|(one, _)| *one == name);
            let environment = |name: &str| value(name).map(|(_, path)| (*path).to_owned());
            user_folder(&environment, "XDG_CACHE_HOME", ".cache")
        };
        let home = ("HOME", "/home/a");
        assert_eq!(folder(vec![home]), Some("/home/a/.cache/firstline".into()));
        assert_eq!(
            folder(vec![("XDG_CACHE_HOME", "/c"), home]),
            Some("/c/firstline".into())
        );
        assert_eq!(folder(vec![]), None);
    }

    #[test]
    fn a_users_folder_that_is_not_absolute_is_passed_over() {
        let environment =
            |name: &str| Some(if name == "HOME" { "/home/a" } else { "c" }.to_owned());
        let folder = user_folder(&environment, "XDG_CACHE_HOME", ".cache");
        assert_eq!(folder, Some("/home/a/.cache/firstline".into()));
    }
}
