//! Where tests find the runtime library and the shipped model. Both must be there: a test that skips proves nothing.

use super::{Catalog, EncoderFiles, LibraryTrust, Runtime, load_runtime};
use serde::Deserialize;
use std::path::{Path, PathBuf};

pub(crate) fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

pub(crate) fn library() -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are started with it, as ONNX Runtime's own are"
    )]
    let given = std::env::var_os("ORT_DYLIB_PATH");
    given.map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(".cache/onnxruntime-1.31.1/libonnxruntime.so")
        },
        PathBuf::from,
    )
}

pub(crate) fn runtime() -> Runtime {
    match load_runtime(&library(), LibraryTrust::Operator) {
        Ok(runtime) => runtime,
        Err(error) => panic!("this test needs ONNX Runtime: {error}"),
    }
}

pub(crate) fn encoder_files() -> EncoderFiles {
    let catalog = Catalog::open(&models()).expect("this test needs the shipped model");
    let package = catalog
        .package("firstline-encoder")
        .expect("it is in the manifest");
    catalog.encoder(package).expect("its files are whole")
}

/// What the training side computed for one text.
#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) text: String,
    pub(crate) ids: Vec<i64>,
    pub(crate) embedding_first8: Vec<f32>,
    pub(crate) features: Vec<f64>,
    pub(crate) complexity: f32,
    pub(crate) attack: f32,
    pub(crate) topic: Option<String>,
    pub(crate) topic_probability: f32,
}

pub(crate) fn golden() -> Vec<Golden> {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Golden>,
    }
    let path = models().join("firstline-encoder/golden.json");
    let json = std::fs::read(path).expect("this test needs the shipped model");
    let file: File =
        serde_json::from_slice(&json).expect("it is the file that models/train writes");
    file.cases
}
