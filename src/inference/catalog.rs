//! What models are installed, and whether their files are the ones that the manifest names.

use super::digest::{sha256_hex, sha256_hex_of};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The models of one folder, as its `manifest.json` names them.
#[derive(Debug, Clone)]
pub struct Catalog {
    folder: PathBuf,
    packages: Vec<Package>,
}

/// One model: what it is for, under which licence, and its files.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// The name used in configs.
    pub name: String,
    /// What it is for, in a few words.
    #[serde(default)]
    pub purpose: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// SPDX id of its licence.
    #[serde(rename = "licence")]
    pub license: String,
    /// Where it comes from.
    #[serde(default)]
    pub source: String,
    /// Its files.
    pub files: Vec<PackageFile>,
    /// Numbers in an embedding; 0 for a model that gives none.
    #[serde(default)]
    pub embedding_dim: usize,
    /// Most tokens of one text, special tokens included; 0 where the manifest does not say.
    #[serde(default)]
    pub max_tokens: usize,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PackageFile {
    /// Its path below the folder of the manifest.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// An encoder's files, verified and in memory.
#[derive(Clone)]
pub struct EncoderFiles {
    /// The ONNX file.
    pub model: Vec<u8>,
    /// The `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// The `heads.json` that belongs to it.
    pub heads: Vec<u8>,
    /// SHA-256 of the ONNX file, by which the heads name their encoder.
    pub model_sha256: String,
    /// Numbers in an embedding.
    pub embedding_dim: usize,
    /// Most tokens of one text.
    pub max_tokens: usize,
}

/// A file that is not what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {fault}", .file.display())]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, and what would be right.
    pub fault: Fault,
}

