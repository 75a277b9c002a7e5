//! What can go wrong between a hub and a folder. No text of these errors holds a token.

use std::io;
use std::path::{Path, PathBuf};

/// Why a model could not be had. Each says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// What was asked for is no name of a repository.
    #[error(
        "`{0}` names no repository; write `hf:ORG/REPO`, or `hf:ORG/REPO@REVISION` for a branch, tag or commit"
    )]
    Name(String),
    /// The hub's address is none that can be used.
    #[error("the hub's address {address} cannot be used: {reason}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong, and what would be right.
        reason: &'static str,
    },
    /// The hub does not have it, or does not say so to strangers.
    #[error(
        "{what} is not there at {hub}, or is private: look at the name, or name a variable that holds a token with \
         --token-env"
    )]
    NotFound {
        /// Repository and file.
        what: String,
        /// The hub's address.
        hub: String,
    },
    /// The hub refuses.
    #[error(
        "{hub} refuses {what} (status {status}): name a variable that holds a token with --token-env, and accept the \
         model's licence on its page where it asks for that"
    )]
    Refused {
        /// Repository and file.
        what: String,
        /// The hub's address.
        hub: String,
        /// 401 or 403.
        status: u16,
    },
    /// The hub answers what it should not.
    #[error("{hub} cannot be used for {what}: {reason}")]
    Answer {
        /// Repository and file.
        what: String,
        /// The address that answered.
        hub: String,
        /// What is wrong.
        reason: String,
    },
    /// A name that the hub lists leads out of the folder.
    #[error(
        "the hub lists the file `{0}`, which would lie outside the folder; nothing of it is fetched"
    )]
    Escapes(String),
    /// No file, or more than one, is what was asked for.
    #[error("{0}")]
    Choice(String),
    /// The content is not what the hub stated.
    #[error("{} is not what the hub stated: {what} {found}, expected {expected}; it was thrown away, pull again", .file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// Length or digest.
        what: &'static str,
        /// Of what came.
        found: String,
        /// Of what should have come.
        expected: String,
    },
    /// It broke off again and again.
    #[error(
        "{} broke off at {have} of {of} bytes ({reason}); what is there is kept, pull again to go on", .file.display()
    )]
    BrokeOff {
        /// The file.
        file: PathBuf,
        /// Bytes that are there.
        have: u64,
        /// Bytes that should be.
        of: u64,
        /// What happened last.
        reason: String,
    },
    /// A file of this machine cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl HubError {
    /// For `map_err` of what is done to a file.
    pub(super) fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }
}
