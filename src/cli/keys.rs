//! `firstline keys`: callers' keys, made, listed and revoked.

use super::show;
use crate::app::{self, NewKey};
use crate::domain::Moment;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a key and prints it, once; only its digest is kept
    Create(Create),
    /// Lists keys: whose each is, what it may be used for, and until when
    List(Listing),
    /// Takes a key away
    Revoke(Revoke),
}

#[derive(Args)]
struct Create {
    /// The configuration, which names the file in `keys.file`
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The caller of the configuration that it is for
    #[arg(long, value_name = "NAME")]
    caller: String,
    /// What it may be used to ask for, out of what its caller may; all of that where none is named
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    models: Vec<String>,
    /// Its last day, or the moment from which on it lets nobody in: 2027-03-31 or 2027-03-31T12:00:00Z, in UTC
    #[arg(long, value_name = "TIME", value_parser = end)]
    expires: Option<Moment>,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Listing {
    /// The configuration
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Revoke {
    /// The configuration
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// What the key is called in the list
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) fn keys(asked: Keys) -> anyhow::Result<bool> {
    match asked.command {
        Command::Create(asked) => create(asked),
        Command::List(asked) => list(&asked),
        Command::Revoke(asked) => {
            let file = app::revoke_key(&asked.config, &asked.id)?;
            show::line(&format!(
                "revoked {}; a gateway that runs with {} lets it in no more within a second",
                asked.id,
                file.display()
            ));
            Ok(true)
        }
    }
}

fn create(asked: Create) -> anyhow::Result<bool> {
    let wanted = NewKey {
        caller: asked.caller,
        models: asked.models,
        expires: asked.expires,
    };
    let made = app::create_key(&asked.config, &wanted)?;
    if asked.json {
        let shown = json!({"id": &*made.id, "caller": wanted.caller, "key": made.key});
        show::line(&shown.to_string());
        return Ok(true);
    }
    show::line(&made.key);
    show::error(&format!(
        "this is {} for {}; it is shown this once, and {} holds its digest alone",
        made.id,
        wanted.caller,
        made.file.display()
    ));
    Ok(true)
}

fn list(asked: &Listing) -> anyhow::Result<bool> {
    let (all, now) = (app::list_keys(&asked.config)?, crate::pipeline::now());
    if asked.json {
        let shown: Vec<serde_json::Value> = all
            .iter()
            .map(|(key, is_known)| {
                json!({
                    "id": &*key.id,
                    "caller": &*key.caller,
                    "created": key.created.map(|moment| moment.to_string()),
                    "models": key.models.as_ref().map(|models| models.iter().map(|name| &**name).collect::<Vec<_>>()),
                    "expires": key.expires.map(|moment| moment.to_string()),
                    "expired": key.expires.is_some_and(|end| end <= now),
                    "caller_known": is_known,
                })
            })
            .collect();
        show::line(&serde_json::Value::from(shown).to_string());
        return Ok(true);
    }
    for (key, is_known) in &all {
        let models = key.models.as_ref().map_or_else(
            || "all of its caller's models".to_owned(),
            |models| models.join(", "),
        );
        let end = match key.expires {
            None => "no end".to_owned(),
            Some(end) if end <= now => format!("expired at {end}"),
            Some(end) => format!("until {end}"),
        };
        let lost = if *is_known { "" } else { "  (no such caller)" };
        show::line(&format!(
            "{}  {}  {models}  {end}{lost}",
            key.id, key.caller
        ));
    }
    Ok(true)
}

fn end(text: &str) -> Result<Moment, String> {
    Moment::parse_end(text)
        .ok_or_else(|| "write 2027-03-31 or 2027-03-31T12:00:00Z, in UTC".to_owned())
}
