//! Accepts connections, serves them, and ends them in good order.

use super::body::ResponseBody;
use super::routes::Site;
use super::tls::Tls;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait when the process is out of file descriptors, so that the accept loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections served at once; more wait in the listener's backlog.
    pub max_connections: usize,
    /// For a request's head to arrive.
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
/// The listener is passed in, so that a test can bind port 0; with TLS, what it proves itself with.
pub async fn serve(
    (listener, tls): (TcpListener, Option<Tls>),
    site: Site,
    limits: ConnectionLimits,
    stop: Stop,
    tasks: TaskTracker,
) {
    let site = Arc::new(site);
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let connections = Arc::new(builder(limits));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.drain.cancelled() => return,
        };
        match accepted {
            Ok((stream, place)) => {
                let open = Open {
                    place,
                    builder: connections.clone(),
                    site: site.clone(),
                    stop: stop.clone(),
                };
                match &tls {
                    None => tasks.spawn(open.serve(stream)),
                    Some(tls) => {
                        tasks.spawn(open.shake_hands(stream, tls.acceptor(), limits.header_timeout))
                    }
                };
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    // The semaphore is never closed, so a missing permit cannot happen; it would only mean one connection uncounted.
    let place = places.clone().acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
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
    place: Option<OwnedSemaphorePermit>,
    builder: Arc<Builder<TokioExecutor>>,
    site: Arc<Site>,
    stop: Stop,
}

impl Open {
    /// Whoever does not come to terms within the time that a head may take is let go.
    async fn shake_hands(self, stream: TcpStream, acceptor: TlsAcceptor, at_most: Duration) {
        let shaken = tokio::time::timeout(at_most, acceptor.accept(stream));
        let shaken = tokio::select! {
            shaken = shaken => shaken,
            () = self.stop.drain.cancelled() => return,
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
        let Self {
            place,
            builder,
            site,
            stop,
        } = self;
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let site = site.clone();
            async move { Ok::<http::Response<ResponseBody>, Infallible>(site.answer(request).await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = stop.abort.cancelled() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(place);
    }
}
