//! The small models in the process: ONNX sessions, tokenizers, and the threads that own them. An encoder measures
//! texts; a decoder (folder `decoder`) writes them.
//!
//! Promises: each thread owns its engine outright, so nothing is locked while a model runs; the inbox is bounded and
//! a full one says [`Busy`](InferenceError::Busy) at once; callers who have left are skipped; an engine that panics
//! fails one request and no more; a model file is read only when its size and SHA-256 are those of the manifest.
//! Never logs, keeps or returns in an error a text it was given. Knows nothing of chat, policy or HTTP.

mod catalog;
mod decoder;
mod deterministic;
mod digest;
mod engine;
mod external;
mod hub_encoder;
mod model;
mod onnx;
mod runtime;
mod scores;
mod tokenizer;
mod worker;

pub use catalog::{Catalog, CatalogError, EncoderFiles, Fault, Package, PackageFile, Problem};
pub use decoder::{
    Chosen, Conversation, Decoder, DecoderError, DecoderFacts, DecoderSettings, DecoderThreads,
    End, EndReason, Event, Grammar, Job, Piece, Sampling, TokenUsage, Tokens, inspect_decoder,
    start_decoder,
};
pub use deterministic::DeterministicEngine;
pub use digest::sha256_hex;
pub use engine::{Encoding, Engine, EngineError, InferenceError};
pub use hub_encoder::{Encoded, HubEncoder};
pub use model::{Limits, Model, start};
pub use onnx::OnnxEngine;
pub use runtime::{LibraryTrust, Runtime, RuntimeError, find_runtime, load_runtime};
pub use scores::{TokenPlace, TokenScores};
pub use tokenizer::{TokenizedText, Tokenizer};
pub use worker::{Pool, Workers};

#[cfg(test)]
pub(crate) mod test_files;
