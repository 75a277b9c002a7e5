//! Reload: read the file again, check it whole, and only then put it in the old one's place.
//!
//! A thread of its own does it, because files are read and questions embedded there. It looks at the files' contents,
//! not at their times, so that a symlink swapped by Kubernetes is seen like an edit.

use super::answers;
use super::build::{acting, refuse_lapsed, untraced};
use super::engines::Engines;
use super::generation::{generation, needs_encoder};
use super::looks::looked_at;
use super::own::refuse_unknown_topics;
use super::places::Places;
use super::{Models, Unkept, keep_promises};
use crate::config;
use crate::domain::Endpoint;
use crate::pipeline::Generation;
use crate::server::Tls;
use crate::signals::Reader;
use crate::telemetry::Untraced;
use anyhow::{Context, anyhow};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The thread that reloads. Ends when this is dropped.
pub(super) struct Reloader {
    ask: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Watch {
    file: PathBuf,
    /// Digests of the file and then of each source, from before they were read.
    seen: Vec<[u8; 32]>,
    /// Why what is there now was refused, where it was.
    refused: Option<String>,
    server: config::ServerSettings,
    sources: Vec<PathBuf>,
    kept: Kept,
    live: watch::Sender<Arc<Generation>>,
}

/// What stays through reloads and has to know of them.
pub(super) struct Kept {
    pub(super) models: Models,
    pub(super) engines: Engines,
    pub(super) reader: Reader,
    pub(super) places: Places,
    /// Who looks at local servers is told which they are now.
    pub(super) looks: watch::Sender<Vec<Arc<Endpoint>>>,
    /// The semantic cache was made at start.
    pub(super) similar: bool,
    /// The collector, which is fixed at start, and the classes of which it is told nothing.
    pub(super) collector: Option<config::Collector>,
    pub(super) untraced: Untraced,
    /// The stores that replicas share, which are fixed at start.
    pub(super) shared: (Option<config::SharedBudgets>, Option<config::SharedCache>),
    /// What the listener proves itself with.
    pub(super) tls: Option<Tls>,
}

/// Watches the file that `settings` came from.
pub(super) fn watch(
    file: PathBuf,
    settings: &config::Settings,
    kept: Kept,
    live: watch::Sender<Arc<Generation>>,
) -> anyhow::Result<Reloader> {
    let sources = sources(settings);
    let loaded = std::iter::once(settings.digest);
    let seen = loaded.chain(seen(settings, &sources)).collect();
    let watch = Watch {
        file,
        seen,
        refused: None,
        server: settings.server.clone(),
        sources,
        kept,
        live,
    };
    let (ask, asked) = sync_channel(1);
    let thread = thread::Builder::new()
        .name("reload".into())
        .spawn(move || watch.run(&asked))?;
    Ok(Reloader {
        ask: Some(ask),
        thread: Some(thread),
    })
}

impl Reloader {
    /// A way to ask for a look now.
    pub(super) fn ask(&self) -> Option<SyncSender<()>> {
        self.ask.clone()
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Watch {
    fn run(mut self, asked: &Receiver<()>) {
        loop {
            match asked.recv_timeout(LOOK_EVERY) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) {
        let now = digests(&self.file, &self.sources);
        let is_new = now != self.seen;
        // What was refused is tried again although it did not change: a file that it names may have come.
        if !is_new && self.refused.is_none() {
            return;
        }
        self.seen = now;
        let refused = match self.reload() {
            Ok(stamp) => {
                tracing::info!(policy = %stamp, "reloaded");
                None
            }
            Err(error) => Some(format!("{error:#}")),
        };
        // The same reason for the same files is told once.
        if let Some(error) = refused
            .as_ref()
            .filter(|_| is_new || refused != self.refused)
        {
            tracing::error!(file = %self.file.display(), error, "reload refused; the old policy stays");
        }
        self.refused = refused;
    }

    fn reload(&mut self) -> anyhow::Result<Arc<str>> {
        let mut settings =
            config::load(&self.file, &config::process_environment).map_err(|problems| {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                anyhow!("{}", lines.join("\n"))
            })?;
        self.watch_sources(&settings);
        refuse_unknown_topics(&settings, &self.kept.places)?;
        refuse_lapsed(&settings)?;
        let unkept = keep_promises(&mut settings, &self.kept.places);
        if needs_encoder(&settings) && self.kept.models.encoder.is_none() {
            return Err(anyhow!(
                "the new policy needs the encoder, which is loaded at start only"
            ))
            .context("restart to use it");
        }
        if settings.policy.cache.semantic && !self.kept.similar {
            return Err(anyhow!(
                "the new policy has `cache.semantic`, which is set up at start only"
            ))
            .context("restart to use it");
        }
        self.keep_stores(&mut settings);
        let stays = (&self.kept.reader, &self.kept.engines);
        let generation = generation(&settings, &self.kept.models, stays, &unkept)?;
        settings.server.anonymous_confirmed = self.server.anonymous_confirmed;
        settings
            .refuse_open()
            .map_err(|problem| anyhow!("{problem}"))?;
        if let (Some(tls), Some(files)) = (&self.kept.tls, &settings.server.tls) {
            super::tls::replace(tls, files)?;
        }
        if settings.server != self.server {
            tracing::warn!(
                "listen, limits and debug_headers changed; they take effect at the next start"
            );
        }
        unkept.iter().for_each(Unkept::warn);
        let stamp = settings.policy.stamp.text.clone();
        let untraced = untraced(self.kept.collector.as_ref(), &settings);
        self.kept.untraced.replace(untraced);
        self.kept.looks.send_replace(looked_at(acting(&settings)));
        self.live.send_replace(Arc::new(generation));
        Ok(stamp)
    }

    /// The stores are those of the start. What the new file says of another one is no leave to use the old one, so nothing
    /// is shared until the next start.
    fn keep_stores(&self, settings: &mut config::Settings) {
        let (budgets, answers) = &self.kept.shared;
        if settings.shared_budgets != *budgets {
            tracing::warn!("`cost.shared` changed; it takes effect at the next start");
        }
        let url = |shared: &Option<config::SharedCache>| {
            shared.as_ref().map(|shared| shared.store.url.clone())
        };
        if url(&settings.cache.shared) == url(answers) {
            return;
        }
        tracing::warn!(
            "`cache.shared` names another store; nothing is shared until the next start"
        );
        settings.policy.cache.shared = None;
        for other in settings.beside_mut() {
            other.policy.cache.shared = None;
        }
    }

    /// Their digests are taken before they are read, so that a change meanwhile is seen at the next look.
    fn watch_sources(&mut self, settings: &config::Settings) {
        let sources = sources(settings);
        if sources != self.sources {
            self.seen.truncate(1);
            self.seen.extend(seen(settings, &sources));
            self.sources = sources;
        }
    }
}

/// Every file that a generation is made from, but for the first: those beside it, then what all of them name.
fn sources(settings: &config::Settings) -> Vec<PathBuf> {
    let others = settings.beside().map(|other| other.source.file.clone());
    let all = std::iter::once(settings).chain(settings.beside());
    others.chain(all.flat_map(named_by)).collect()
}

fn named_by(settings: &config::Settings) -> impl Iterator<Item = PathBuf> {
    let calibration = settings.promise.iter().flat_map(|promise| &promise.file);
    let answers = settings.desks.iter().flat_map(|desk| &desk.files);
    let files = answers.chain(calibration).cloned();
    let tls = settings.server.tls.iter();
    let tls = tls.flat_map(|tls| {
        [
            Some(&tls.certificate),
            Some(&tls.key),
            tls.client_ca.as_ref(),
        ]
    });
    let files = files.chain(tls.flatten().cloned());
    files
        .chain(settings.keys.clone())
        .chain(settings.topics.file())
}

/// The digests of the sources: of the files beside the first one as they were loaded, which need not be what is there by
/// now; of the rest as they are, because they are still to be read.
fn seen(settings: &config::Settings, sources: &[PathBuf]) -> Vec<[u8; 32]> {
    let loaded = settings.beside().map(|other| other.digest);
    let mut seen: Vec<[u8; 32]> = loaded.collect();
    let rest = sources.iter().skip(seen.len());
    seen.extend(rest.map(|path| answers::digest(path)));
    seen
}

/// The file's digest, then one for each source.
fn digests(file: &PathBuf, sources: &[PathBuf]) -> Vec<[u8; 32]> {
    let all = std::iter::once(file).chain(sources);
    all.map(|path| answers::digest(path)).collect()
}
