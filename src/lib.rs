//! Firstline: a hybrid SLM/LLM routing gateway.
//!
//! The rooms, in reading order; each names only rooms above it (`tests/gateway/layers.rs` holds the table).

pub mod domain;

pub mod wire;

pub mod policy;

pub mod calibration;

pub mod privacy;

pub mod inference;

pub mod signals;

pub mod learning;

pub mod knowledge;

pub mod local;

pub mod upstream;

pub mod handoff;

pub mod hub;

pub mod similar;

pub mod shared;

pub mod cache;

pub mod limits;

pub mod ledger;

pub mod replay;

pub mod telemetry;

pub mod report;

pub mod pipeline;

pub mod server;

pub mod config;

pub mod cases;

pub mod app;

pub mod demo;

pub mod cli;
