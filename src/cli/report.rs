//! `firstline report`: what was spent and saved.

use super::audit::{self, Which};
use super::show;
use crate::config;
use crate::report::{Spend, page};
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

/// Where the journal lies where the shipped policies put it.
const USUAL: &str = "data/journal";

#[derive(Args)]
pub(super) struct Report {
    /// The journal's folder
    #[arg(default_value = USUAL)]
    journal: PathBuf,
    /// The journal that this configuration names
    #[arg(long, short, value_name = "FILE", conflicts_with = "journal")]
    config: Option<PathBuf>,
    /// Of this data class only
    #[arg(long, value_name = "CLASS")]
    data_class: Option<String>,
    #[command(flatten)]
    which: Which,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Html,
}

pub(super) fn report(asked: Report) -> anyhow::Result<bool> {
    let journal = journal(&asked)?;
    let filter = audit::filter(asked.data_class, &asked.which)?;
    let mut spend = Spend::new(filter.clone());
    audit::each(&journal, &filter, |record| spend.add(record))?;
    let heading = format!("Firstline: {}", journal.display());
    let (tables, unknown) = (spend.tables(), spend.unknown());
    let format = if asked.json {
        Format::Json
    } else {
        asked.format
    };
    match format {
        Format::Text => show::line(page::text(&heading, &tables, &unknown).trim_end()),
        Format::Html => show::line(page::html(&heading, &tables, &unknown).trim_end()),
        Format::Json => show::json(&json!({"journal": journal, "report": spend.as_json()})),
    }
    Ok(true)
}

/// The folder named, or the one that the configuration names.
fn journal(asked: &Report) -> anyhow::Result<PathBuf> {
    let Some(file) = &asked.config else {
        return Ok(asked.journal.clone());
    };
    let settings = config::load(file, &config::process_environment).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(lines.join("\n"))
    })?;
    let journal = settings.records.journal;
    journal.with_context(|| format!("{}: `records.journal` names no folder", file.display()))
}
