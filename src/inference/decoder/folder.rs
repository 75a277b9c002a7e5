//! A decoder's folder: which files it has, and whether all of them lie inside it, whole.
//!
//! ONNX Runtime would follow any path that a model names. So every path that a model of strangers can choose is
//! checked first: relative, without `..`, without symbolic links, and as long as the model says.

use super::survey::{External, Survey, survey};
use crate::inference::digest::{sha256_hex, sha256_hex_of};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Component, Path, PathBuf};

/// Why a decoder cannot be loaded. Each says which file or setting, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecoderError {
    /// A file that is needed is not there.
    #[error("the model's file {} is missing: {reason}", .path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What needs it.
        reason: String,
    },
    /// A file is there and is not what it should be.
    #[error("the model's file {} cannot be used: {reason}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A path leads out of the folder.
    #[error("the model's file {} leads out of its folder: {reason}", .path.display())]
    Escapes {
        /// The path.
        path: PathBuf,
        /// How, and what would be right.
        reason: String,
    },
    /// Slots and context need more memory than the settings allow.
    #[error(
        "the decoder's conversations may need {needed} bytes ({slots} slots of {context} tokens), over memory_bytes \
         {allowed}; lower slots or context, or raise memory_bytes"
    )]
    TooLarge {
        /// Bytes for all slots at full length.
        needed: u64,
        /// Bytes that the settings allow.
        allowed: u64,
        /// Conversations side by side.
        slots: usize,
        /// Tokens of each.
        context: usize,
    },
    /// A setting is out of its range.
    #[error("the decoder's setting {name} is {found}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: usize,
        /// What would be right.
        expected: &'static str,
    },
    /// The graph, the tokenizer or the runtime does not do what a decoder must.
    #[error("the decoder cannot be run: {0}")]
    Failed(String),
}

/// The files of a decoder, checked.
pub(in crate::inference) struct DecoderFolder {
    /// The graph's path.
    pub(in crate::inference) graph: PathBuf,
    /// Files beside it that hold its weights, each once.
    pub(super) weights: Vec<PathBuf>,
    /// The graph's attention takes one buffer for past and present.
    pub(super) shares_buffers: bool,
    /// tokenizer.json.
    pub(in crate::inference) tokenizer: Vec<u8>,
    /// config.json, or null; likewise the others.
    pub(in crate::inference) config: Value,
    /// generation_config.json.
    pub(super) generation: Value,
    /// genai_config.json.
    pub(super) genai: Value,
    /// tokenizer_config.json.
    pub(super) tokenizer_config: Value,
    /// The chat template, if the folder has one.
    pub(super) template: Option<String>,
}

/// Names of graphs in the layouts of the hub, in the order in which they are looked for, beside the tokenizer and in
/// `onnx/`.
const GRAPHS: [&str; 8] = [
    "model.onnx",
    "model_q4.onnx",
    "model_quantized.onnx",
    "model_int8.onnx",
    "model_q4f16.onnx",
    "model_fp16.onnx",
    "decode.onnx",
    "decoder_with_past_model.onnx",
];

/// The largest of the text files: a tokenizer with 250,000 tokens takes 35 MB.
const LARGEST_TEXT: u64 = 128 << 20;

impl DecoderFolder {
    /// Finds and checks the files. `graph` names one of several graphs, relative to the folder.
    pub(in crate::inference) fn open(
        folder: &Path,
        graph: Option<&Path>,
    ) -> Result<Self, DecoderError> {
        let root = folder
            .canonicalize()
            .map_err(|error| missing(folder, &error.to_string()))?;
        let read = |name: &str| read_json(&root, name);
        let (genai, tokenizer_config) =
            (read("genai_config.json")?, read("tokenizer_config.json")?);
        let graph = find_graph(&root, graph, &genai)?;
        let survey = survey_of(&graph)?;
        let mut weights = BTreeSet::new();
        for external in &survey.external {
            weights.insert(check_external(&root, &graph, external)?);
        }
        Ok(Self {
            graph,
            weights: weights.into_iter().collect(),
            shares_buffers: survey.shares_buffers,
            tokenizer: read_file(&root, "tokenizer.json")?.ok_or_else(|| {
                missing(&root.join("tokenizer.json"), "a model needs its tokenizer")
            })?,
            config: read("config.json")?,
            generation: read("generation_config.json")?,
            template: read_template(&root, &tokenizer_config)?,
            genai,
            tokenizer_config,
        })
    }

    /// SHA-256 over what decides which answers come: graph, weights, tokenizer and template, each by its own digest. Reads all
    /// of them.
    pub(super) fn sha256(&self) -> Result<String, DecoderError> {
        let mut digests = vec![
            sha256_hex(&self.tokenizer),
            sha256_hex(self.template.as_deref().unwrap_or_default().as_bytes()),
        ];
        for path in std::iter::once(&self.graph).chain(&self.weights) {
            let digest = File::open(path).and_then(|mut file| sha256_hex_of(&mut file));
            digests.push(digest.map_err(|error| unusable(path, &error.to_string()))?);
        }
        Ok(sha256_hex(digests.join("\n").as_bytes()))
    }
}

