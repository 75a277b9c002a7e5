//! The one thread that tells people. The way of a request only puts a pointer into a queue.

use super::counts::{Counts, Told};
use super::queue;
use super::ticket::{Queue, Settings, Ticket, Webhook};
use super::webhook::deliver;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use reqwest::Client;
use std::io;
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Requests that may wait to be told.
const MOST_WAITING: usize = 1_024;
/// Notices that may be on their way to webhooks, pauses between tries included.
const MOST_UNDER_WAY: usize = 256;
/// How long the end waits for notices that are on their way.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Where requests are handed over. A handle; cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk {
    tickets: Sender<Parcel>,
    counts: Counts,
}

/// The thread behind the desk. [`Keeper::finish`] it at shutdown.
#[derive(Debug)]
pub struct Keeper {
    tickets: Sender<Parcel>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Parcel {
    Ticket(Box<Ticket>, Arc<Settings>),
    Stop,
}

/// Makes the client that webhooks are asked with.
pub type MakeClient = fn() -> reqwest::Result<Client>;

/// Starts the desk. The client must follow no redirect; it is made for the first webhook, because most gateways have none and
/// its certificates take room. `handle` is the runtime that it runs on.
///
/// # Errors
/// Where no thread can be started.
pub fn start(client: MakeClient, handle: Handle) -> io::Result<(Desk, Keeper)> {
    let (tickets, inbox) = channel(MOST_WAITING);
    let counts = Counts::default();
    let clerk = Clerk {
        client: LazyLock::new(client),
        counts: counts.clone(),
    };
    let thread = thread::Builder::new().name("handoff".into());
    let thread = thread.spawn(move || handle.block_on(clerk.run(inbox)))?;
    let keeper = Keeper {
        tickets: tickets.clone(),
        thread,
    };
    Ok((Desk { tickets, counts }, keeper))
}

impl Desk {
    /// Hands a request over, without ever waiting. Where too many wait, it is counted and logged as told to nobody.
    pub fn hand_over(&self, ticket: Ticket, settings: &Arc<Settings>) {
        let decision = ticket.decision.clone();
        let parcel = Parcel::Ticket(Box::new(ticket), settings.clone());
        if self.tickets.try_send(parcel).is_err() {
            tracing::error!(%decision, "handed over, but too many wait to be told: look it up in the journal");
            let (queue, webhook) = (settings.queue.is_some(), settings.webhook.is_some());
            let untold = [(queue, Told::NotQueued), (webhook, Told::NotDelivered)];
            let untold = untold.into_iter().filter(|(wanted, _)| *wanted);
            untold.for_each(|(_, told)| self.counts.count(told));
        }
    }

    /// What became of the notices so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Keeper {
    /// Tells what waits, gives notices that are on their way a few seconds, and ends the thread. Blocks.
    pub fn finish(self) {
        // An error says that the thread is gone, and then there is nothing to wait for; a panic it has told itself.
        let _ = self.tickets.blocking_send(Parcel::Stop);
        let _ = self.thread.join();
    }
}

/// Whoever tells people.
struct Clerk {
    client: LazyLock<reqwest::Result<Client>, MakeClient>,
    counts: Counts,
}

/// Notices on their way to webhooks.
type UnderWay<'a> = FuturesUnordered<BoxFuture<'a, ()>>;

impl Clerk {
    async fn run(self, mut inbox: Receiver<Parcel>) {
        let mut under_way = UnderWay::new();
        loop {
            tokio::select! {
                parcel = inbox.recv() => match parcel {
                    Some(Parcel::Ticket(ticket, settings)) => self.tell(&ticket, &settings, &mut under_way),
                    Some(Parcel::Stop) | None => break,
                },
                Some(()) = under_way.next() => {}
            }
        }
        let rest = async { while under_way.next().await.is_some() {} };
        let ended = tokio::time::timeout(LAST_WAIT, rest).await;
        if ended.is_err() {
            tracing::error!(
                count = under_way.len(),
                "notices of hand-overs were not delivered before the end; the queue file and the journal name them"
            );
        }
    }

    /// The file is written here and now, on this thread; the webhook is asked beside whatever comes next.
    fn tell<'a>(&'a self, ticket: &Ticket, settings: &Settings, under_way: &mut UnderWay<'a>) {
        if let Some(queue) = &settings.queue {
            self.write(ticket, queue);
        }
        let Some(webhook) = settings.webhook.clone() else {
            return;
        };
        let decision = ticket.decision.clone();
        let document = ticket.document();
        match document {
            Ok(document) if under_way.len() < MOST_UNDER_WAY => {
                let sending = self.send(webhook, document.into(), decision.to_string());
                under_way.push(Box::pin(sending));
            }
            Ok(_) => self.not_delivered(decision.as_str(), "too many notices are on their way"),
            Err(_) => self.not_delivered(decision.as_str(), "the conversation cannot be read"),
        }
    }

    fn write(&self, ticket: &Ticket, queue: &Queue) {
        let line = ticket.line(queue).map_err(io::Error::from);
        match line.and_then(|line| queue::add(&queue.file, &line)) {
            Ok(()) => self.counts.count(Told::Queued),
            Err(error) => {
                self.counts.count(Told::NotQueued);
                let (decision, kind) = (&ticket.decision, error.kind());
                tracing::error!(%decision, %kind, "a hand-over could not be written to the queue file");
            }
        }
    }

    async fn send(&self, webhook: Webhook, document: bytes::Bytes, decision: String) {
        let client = match &*self.client {
            Ok(client) => client,
            Err(_) => return self.not_delivered(&decision, "no client could be made"),
        };
        match deliver(client, &webhook, document, &decision).await {
            Ok(()) => self.counts.count(Told::Delivered),
            Err(why) => self.not_delivered(&decision, &why.to_string()),
        }
    }

    fn not_delivered(&self, decision: &str, why: &str) {
        self.counts.count(Told::NotDelivered);
        tracing::error!(decision, why, "a hand-over was not taken by the webhook");
    }
}
