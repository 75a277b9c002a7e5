//! Accepts connections, serves them, and ends them in good order.

use super::body::ResponseBody;
use super::routes::Site;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
/// The listener is passed in, so that a test can bind port 0.
pub async fn serve(
    listener: TcpListener,
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
                let task = connection(
                    stream,
                    place,
                    connections.clone(),
                    site.clone(),
                    stop.clone(),
                );
                tasks.spawn(task);
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

async fn connection(
    stream: TcpStream,
    place: Option<OwnedSemaphorePermit>,
    builder: Arc<Builder<TokioExecutor>>,
    site: Arc<Site>,
    stop: Stop,
) {
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
