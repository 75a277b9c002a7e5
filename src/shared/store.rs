//! The connection to the store, and questions to it.

use super::{Counts, Failure};
use crate::domain::Secret;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo, RedisError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// A connection is made within this time, or it is tried again.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// The pause before the first new try; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Where the store is, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `redis://[user:password@]host[:port][/database]`; a secret, because it may hold one.
    pub url: Secret,
    /// The most that one question may take.
    pub timeout: Duration,
}

/// The URL names no Redis that can be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no URL of a Redis: `redis://[user:password@]host[:port][/database]`")]
pub struct BadUrl;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no connection, or it broke off. Whether the store did what was asked is not known.
    #[error("the shared store cannot be reached")]
    Down,
    /// No answer came within the limit. Whether the store did, or will do, what was asked is not known.
    #[error("the shared store did not answer in time")]
    TimedOut,
    /// The store said no, by its own code for why.
    #[error("the shared store refused: {0}")]
    Refused(Arc<str>),
}

/// A program that the store runs in one step. It is sent whole once and by its digest from then on.
pub struct Script(redis::Script);

/// The way to the store. A handle; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    client: Client,
    timeout: Duration,
    link: Mutex<Link>,
    lost: Notify,
    counts: Counts,
}

/// The connection, if there is one; numbered, so that whoever fails on an old one does not cut the new one.
#[derive(Default)]
struct Link {
    connection: Option<MultiplexedConnection>,
    number: u64,
}

impl Script {
    /// A program in Lua.
    pub fn new(code: &str) -> Self {
        Self(redis::Script::new(code))
    }
}

impl Store {
    /// The way to a store. Nothing is connected before [`Store::tend`] runs.
    ///
    /// # Errors
    /// The URL names no Redis.
    pub fn new(settings: &Settings) -> Result<Self, BadUrl> {
        let place = settings.url.reveal().into_connection_info();
        let place = place.map_err(|_| BadUrl)?;
        // Without it a short question can wait 40 ms for the acknowledgement of the one before.
        let place = place.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self(Arc::new(Inner {
            client: Client::open(place).map_err(|_| BadUrl)?,
            timeout: settings.timeout,
            link: Mutex::default(),
            lost: Notify::new(),
            counts: Counts::default(),
        })))
    }

    /// Connects, and connects again whenever the connection is lost. Never ends; dropping it ends it.
    pub async fn tend(&self) {
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            if let Some(connection) = self.connect().await {
                tracing::info!("the shared store answers");
                (pause, told) = (FIRST_PAUSE, false);
                self.set(connection);
                self.0.lost.notified().await;
            }
            if !std::mem::replace(&mut told, true) {
                tracing::warn!("the shared store does not answer; it is tried again and again");
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Runs a program; `keys` are those that it touches.
    ///
    /// # Errors
    /// The store failed, or its answer is not a list of whole numbers.
    pub async fn run(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[String],
    ) -> Result<Vec<i64>, StoreError> {
        self.ask(async |connection| {
            let mut call = script.0.prepare_invoke();
            call.key(keys).arg(arguments);
            call.invoke_async(connection).await
        })
        .await
    }

    /// The values of these keys, in order; `None` for one that is not there.
    ///
    /// # Errors
    /// The store failed.
    pub async fn get<T: FromRedisValue>(
        &self,
        keys: &[String],
    ) -> Result<Vec<Option<T>>, StoreError> {
        self.ask(async |connection| redis::cmd("MGET").arg(keys).query_async(connection).await)
            .await
    }

    /// Keeps a value for so long.
    ///
    /// # Errors
    /// The store failed.
    pub async fn put(&self, key: &str, value: &[u8], keep: Duration) -> Result<(), StoreError> {
        let millis = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX).max(1);
        self.ask(async |connection| {
            let mut set = redis::cmd("SET");
            set.arg(key).arg(value).arg("PX").arg(millis);
            set.query_async(connection).await
        })
        .await
    }

    /// How the store fares.
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        let (connection, number) = {
            let link = self.lock();
            (link.connection.clone(), link.number)
        };
        let Some(mut connection) = connection else {
            self.0.counts.count(Failure::Down);
            return Err(StoreError::Down);
        };
        let answer = timeout(self.0.timeout, question(&mut connection)).await;
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => meaning(&error),
            Err(_) => StoreError::TimedOut,
        };
        self.0.counts.count(error.failure());
        if !matches!(error, StoreError::Refused(_)) {
            self.cut(number);
        }
        Err(error)
    }

    /// A connection over which the store has answered in time.
    async fn connect(&self) -> Option<MultiplexedConnection> {
        // The limit of a question is ours, and is set around it.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let client = &self.0.client;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = timeout(CONNECT_LIMIT, connecting).await.ok()?.ok()?;
        let ping = redis::cmd("PING");
        let pong = ping.query_async::<String>(&mut connection);
        let pong = timeout(self.0.timeout, pong).await.ok()?.ok()?;
        (pong == "PONG").then_some(connection)
    }

    fn set(&self, connection: MultiplexedConnection) {
        let mut link = self.lock();
        link.connection = Some(connection);
        link.number += 1;
        drop(link);
        self.0.counts.up(true);
    }

    /// Lets the connection of that number go, so that nobody waits for it any more.
    fn cut(&self, number: u64) {
        let mut link = self.lock();
        if link.number == number && link.connection.take().is_some() {
            self.0.counts.up(false);
            self.0.lost.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Link> {
        self.0.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoreError {
    fn failure(&self) -> Failure {
        match self {
            Self::Down => Failure::Down,
            Self::TimedOut => Failure::TimedOut,
            Self::Refused(_) => Failure::Refused,
        }
    }
}

/// What an error means. The store's own words stay behind: they may repeat what it was sent.
fn meaning(error: &RedisError) -> StoreError {
    match error.code() {
        Some(code) => StoreError::Refused(code.into()),
        None => StoreError::Down,
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("is_up", &self.0.counts.is_up())
            .finish_non_exhaustive()
    }
}
