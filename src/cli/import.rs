//! `firstline import`: another gateway's config as a policy of ours.

use super::{check, show};
use crate::config::{self, Problem};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct Import {
    #[command(subcommand)]
    source: Source,
}

#[derive(Subcommand)]
enum Source {
    /// A LiteLLM proxy's config.yaml: prints the policy, and on standard error each line that was not carried over, why,
    /// and what to write by hand. Keys in plain text become references and are never printed
    Litellm(Litellm),
}

#[derive(Args)]
struct Litellm {
    /// LiteLLM's config
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the policy here, where no file is yet; else it is printed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the notes as JSON lines
    #[arg(long)]
    json: bool,
}

pub(super) fn import(asked: &Import) -> anyhow::Result<bool> {
    let Source::Litellm(asked) = &asked.source;
    match config::import_litellm(&asked.file) {
        Ok(made) => {
            tell(&made.notes, asked.json);
            give(&made.text, asked.output.as_deref())
        }
        Err(problems) => {
            tell(&problems, asked.json);
            Ok(false)
        }
    }
}

fn tell(notes: &[Problem], as_json: bool) {
    for note in notes {
        if as_json {
            show::note(&check::as_json(note).to_string());
        } else {
            show::note(&note.to_string());
        }
    }
}

/// Prints the policy, or writes it and says what comes next; exits with 1 where it could not be loaded.
fn give(text: &str, output: Option<&Path>) -> anyhow::Result<bool> {
    let file = output.unwrap_or_else(|| Path::new("the policy"));
    let wrong = config::parse(text, file, &check::environment).err();
    let wrong = wrong.unwrap_or_default();
    tell(&wrong, false);
    match output {
        None => show::line(text.trim_end()),
        Some(path) => {
            write_new(path, text)?;
            let path = path.display();
            show::line(&format!("wrote {path}; next: firstline check {path}"));
        }
    }
    Ok(wrong.is_empty())
}

/// Writes a file that was not there: a policy that somebody changed by hand is not overwritten.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    use anyhow::Context;
    use std::io::Write;
    let opened = std::fs::File::create_new(path);
    let mut file = opened.with_context(|| format!("{} cannot be made", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("{} cannot be written", path.display()))
}
