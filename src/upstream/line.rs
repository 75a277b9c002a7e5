//! One connection to an endpoint, driven by whoever waits for its answer.
//!
//! No task stands behind it: it reads and writes only while its request or its answer is polled. So an answer takes no way
//! through another task, nothing is read ahead of a reader who does not read, and what is dropped is closed in that moment.

use super::pool::Pool;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::net::TcpStream;

/// What is read from a connection at once, at most, and the longest head of an answer, in bytes. More would make a long
/// answer little quicker, and each reader who does not read holds some such pieces.
const READ_AT_ONCE: usize = 64 << 10;

/// TCP, or TLS over it.
pub(super) type Socket = MaybeHttpsStream<TokioIo<TcpStream>>;

/// What is sent.
pub(super) type Asking = Request<Full<Bytes>>;

/// A connection that takes one request after another.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended. Boxed, because a line moves from hand to hand.
    driver: Option<Box<Connection<Socket, Full<Bytes>>>>,
}

/// An answer: its head, and its body as it comes. Dropped before the body's end, it closes the connection; at its end the
/// connection goes back where it is kept.
pub(super) struct Response {
    head: http::response::Parts,
    body: Incoming,
    line: Option<Line>,
    home: Arc<Pool>,
}

impl Line {
    pub(super) async fn over(socket: Socket) -> hyper::Result<Self> {
        let mut builder = Builder::new();
        let (sender, driver) = builder.max_buf_size(READ_AT_ONCE).handshake(socket).await?;
        Ok(Self {
            sender,
            driver: Some(Box::new(driver)),
        })
    }

    /// Whether it takes another request, as far as is known here: a close that the system has told of is noticed.
    pub(super) fn is_fit(&mut self) -> bool {
        // Nobody waits for it now; its next request is waited for with a waker of its own.
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn ask(mut self, request: Asking, home: Arc<Pool>) -> hyper::Result<Response> {
        let mut answer = pin!(self.sender.send_request(request));
        let answer = poll_fn(|context| {
            self.drive(context);
            // Only the driver can make it ready, so nobody else needs to wake this task for it.
            answer
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
        });
        let (head, body) = answer.await?.into_parts();
        Ok(Response {
            head,
            body,
            line: Some(self),
            home,
        })
    }

    /// Reads and writes what can be read and written now.
    fn drive(&mut self, context: &mut Context<'_>) {
        let Some(driver) = &mut self.driver else {
            return;
        };
        // What went wrong is told to whoever waits for the answer.
        if Pin::new(&mut **driver).poll(context).is_ready() {
            self.driver = None;
        }
    }
}

impl Response {
    pub(super) fn status(&self) -> StatusCode {
        self.head.status
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The length that the head states, in bytes.
    pub(super) fn content_length(&self) -> Option<u64> {
        let stated = self.head.headers.get(header::CONTENT_LENGTH)?;
        stated.to_str().ok()?.parse().ok()
    }

    /// The next piece of the body, `None` after the last.
    pub(super) async fn chunk(&mut self) -> hyper::Result<Option<Bytes>> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    /// The same, for a caller that waits for other things too.
    pub(super) fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<hyper::Result<Option<Bytes>>> {
        let mut next = self.come();
        if let (Poll::Pending, Some(line)) = (&next, &mut self.line) {
            line.drive(context);
            next = self.come();
        }
        let next = ready!(next).transpose();
        if let Ok(None) = next {
            self.hand_back();
        }
        Poll::Ready(next)
    }

    /// What has come and was not taken yet.
    fn come(&mut self) -> Poll<Option<hyper::Result<Bytes>>> {
        let mut nobody = Context::from_waker(Waker::noop());
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(&mut nobody)) else {
                return Poll::Ready(None);
            };
            // What is no data are trailers, which nobody here has a use for.
            match frame.map(|frame| frame.into_data()) {
                Ok(Ok(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(Err(_)) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn hand_back(&mut self) {
        if let Some(mut line) = self.line.take()
            && line.is_fit()
        {
            self.home.keep(line);
        }
    }
}