/// What is wrong with a file. Lengths in bytes, digests in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "found and expected say it")]
pub enum Fault {
    /// There is no such file.
    Missing,
    /// It is shorter than it should be: a copy or download broke off.
    Truncated { found: u64, expected: u64 },
    /// It is longer than it should be.
    TooLong { found: u64, expected: u64 },
    /// It has the right length and other content.
    WrongDigest { found: String, expected: String },
    /// The manifest does not name a file that is needed.
    NotNamed,
    /// The system could not read it, in its words.
    Unreadable(String),
}

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The manifest cannot be read.
    #[error("{}: cannot be read: {source}", .file.display())]
    Unreadable {
        /// The manifest.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The manifest is not understood.
    #[error("{}: {reason}", .file.display())]
    Malformed {
        /// The manifest.
        file: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Manifest {
    version: u32,
    models: Vec<Package>,
}

impl Package {
    /// SHA-256 of its file of that name, as the manifest states it.
    pub fn sha256_of(&self, name: &str) -> Option<&str> {
        let mut files = self.files.iter();
        files
            .find(|file| file.path.file_name().is_some_and(|last| last == name))
            .map(|file| &*file.sha256)
    }
}

impl Catalog {
    /// Reads `manifest.json` of a folder; opens no other file.
    pub fn open(folder: &Path) -> Result<Self, CatalogError> {
        let file = folder.join("manifest.json");
        match fs::read(&file) {
            Ok(json) => Self::parse(folder, &json)
                .map_err(|reason| CatalogError::Malformed { file, reason }),
            Err(source) => Err(CatalogError::Unreadable { file, source }),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The models, in the manifest's order.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The model of that name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Every file that is not what the manifest says; empty when all is well.
    pub fn verify(&self) -> Vec<Problem> {
        let files = self.files().into_iter();
        files.filter_map(|file| self.check(file)).collect()
    }

    /// The files of all models, each once: two models may share one.
    pub fn files(&self) -> Vec<&PackageFile> {
        let mut seen = BTreeSet::new();
        let files = self.packages.iter().flat_map(|package| &package.files);
        files.filter(|file| seen.insert(&file.path)).collect()
    }

    /// Compares one file without holding it in memory: a pulled model may have gigabytes.
    fn check(&self, file: &PackageFile) -> Option<Problem> {
        let path = self.folder.join(&file.path);
        let fault = match digest_of(&path, file.bytes) {
            Ok((length, digest)) => fault_of(length, || digest, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Fault::Missing,
            Err(error) => Fault::Unreadable(error.to_string()),
        };
        Some(Problem { file: path, fault })
    }

    /// Reads one file whole. What is returned is what was verified; the file is not opened twice.
    pub fn read(&self, file: &PackageFile) -> Result<Vec<u8>, Problem> {
        let path = self.folder.join(&file.path);
        let checked = match fs::read(&path) {
            Ok(bytes) => match fault_of(bytes.len() as u64, || sha256_hex(&bytes), file) {
                None => Ok(bytes),
                Some(fault) => Err(fault),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Fault::Missing),
            Err(error) => Err(Fault::Unreadable(error.to_string())),
        };
        checked.map_err(|fault| Problem { file: path, fault })
    }

    /// Reads and verifies the files of an encoder: `encoder.onnx`, `tokenizer.json`, `heads.json`.
    pub fn encoder(&self, package: &Package) -> Result<EncoderFiles, Problem> {
        let model = self.named(package, "encoder.onnx")?;
        Ok(EncoderFiles {
            model: self.read(model)?,
            tokenizer: self.read(self.named(package, "tokenizer.json")?)?,
            heads: self.read(self.named(package, "heads.json")?)?,
            model_sha256: model.sha256.clone(),
            embedding_dim: package.embedding_dim,
            max_tokens: package.max_tokens,
        })
    }

    /// Reads and verifies the heads of an encoder alone. Gives them with the SHA-256 that the manifest states for the
    /// encoder, which is not opened.
    pub fn heads(&self, package: &Package) -> Result<(Vec<u8>, String), Problem> {
        let heads = self.read(self.named(package, "heads.json")?)?;
        let model = self.named(package, "encoder.onnx")?;
        Ok((heads, model.sha256.clone()))
    }

    fn named<'p>(&self, package: &'p Package, name: &str) -> Result<&'p PackageFile, Problem> {
        let mut files = package.files.iter();
        files
            .find(|file| file.path.file_name().is_some_and(|last| last == name))
            .ok_or_else(|| Problem {
                file: self.folder.join(&package.name).join(name),
                fault: Fault::NotNamed,
            })
    }

    fn parse(folder: &Path, json: &[u8]) -> Result<Self, String> {
        let manifest: Manifest = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if manifest.version != 1 {
            return Err(format!("version is {}, expected 1", manifest.version));
        }
        for file in manifest.models.iter().flat_map(|package| &package.files) {
            stays_inside(&file.path)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            packages: manifest.models,
        })
    }
}

impl fmt::Debug for EncoderFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncoderFiles")
            .field("model_sha256", &self.model_sha256)
            .field("embedding_dim", &self.embedding_dim)
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "the file is missing"),
            Self::Truncated { found, expected } => {
                write!(
                    f,
                    "the file is cut short: {found} bytes, expected {expected}"
                )
            }
            Self::TooLong { found, expected } => {
                write!(
                    f,
                    "the file is too long: {found} bytes, expected {expected}"
                )
            }
            Self::WrongDigest { found, expected } => {
                write!(
                    f,
                    "the content is another: SHA-256 {found}, expected {expected}"
                )
            }
            Self::NotNamed => write!(f, "the manifest does not name this file, and it is needed"),
            Self::Unreadable(reason) => write!(f, "the file cannot be read: {reason}"),
        }
    }
}

/// The length of a file, and its SHA-256 where the length is the one expected.
fn digest_of(path: &Path, expected: u64) -> io::Result<(u64, String)> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length != expected {
        return Ok((length, String::new()));
    }
    sha256_hex_of(&mut file).map(|digest| (length, digest))
}

fn fault_of(found: u64, digest: impl FnOnce() -> String, file: &PackageFile) -> Option<Fault> {
    let expected = file.bytes;
    if found < expected {
        return Some(Fault::Truncated { found, expected });
    }
    if found > expected {
        return Some(Fault::TooLong { found, expected });
    }
    let digest = digest();
    (digest != file.sha256).then(|| Fault::WrongDigest {
        found: digest,
        expected: file.sha256.clone(),
    })
}

/// A manifest from elsewhere must not make us read (and report the digest of) files outside its folder.
fn stays_inside(path: &Path) -> Result<(), String> {
    let inside = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    if inside {
        return Ok(());
    }
    Err(format!(
        "file `{}` leaves the folder of the manifest; paths are relative, without `..`",
        path.display()
    ))
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
