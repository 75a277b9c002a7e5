//! Heads kept elsewhere: one line a head, signed where a key is given. A chain cannot show that its end was cut off or
//! that it was rewritten whole; a head that lies where the journal's keeper cannot reach does.
//!
//! Keys are Ed25519 (RFC 8032), as PKCS#8 and SubjectPublicKeyInfo in PEM (RFC 8410), which other tools read, too.

use super::Head;
use super::frame::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What stands before the 32 bytes of a private key in PKCS#8, and of a public key in SubjectPublicKeyInfo (RFC 8410).
const PRIVATE_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const PUBLIC_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// The form of an anchor written today.
const VERSION: u32 = 1;

/// Why an anchor or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// No key of the kind wanted.
    #[error(
        "{path}: this is no {wanted}; `firstline audit keygen FILE` makes both FILE and FILE.pub"
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// A line that is no anchor.
    #[error("{path}: line {line} is no anchor; each line is what `firstline audit head` prints")]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// The system's source of random numbers failed.
    #[error("no random numbers for a key could be had from the system")]
    Random,
}

/// A head as it is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    v: u32,
    records: u64,
    head: String,
    /// When it was taken, in milliseconds since 1970.
    pub at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

/// What an anchor's signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// There is none.
    No,
    /// It fits the key that stands beside it, which anybody could have made.
    ByItsOwnKey,
    /// It fits the key that was given.
    ByThisKey,
    /// It fits neither.
    Wrong,
}

/// A private key. Shows nothing of itself.
#[derive(Clone)]
pub struct SigningKey(Arc<Ed25519KeyPair>);

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl Anchor {
    /// The anchor of a head at this moment (milliseconds since 1970).
    pub fn new(head: &Head, at: u64, key: Option<&SigningKey>) -> Self {
        let mut anchor = Self {
            v: VERSION,
            records: head.count,
            head: head.to_string(),
            at,
            key: None,
            signature: None,
        };
        if let Some(SigningKey(pair)) = key {
            anchor.key = Some(hex(pair.public_key().as_ref()));
            anchor.signature = Some(hex(pair.sign(&anchor.signed_bytes()).as_ref()));
        }
        anchor
    }

    /// The head; none where its hash is no hash.
    pub fn head(&self) -> Option<Head> {
        let hash: Hash = unhex(&self.head)?.try_into().ok()?;
        Some(Head {
            count: self.records,
            hash,
        })
    }

    /// What its signature is worth, beside a key to trust where there is one.
    pub fn signed(&self, trusted: Option<&PublicKey>) -> Signed {
        let (Some(key), Some(signature)) = (&self.key, &self.signature) else {
            return Signed::No;
        };
        let fits = |key: &[u8]| {
            let signature = unhex(signature).unwrap_or_default();
            let key = UnparsedPublicKey::new(&ED25519, key);
            key.verify(&self.signed_bytes(), &signature).is_ok()
        };
        match trusted {
            Some(PublicKey(trusted)) if fits(trusted) => Signed::ByThisKey,
            None if fits(&unhex(key).unwrap_or_default()) => Signed::ByItsOwnKey,
            Some(_) | None => Signed::Wrong,
        }
    }

    /// The anchor on one line.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Adds it to a file, and waits until it is on disk.
    pub fn append(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(format!("{}\n", self.line()).as_bytes())?;
        file.sync_data()
    }

    /// The anchors of a file, oldest first. Empty lines are passed over.
    pub fn read(path: &Path) -> Result<Vec<Self>, AnchorError> {
        let text = std::fs::read_to_string(path).map_err(|source| io_error(path, source))?;
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(index, line)| {
                let parsed: Option<Self> = serde_json::from_str(line).ok();
                let sound = |anchor: &Self| anchor.v == VERSION && anchor.head().is_some();
                parsed.filter(sound).ok_or_else(|| AnchorError::Line {
                    path: path.to_path_buf(),
                    line: index + 1,
                })
            })
            .collect()
    }

    /// What a signature is over: every figure of the anchor, each on a line of its own.
    fn signed_bytes(&self) -> Vec<u8> {
        let (version, records, head, at) = (self.v, self.records, &self.head, self.at);
        format!("firstline head {version}\nrecords {records}\nhead {head}\nat {at}\n").into_bytes()
    }
}

impl SigningKey {
    /// The key in a file.
    pub fn read(path: &Path) -> Result<Self, AnchorError> {
        let wanted = "Ed25519 private key in PEM";
        let bytes = read_pem(path, "PRIVATE KEY", wanted)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes);
        pair.map(|pair| Self(Arc::new(pair)))
            .map_err(|_| AnchorError::Key {
                path: path.to_path_buf(),
                wanted,
            })
    }

    /// Makes a key and writes it to a new file that only its owner may read, and its public half beside it as `.pub`.
    pub fn generate(path: &Path) -> Result<PathBuf, AnchorError> {
        let mut seed = [0; 32];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| AnchorError::Random)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| AnchorError::Random)?;
        let private = pem("PRIVATE KEY", &[&PRIVATE_HEAD[..], &seed].concat());
        let public = pem(
            "PUBLIC KEY",
            &[&PUBLIC_HEAD[..], pair.public_key().as_ref()].concat(),
        );
        let mut beside = path.as_os_str().to_owned();
        beside.push(".pub");
        let beside = PathBuf::from(beside);
        write_new(path, &private, 0o600).map_err(|source| io_error(path, source))?;
        write_new(&beside, &public, 0o644).map_err(|source| io_error(&beside, source))?;
        Ok(beside)
    }
}

impl PublicKey {
    /// The key in a file.
    pub fn read(path: &Path) -> Result<Self, AnchorError> {
        let wanted = "Ed25519 public key in PEM";
        let bytes = read_pem(path, "PUBLIC KEY", wanted)?;
        let key = bytes.strip_prefix(&PUBLIC_HEAD[..]);
        key.and_then(|key| key.try_into().ok())
            .map(Self)
            .ok_or_else(|| AnchorError::Key {
                path: path.to_path_buf(),
                wanted,
            })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn read_pem(path: &Path, label: &str, wanted: &'static str) -> Result<Vec<u8>, AnchorError> {
    let text = std::fs::read_to_string(path).map_err(|source| io_error(path, source))?;
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let within = text.trim().strip_prefix(&begin);
    let within = within.and_then(|text| text.strip_suffix(&end));
    let letters: Option<String> = within.map(|text| text.split_whitespace().collect());
    let bytes = letters.and_then(|letters| STANDARD.decode(letters).ok());
    bytes.ok_or_else(|| AnchorError::Key {
        path: path.to_path_buf(),
        wanted,
    })
}

/// Never over a file that is there: a key that was in use would be lost.
fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = create_new(path, mode)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(unix)]
fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}

#[cfg(not(unix))]
fn create_new(path: &Path, _: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn io_error(path: &Path, source: io::Error) -> AnchorError {
    AnchorError::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// As hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    let pairs = digits.chunks_exact(2);
    Some(pairs.map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

#[cfg(test)]
#[path = "anchor_tests.rs"]
mod tests;
