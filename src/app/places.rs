//! Where files that come with Firstline are found.

use std::path::{Path, PathBuf};

/// The ONNX Runtime release whose library is looked for.
const RUNTIME_FOLDER: &str = "onnxruntime-1.31.1";

/// Folders that may hold what comes with Firstline, nearest first: the working directory, then the folders above the
/// program (a checkout's `target/release`), then `../share/firstline` beside it (an installation).
#[derive(Debug, Clone)]
pub struct Places {
    roots: Vec<PathBuf>,
    runtime: Option<PathBuf>,
    kept: Option<PathBuf>,
}

impl Places {
    /// The usual places. `runtime` is the operator's own ONNX Runtime library (`ORT_DYLIB_PATH`), which goes before
    /// all others.
    pub fn usual(runtime: Option<PathBuf>) -> Self {
        let mut roots: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
        if let Ok(program) = std::env::current_exe() {
            roots.extend(program.ancestors().skip(1).take(3).map(Path::to_path_buf));
            roots.extend(
                program
                    .parent()
                    .map(|folder| folder.join("../share/firstline")),
            );
        }
        Self {
            roots,
            runtime,
            kept: None,
        }
    }

    /// The same with a folder for what can be made again, where the user has one.
    #[must_use]
    pub fn keeping_in(mut self, folder: Option<PathBuf>) -> Self {
        self.kept = folder;
        self
    }

    /// The folder for what can be made again.
    pub fn kept(&self) -> Option<&Path> {
        self.kept.as_deref()
    }

    /// The operator's own library, where one was named.
    pub fn own_runtime(&self) -> Option<&Path> {
        self.runtime.as_deref()
    }

    /// Folders in which the library may lie.
    pub fn runtime_folders(&self) -> Vec<PathBuf> {
        let under = |root: &PathBuf| {
            [
                root.join(".cache").join(RUNTIME_FOLDER),
                root.join(RUNTIME_FOLDER),
            ]
        };
        self.roots.iter().flat_map(under).collect()
    }

    /// The folder with the models' manifest: the first that has one, else where it would be.
    pub fn models(&self) -> PathBuf {
        self.first_with("models", "manifest.json")
    }

    /// The folder with the demo's files.
    pub fn demo(&self) -> PathBuf {
        self.first_with("demo", "policy.yaml")
    }

    fn first_with(&self, folder: &str, file: &str) -> PathBuf {
        let mut folders = self.roots.iter().map(|root| root.join(folder));
        folders
            .find(|folder| folder.join(file).is_file())
            .unwrap_or_else(|| PathBuf::from(folder))
    }
}
