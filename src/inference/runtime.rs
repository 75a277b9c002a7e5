//! Finds and loads the ONNX Runtime library.
//!
//! The library is code that runs in this process, so it is loaded only when its SHA-256 is one of those below, or
//! when the operator vouches for their own. ONNX Runtime allows one environment per process; it is kept here.

use super::digest::sha256_hex;
use ort::environment::Environment;
use ort::logging::LogLevel;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The loaded library. A cheap handle.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
}

/// Whose word we take for a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibraryTrust {
    /// Only the published build whose digest is written in this file.
    Pinned,
    /// The operator names their own build and answers for it.
    Operator,
}

/// Why there is no runtime. Each ends with the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// No file.
    #[error("the ONNX Runtime library is missing at {}; run `make runtime`", .path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Not the published build.
    #[error(
        "the ONNX Runtime library at {} has SHA-256 {found}, expected {expected}; run `make runtime`",
        .path.display()
    )]
    WrongDigest {
        /// The library.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// The digest it should have.
        expected: &'static str,
    },
    /// No digest is known for this kind of machine.
    #[error(
        "no published ONNX Runtime library is known for {platform}; name one of your own in the config, or on a \
         supported machine run `make runtime`"
    )]
    UnknownPlatform {
        /// System and processor.
        platform: String,
    },
    /// An older version than this program was built for.
    #[error(
        "the ONNX Runtime library at {} is version {found}, expected 1.31 or later; run `make runtime`",
        .path.display()
    )]
    TooOld {
        /// The library.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// It is there and cannot be used.
    #[error("the ONNX Runtime library at {} cannot be loaded ({reason}); run `make runtime`", .path.display())]
    Unusable {
        /// The library.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// ONNX Runtime 1.31.1 as published in the wheels on PyPI.
const PUBLISHED: [(&str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
    ),
    (
        "linux",
        "aarch64",
        "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
    ),
    (
        "macos",
        "aarch64",
        "f8b06155feece624e55e49124340eea279da812529ae6fbc46a9f2be9c9cad2e",
    ),
    (
        "windows",
        "x86_64",
        "8482d2ee174e28504f99730fb01d6861575870283de4ed3a897ad39170d9a9b9",
    ),
];

/// The one environment that ONNX Runtime allows a process. It is never dropped: a second one could not be made.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// Where the library is: the operator's own path as it stands, or else the first of `folders` that has it.
pub fn find_runtime(given: Option<&Path>, folders: &[PathBuf]) -> Result<PathBuf, RuntimeError> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let candidates = || folders.iter().map(|folder| folder.join(library_name()));
    candidates()
        .find(|path| path.is_file())
        .ok_or_else(|| RuntimeError::Missing {
            path: candidates().next().unwrap_or_else(|| library_name().into()),
        })
}

/// Checks and loads the library. Loading again checks the file again and gives the library loaded first.
pub fn load_runtime(path: &Path, trust: LibraryTrust) -> Result<Runtime, RuntimeError> {
    // A relative path would be looked for beside the executable first.
    let path = std::path::absolute(path).map_err(|error| unusable(path, &error))?;
    check(&path, trust)?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*loaded {
        return Ok(runtime.clone());
    }
    let environment = ort::init_from(&path)
        .map_err(|error| not_loaded(&path, &error))?
        .with_name("firstline")
        .with_telemetry(false)
        .build()
        .map_err(|error| unusable(&path, &error))?;
    environment.set_log_level(LogLevel::Error);
    let runtime = Runtime { environment };
    *loaded = Some(runtime.clone());
    Ok(runtime)
}

impl Runtime {
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Version and build of the loaded library, in its own words.
    pub fn build_info(&self) -> &'static str {
        ort::info()
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runtime")
    }
}

fn library_name() -> &'static str {
    match std::env::consts::OS {
        "macos" => "libonnxruntime.dylib",
        "windows" => "onnxruntime.dll",
        _ => "libonnxruntime.so",
    }
}

fn check(path: &Path, trust: LibraryTrust) -> Result<(), RuntimeError> {
    if !path.is_file() {
        return Err(RuntimeError::Missing {
            path: path.to_owned(),
        });
    }
    match trust {
        LibraryTrust::Operator => Ok(()),
        LibraryTrust::Pinned => check_digest(path),
    }
}

fn check_digest(path: &Path) -> Result<(), RuntimeError> {
    let expected = published_digest(std::env::consts::OS, std::env::consts::ARCH)?;
    let library = fs::read(path).map_err(|error| unusable(path, &error))?;
    let found = sha256_hex(&library);
    if found == expected {
        return Ok(());
    }
    Err(RuntimeError::WrongDigest {
        path: path.to_owned(),
        found,
        expected,
    })
}

fn published_digest(system: &str, processor: &str) -> Result<&'static str, RuntimeError> {
    let published = PUBLISHED
        .iter()
        .find(|(os, arch, _)| *os == system && *arch == processor);
    match published {
        Some((_, _, digest)) => Ok(digest),
        None => Err(RuntimeError::UnknownPlatform {
            platform: format!("{system} {processor}"),
        }),
    }
}

fn not_loaded(path: &Path, error: &ort::LoadDynamicError) -> RuntimeError {
    match error {
        ort::LoadDynamicError::BadVersion { version_str, path } => RuntimeError::TooOld {
            path: path.clone(),
            found: version_str.clone(),
        },
        ort::LoadDynamicError::Dlopen { .. }
        | ort::LoadDynamicError::MissingApi { .. }
        | ort::LoadDynamicError::InvalidVersionString => unusable(path, error),
    }
}

fn unusable(path: &Path, reason: &impl std::fmt::Display) -> RuntimeError {
    RuntimeError::Unusable {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
mod tests;