fn find_graph(root: &Path, given: Option<&Path>, genai: &Value) -> Result<PathBuf, DecoderError> {
    let named = genai
        .pointer("/model/decoder/filename")
        .and_then(Value::as_str)
        .map(Path::new);
    if let Some(named) = given.or(named) {
        let path = inside(root, root, named)?;
        return path.ok_or_else(|| {
            missing(
                &root.join(named),
                "the settings or genai_config.json name it as the graph",
            )
        });
    }
    for name in GRAPHS
        .iter()
        .flat_map(|name| [Path::new(name).to_owned(), Path::new("onnx").join(name)])
    {
        if let Some(path) = inside(root, root, &name)? {
            return Ok(path);
        }
    }
    let wanted = format!("none of {} is there, nor in onnx/", GRAPHS.join(", "));
    Err(missing(&root.join(GRAPHS[0]), &wanted))
}

fn survey_of(graph: &Path) -> Result<Survey, DecoderError> {
    let file = File::open(graph).map_err(|error| unusable(graph, &error.to_string()))?;
    let length = length_of(graph)?;
    survey(BufReader::new(file), length)
        .ok_or_else(|| unusable(graph, "it is no ONNX file, or cut short; fetch it again"))
}

/// A tensor in another file: that file must be in the folder and long enough.
fn check_external(root: &Path, graph: &Path, external: &External) -> Result<PathBuf, DecoderError> {
    let beside = graph.parent().unwrap_or(root);
    let location = Path::new(&external.location);
    let path = inside(root, beside, location)?
        .ok_or_else(|| missing(&beside.join(location), "the graph keeps weights in it"))?;
    let found = length_of(&path)?;
    let end = external.offset.checked_add(external.length.unwrap_or(0));
    match end {
        Some(end) if end <= found => Ok(path),
        _ => Err(unusable(
            &path,
            &format!(
                "it is cut short: it has {found} bytes and the graph looks for a weight behind them; fetch it again"
            ),
        )),
    }
}

/// The regular file `name` of `folder`, if it is there, and an error if it leads out of `root` or is no plain file.
fn inside(root: &Path, folder: &Path, name: &Path) -> Result<Option<PathBuf>, DecoderError> {
    let plain = name
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain || name.as_os_str().is_empty() {
        return Err(escapes(
            name,
            "paths are relative to the folder, without `..`",
        ));
    }
    let mut path = folder.to_owned();
    for part in name.components() {
        path.push(part);
        match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&path, &error.to_string())),
            Ok(data) if data.is_symlink() => {
                return Err(escapes(
                    &path,
                    "it is a symbolic link; put the file itself in its place",
                ));
            }
            Ok(_) => {}
        }
    }
    let whole = path
        .canonicalize()
        .map_err(|error| unusable(&path, &error.to_string()))?;
    if !whole.starts_with(root) {
        return Err(escapes(
            &path,
            "it lies elsewhere; put the file itself in its place",
        ));
    }
    if !whole.is_file() {
        return Err(unusable(&path, "it is no file"));
    }
    Ok(Some(whole))
}

fn read_template(root: &Path, tokenizer_config: &Value) -> Result<Option<String>, DecoderError> {
    if let Some(bytes) = read_file(root, "chat_template.jinja")? {
        let path = root.join("chat_template.jinja");
        let text = String::from_utf8(bytes).map_err(|_| unusable(&path, "it is not UTF-8"))?;
        return Ok(Some(text));
    }
    let template = &tokenizer_config["chat_template"];
    let default = template
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["name"] == "default");
    let text = default.map_or(template, |one| &one["template"]);
    Ok(text.as_str().map(str::to_owned))
}

fn read_json(root: &Path, name: &str) -> Result<Value, DecoderError> {
    let Some(bytes) = read_file(root, name)? else {
        return Ok(Value::Null);
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| unusable(&root.join(name), &format!("it is no JSON: {error}")))
}

fn read_file(root: &Path, name: &str) -> Result<Option<Vec<u8>>, DecoderError> {
    let Some(path) = inside(root, root, Path::new(name))? else {
        return Ok(None);
    };
    if length_of(&path)? > LARGEST_TEXT {
        return Err(unusable(&path, "it is over 128 MiB"));
    }
    fs::read(&path)
        .map(Some)
        .map_err(|error| unusable(&path, &error.to_string()))
}

fn length_of(path: &Path) -> Result<u64, DecoderError> {
    let data = path
        .metadata()
        .map_err(|error| unusable(path, &error.to_string()))?;
    Ok(data.len())
}

fn missing(path: &Path, reason: &str) -> DecoderError {
    DecoderError::Missing {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn unusable(path: &Path, reason: &str) -> DecoderError {
    DecoderError::Unusable {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn escapes(path: &Path, reason: &str) -> DecoderError {
    DecoderError::Escapes {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
