//! One YAML file to settings: read, resolved and checked, or every mistake at once.
//!
//! Promises: what comes out contradicts itself nowhere; one reading lists all mistakes, each with file, line, path and
//! remedy; no secret is in a message or in `Debug`; a hostile file costs a bounded amount of memory and time. Only
//! `secrets` asks for environment variables and secret files. Never does: open a listener, a model or a journal.
//!
//! A file becomes a tree in which every value knows its line (`tree`), and one file per section reads the tree
//! through typed accessors that note a mistake and go on (`reader`).

mod callers;
mod cloud;
mod cost;
mod cover;
mod defaults;
mod dialect;
mod engine;
mod example;
mod human;
mod import;
mod keys;
mod known;
mod lapse;
mod latency;
mod lint;
mod lint_latency;
mod lint_listen;
mod lint_modes;
mod lint_shared;
mod lint_stand_ins;
mod load;
mod models;
mod modes;
mod place;
mod pool;
mod prices;
mod privacy;
mod problem;
mod process;
mod prove;
mod reach;
mod reader;
mod redis;
mod route;
mod schema;
mod secrets;
mod server;
mod settings;
mod topics;
mod tree;

pub use defaults::defaults;
pub use import::{Imported, import_litellm};
pub use keys::{KeyEntry, keys_file, keys_text, read_keys};
pub use lapse::lapsed;
pub use lint::lint;
pub use load::{load, parse};
pub use prices::{PriceSource, prices_as_of};
pub use problem::{Problem, Severity};
pub use process::{process_environment, user_folder};
pub use schema::schema;
pub use settings::{
    CacheSettings, Canary, Collector, Desk, EncoderSettings, Engine, ExactSettings,
    PromiseSettings, RecordSettings, SemanticSettings, ServerSettings, Settings, SharedBudgets,
    SharedCache, Source, TelemetrySettings, TlsFiles, TopicSettings, TopicSource, UpstreamSettings,
};
pub use topics::unknown_topics;

#[cfg(test)]
mod tests;
