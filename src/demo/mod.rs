//! The main job on real input with nothing but this repository: a real gateway, a stand-in for the remote model, a
//! support conversation, and a table that says where each turn went and why.
//!
//! Only the far end is a stand-in (`remote`), and it says so in every answer. Everything else is what `serve` runs.

mod conversation;
mod remote;
mod table;

use crate::app::{self, Handle, Places};
use crate::config;
use crate::ledger;
use anyhow::{Context, anyhow, bail};
use conversation::Conversation;
use remote::StandIn;
use std::fs;
use std::path::{Path, PathBuf};
use table::{Row, Table};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Where the demo's policy says the remote model is, until the stand-in's port is known.
const PLACEHOLDER: &str = "http://127.0.0.1:1/v1";

/// A demo under way.
pub struct Running {
    handle: Handle,
    remote: StandIn,
    conversation: Conversation,
    journal: PathBuf,
    stop: oneshot::Sender<()>,
    gateway: JoinSet<usize>,
}

/// Starts the stand-in and a gateway in front of it, both on ports that are free.
pub async fn start(folder: &Path, places: &Places) -> anyhow::Result<Running> {
    let conversation = Conversation::read(&folder.join("conversation.yaml"))?;
    let remote = StandIn::start().await?;
    let journal = std::env::temp_dir().join(format!("firstline-demo-{}", std::process::id()));
    let file = folder.join("policy.yaml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
    let text = text.replace(PLACEHOLDER, &format!("http://{}/v1", remote.address()));
    let mut settings =
        config::parse(&text, &file, &config::process_environment).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow!("{}", lines.join("\n"))
        })?;
    settings.records.journal = Some(journal.clone());
    let gateway = app::build(settings, None, places)?;
    let handle = gateway.handle().clone();
    let (stop, stopped) = oneshot::channel();
    let mut running = JoinSet::new();
    running.spawn(gateway.run(async {
        // A dropped sender ends the gateway as well.
        let _ = stopped.await;
    }));
    Ok(Running {
        handle,
        remote,
        conversation,
        journal,
        stop,
        gateway: running,
    })
}

impl Running {
    /// Sends the conversation, one row a turn, then the sums. False when a kind of route was not seen at all.
    pub async fn converse(&self, print: &dyn Fn(&str)) -> anyhow::Result<bool> {
        print(&format!(
            "gateway on http://{}, stand-in for the remote model on http://{}\n",
            self.handle.api,
            self.remote.address()
        ));
        let mut table = Table::default();
        print(&Table::heading());
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://{}/v1/chat/completions", self.handle.api);
        for (number, turn) in self.conversation.turns().enumerate() {
            let row = Row::ask(&client, &url, number + 1, &turn).await?;
            print(&row.line());
            table.add(row);
        }
        print(&table.summary());
        Ok(table.saw_every_route())
    }

    /// Where gateway and stand-in can be reached while they are kept.
    pub fn where_to_reach(&self) -> String {
        format!(
            "\nkept running; end with Ctrl-C\n  OpenAI base URL  http://{}/v1   (model: auto)\n  metrics          http://{}/metrics\n  records          {}",
            self.handle.api,
            self.handle.admin,
            self.journal.display()
        )
    }

    /// Ends both, checks what was recorded, and clears up. Gives what the records say.
    pub async fn stop(mut self) -> anyhow::Result<String> {
        // The gateway may have ended by itself.
        let _ = self.stop.send(());
        while self.gateway.join_next().await.is_some() {}
        let proof = ledger::audit(&self.journal, &[])?;
        if let Some(finding) = proof.findings.first() {
            bail!("{}: {finding}", self.journal.display());
        }
        fs::remove_dir_all(&self.journal).with_context(|| self.journal.display().to_string())?;
        Ok(format!(
            "records: {} decisions, the hash chain holds",
            proof.records
        ))
    }
}
