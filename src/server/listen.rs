//! Accepts connections, serves them, and ends them in good order.

use super::body::ResponseBody;
use super::calm::Calm;
use super::routes::Site;
use super::tls::Tls;
use http::header::CONNECTION;
use http::{HeaderValue, Version};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::io::ErrorKind::{ConnectionAborted, Interrupted};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait when the process is out of file descriptors, so that the accept loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long an open connection may still bring a request when the gateway drains.
const LAST_CALL: Duration = Duration::from_millis(500);

/// Connections taken at the last moment, at most: as many as a system keeps waiting. Who floods does not hold up the end.
const MOST_WAITING: usize = 4096;

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections served at once; more wait in the listener's backlog.
    pub max_connections: usize,
    /// For a request's head to arrive, the first one's from when the connection was opened.
    pub header_timeout: Duration,
}

/// How a listener is told to end.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Take no new connections and end each after the answer it is giving.
    pub drain: CancellationToken,
    /// End connections as they are.
    pub abort: CancellationToken,
}

/// Serves connections until `stop.drain` is cancelled. Each connection is a task of `tasks`.
///
/// The listener is passed in, so that a test can bind port 0; with TLS, what it proves itself with. Connections that the
/// system has taken already are served, too: a closed listener would reset them.
pub async fn serve(
    (listener, tls): (TcpListener, Option<Tls>),
    site: Site,
    limits: ConnectionLimits,
    stop: Stop,
    tasks: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let door = Door {
        tls,
        limits,
        builder: Arc::new(builder(limits)),
        site: Arc::new(site),
        stop,
        tasks,
    };
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = door.stop.drain.cancelled() => break,
        };
        match accepted {
            Ok((stream, place)) => door.open(stream, place),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    match waiting(listener) {
        Ok(streams) => streams.into_iter().for_each(|it| door.open(it, None)),
        Err(error) => tracing::warn!(%error, "connections that waited are reset"),
    }
}

/// The connections that nobody has taken yet; from then on nobody can come.
fn waiting(listener: TcpListener) -> std::io::Result<Vec<TcpStream>> {
    // Asked directly: the runtime may not have heard of the latest.
    let listener = listener.into_std()?;
    let mut streams = Vec::new();
    while streams.len() < MOST_WAITING {
        match listener.accept() {
            Ok((stream, _)) => streams.push(stream),
            Err(error) if matches!(error.kind(), ConnectionAborted | Interrupted) => {}
            Err(_) => break,
        }
    }
    // At once, so that hardly anybody can come in between.
    drop(listener);
    let streams = streams.into_iter().map(|stream| {
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    });
    streams.collect()
}

/// What is done with a connection that was accepted.
struct Door {
    tls: Option<Tls>,
    limits: ConnectionLimits,
    builder: Arc<Builder<TokioExecutor>>,
    site: Arc<Site>,
    stop: Stop,
    tasks: TaskTracker,
}

impl Door {
    fn open(&self, stream: TcpStream, place: Option<OwnedSemaphorePermit>) {
        // A connection that cannot be told to send at once still serves.
        let _ = stream.set_nodelay(true);
        let open = Open {
            _place: place,
            builder: self.builder.clone(),
            site: self.site.clone(),
            stop: self.stop.clone(),
            patience: self.limits.header_timeout,
        };
        match &self.tls {
            None => self.tasks.spawn(open.serve(stream)),
            Some(tls) => self.tasks.spawn(open.shake_hands(stream, tls.acceptor())),
        };
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    // The semaphore is never closed, so a missing permit cannot happen; it would only mean one connection uncounted.
    let place = places.clone().acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

fn builder(limits: ConnectionLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(60));
    builder
}

/// A connection that was accepted.
struct Open {
    /// Free again when the connection has ended.
    _place: Option<OwnedSemaphorePermit>,
    builder: Arc<Builder<TokioExecutor>>,
    site: Arc<Site>,
    stop: Stop,
    /// The time for coming to terms, and then for a first request to arrive.
    patience: Duration,
}

/// Why a connection is told to end.
enum Told {
    /// Nothing was asked on it.
    Silent,
    /// The gateway ends.
    Drained,
}

impl Open {
    /// Whoever does not come to terms within the time that a head may take is let go.
    async fn shake_hands(self, stream: TcpStream, acceptor: TlsAcceptor) {
        let shaken = tokio::time::timeout(self.patience, acceptor.accept(stream));
        let shaken = tokio::select! {
            shaken = shaken => shaken,
            () = last_call(&self.stop) => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS came about"),
            Err(_) => tracing::debug!("no TLS came about in time"),
        }
    }

    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = Arc::new(Notify::new());
        let service = self.service(asked.clone());
        let stream = TokioIo::new(Calm::new(stream));
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        let told = tokio::select! {
            ended = connection.as_mut() => return note(ended),
            told = self.told_to_end(&asked) => told,
        };
        connection.as_mut().graceful_shutdown();
        let at_most = async {
            match told {
                Told::Silent => tokio::time::sleep(LAST_CALL).await,
                Told::Drained => self.stop.abort.cancelled().await,
            }
        };
        tokio::select! {
            ended = connection => note(ended),
            () = at_most => {}
        }
    }

    /// Answers requests. Once the gateway drains an answer says that the connection ends with it, so that nobody asks
    /// the next one on it.
    fn service(
        &self,
        asked: Arc<Notify>,
    ) -> impl Service<
        hyper::Request<Incoming>,
        Response = http::Response<ResponseBody>,
        Error = Infallible,
        Future: Send + 'static,
    > + use<> {
        let (site, drain) = (self.site.clone(), self.stop.drain.clone());
        service_fn(move |request: hyper::Request<Incoming>| {
            asked.notify_one();
            let (site, drain) = (site.clone(), drain.clone());
            // Set apart, because a connection keeps room for it, and most connections are idle.
            Box::pin(async move {
                let says_so = request.version() <= Version::HTTP_11;
                let mut response = site.answer(request).await;
                if says_so && drain.is_cancelled() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                Ok(response)
            })
        })
    }

    async fn told_to_end(&self, asked: &Notify) -> Told {
        let silent = async {
            if tokio::time::timeout(self.patience, asked.notified())
                .await
                .is_ok()
            {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = silent => Told::Silent,
            () = last_call(&self.stop) => Told::Drained,
        }
    }
}

/// Over a moment after the drain began: a request may be on its way on any connection, and be answered.
async fn last_call(stop: &Stop) {
    stop.drain.cancelled().await;
    tokio::select! {
        () = tokio::time::sleep(LAST_CALL) => {}
        () = stop.abort.cancelled() => {}
    }
}

fn note(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
