//! Connections to servers: opened within a time limit, kept for the next request, let go when they have idled too long.
//!
//! HTTP/1.1 only, so that many streams at once do not queue behind the stream limit of one HTTP/2 connection. Nothing is
//! taken from the environment (no proxy). Certificates are judged by the system's own roots.

use super::error::StartError;
use super::line::{Asking, Line, Response};
use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tower_service::Service;

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(60);

/// How often those that have idled too long are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(15);

/// The most that are kept to one server.
const MOST_IDLE: usize = 1024;

/// A server that a connection is lost to without a word is found out within a minute.
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Connections to all servers.
pub(super) struct Connections {
    tls: Arc<ClientConfig>,
    /// By scheme, host and port.
    pools: Mutex<HashMap<Uri, Arc<Pool>>>,
}

/// How one server is reached.
pub(super) struct Way {
    /// Its scheme, host and port.
    origin: Uri,
    connector: HttpsConnector<HttpConnector>,
    /// How long connecting may take, TLS included.
    connect: Duration,
    pool: Arc<Pool>,
}

/// Connections to one server that wait for a request.
#[derive(Default)]
pub(super) struct Pool {
    /// The last one used is the last.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    line: Line,
    since: Instant,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// Connecting took longer than it may.
    NotInTime,
    /// There is no connection.
    NoConnection(Box<dyn Error + Send + Sync>),
    /// There was one.
    Line(hyper::Error),
}

impl Connections {
    /// Opens nothing yet. The system's certificates are read here, which takes tens of milliseconds.
    pub(super) fn new() -> Result<Self, StartError> {
        let wrong = |error: rustls::Error| StartError(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(wrong)?;
        let mut tls = builder
            .with_platform_verifier()
            .map_err(wrong)?
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: Arc::new(tls),
            pools: Mutex::default(),
        })
    }

    /// The way to a server, given by scheme, host and port. All ways to one server share its connections.
    pub(super) fn to(&self, origin: Uri, connect: Duration) -> Way {
        let connector = HttpsConnector::from((tcp(connect), self.tls.clone()));
        let pool = self.pools().entry(origin.clone()).or_default().clone();
        Way {
            origin,
            connector,
            connect,
            pool,
        }
    }

    /// Lets connections go that have idled too long or were closed by their server, again and again.
    pub(super) async fn tend(&self) {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            let pools: Vec<_> = self.pools().values().cloned().collect();
            pools.iter().for_each(|pool| pool.tidy(Instant::now()));
        }
    }

    fn pools(&self) -> MutexGuard<'_, HashMap<Uri, Arc<Pool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// TCP as it is wanted here.
fn tcp(connect: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    // Of several addresses each gets a part of it, so that one that swallows everything does not hide the next.
    connector.set_connect_timeout(Some(connect));
    connector.set_keepalive(Some(PROBE_EVERY));
    connector.set_keepalive_interval(Some(PROBE_EVERY));
    connector.set_keepalive_retries(Some(PROBES));
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    connector
}

impl Way {
    /// A kept connection, where there is one.
    pub(super) fn kept(&self) -> Option<Line> {
        self.pool.take(Instant::now())
    }

    /// A new connection.
    pub(super) async fn open(&self) -> Result<Line, Broken> {
        let mut connector = self.connector.clone();
        let socket = timeout(self.connect, connector.call(self.origin.clone()));
        let socket = socket.await.map_err(|_| Broken::NotInTime)?;
        let socket = socket.map_err(Broken::NoConnection)?;
        Line::over(socket).await.map_err(Broken::Line)
    }

    /// Sends a request over this connection and waits for the head of the answer.
    pub(super) async fn ask(&self, line: Line, request: Asking) -> Result<Response, Broken> {
        let answer = line.ask(request, self.pool.clone());
        answer.await.map_err(Broken::Line)
    }

    /// Lets all kept connections go.
    pub(super) fn forget(&self) {
        self.pool.empty();
    }
}

impl Pool {
    /// Keeps a connection that is fit for another request.
    pub(super) fn keep(&self, line: Line) {
        let since = Instant::now();
        let mut idle = self.lock();
        if idle.len() < MOST_IDLE {
            idle.push(Idle { line, since });
        }
    }

    /// The connection that was used last, if it is still good.
    fn take(&self, now: Instant) -> Option<Line> {
        loop {
            let mut idle = self.lock().pop()?;
            if idle.is_good(now) {
                return Some(idle.line);
            }
        }
    }

    fn tidy(&self, now: Instant) {
        // Closed after the lock is let go.
        let _gone: Vec<Idle> = self
            .lock()
            .extract_if(.., |idle| !idle.is_good(now))
            .collect();
    }

    fn empty(&self) {
        let _gone = std::mem::take(&mut *self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_good(&mut self, now: Instant) -> bool {
        now.duration_since(self.since) < IDLE && self.line.is_fit()
    }
}

impl fmt::Display for Broken {
    /// The text of the innermost cause, the system's or the protocol's own words: those around it hold the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInTime => f.write_str("connecting took too long"),
            Self::NoConnection(error) => fmt::Display::fmt(innermost(error.as_ref()), f),
            Self::Line(error) => fmt::Display::fmt(innermost(error), f),
        }
    }
}

/// The innermost cause of an error.
pub(super) fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    std::iter::successors(Some(error), |error| (*error).source())
        .last()
        .unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    /// A way to a server, and so many connections kept there, with their other ends.
    async fn kept(number: usize) -> (Way, Vec<TcpStream>) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", server.local_addr().unwrap());
        let connections = Connections::new().unwrap();
        let way = connections.to(origin.parse().unwrap(), Duration::from_secs(30));
        let mut ends = Vec::new();
        for _ in 0..number {
            let line = way.open().await.unwrap();
            way.pool.keep(line);
            ends.push(server.accept().unwrap().0);
        }
        (way, ends)
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_a_minute_and_then_closed() {
        let (way, mut ends) = kept(2).await;
        let now = Instant::now();
        assert!(way.pool.take(now).is_some());
        assert!(way.pool.take(now + IDLE).is_none());
        assert_eq!(ends[0].read(&mut [0]).unwrap(), 0, "it is closed");
    }

    #[tokio::test]
    async fn what_idled_too_long_or_was_closed_is_tidied_away() {
        let (way, mut ends) = kept(3).await;
        way.pool.tidy(Instant::now());
        assert_eq!(way.pool.lock().len(), 3);
        drop(ends.remove(1));
        while way.pool.lock().len() == 3 {
            way.pool.tidy(Instant::now());
            tokio::task::yield_now().await;
        }
        assert_eq!(way.pool.lock().len(), 2);
        way.pool.tidy(Instant::now() + IDLE);
        assert_eq!(ends[1].read(&mut [0]).unwrap(), 0, "it is closed");
    }

    #[tokio::test]
    async fn ways_to_one_server_share_its_connections() {
        let connections = Connections::new().unwrap();
        let to = |origin: &'static str, seconds| {
            connections.to(Uri::from_static(origin), Duration::from_secs(seconds))
        };
        let (one, same) = (to("https://a.example", 1), to("https://a.example", 2));
        assert!(Arc::ptr_eq(&one.pool, &same.pool));
        assert!(!Arc::ptr_eq(&one.pool, &to("http://a.example", 1).pool));
    }
}
