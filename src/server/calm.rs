//! A connection that is kept calm: whoever floods it with HTTP/2 frames that carry no request is read more slowly, and then
//! let go.

use super::frames::{Budget, Frames, PAUSE, Verdict};
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What a client that speaks HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// GOAWAY with ENHANCE_YOUR_CALM (RFC 9113, section 6.8); any stream may have been answered.
const GOAWAY: [u8; 17] = [
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0xb,
];

/// Passes bytes through as they are and looks at the headers of HTTP/2 frames. A connection that begins otherwise is not looked at.
#[derive(Debug)]
pub(super) struct Calm<S> {
    stream: S,
    spoken: Spoken,
}

/// What a client speaks.
#[derive(Debug)]
enum Spoken {
    /// So many bytes have come, and they are the preface's.
    Unknown(usize),
    Other,
    Http2(Box<Watch>),
}

/// What is known of a connection that speaks HTTP/2.
#[derive(Debug)]
struct Watch {
    came: Frames,
    went: Frames,
    budget: Budget,
    /// Nothing is read until this is over.
    pause: Option<Pin<Box<Sleep>>>,
    /// The connection was kept a while before it is closed.
    kept: bool,
}

impl<S> Calm<S> {
    /// A connection on which nothing was said yet.
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            spoken: Spoken::Unknown(0),
        }
    }
}

impl Spoken {
    /// These bytes have come.
    fn came(&mut self, bytes: &[u8]) -> Verdict {
        match self {
            Self::Other => Verdict::Fine,
            Self::Http2(watch) => watch.came(bytes),
            Self::Unknown(have) => {
                let (preface, rest) = bytes.split_at(bytes.len().min(PREFACE.len() - *have));
                if !PREFACE[*have..].starts_with(preface) {
                    *self = Self::Other;
                    return Verdict::Fine;
                }
                *have += preface.len();
                if *have < PREFACE.len() {
                    return Verdict::Fine;
                }
                *self = Self::Http2(Box::new(Watch::new()));
                self.came(rest)
            }
        }
    }

    /// These bytes were sent, in several pieces of which the last ones may not have gone.
    fn went<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>, mut sent: usize) {
        let Self::Http2(watch) = self else {
            return;
        };
        for piece in pieces {
            let (gone, _) = piece.split_at(piece.len().min(sent));
            sent -= gone.len();
            let budget = &mut watch.budget;
            watch.went.pass(gone, |kind| budget.went(kind));
        }
    }
}

/// Reads at most so many bytes: a flood is not taken in by the buffer, which holds a thousand frames.
fn poll_some(
    stream: Pin<&mut impl AsyncRead>,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
    most: usize,
) -> Poll<io::Result<()>> {
    if most >= buffer.remaining() {
        return stream.poll_read(context, buffer);
    }
    let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
    ready!(stream.poll_read(context, &mut part))?;
    let came = part.filled().len();
    buffer.advance(came);
    Poll::Ready(Ok(()))
}

impl Watch {
    fn new() -> Self {
        Self {
            came: Frames::default(),
            went: Frames::default(),
            budget: Budget::new(Instant::now()),
            pause: None,
            kept: false,
        }
    }

    fn came(&mut self, bytes: &[u8]) -> Verdict {
        let budget = &mut self.budget;
        budget.next_piece();
        self.came.pass(bytes, |kind| budget.came(kind));
        let verdict = budget.settle(Instant::now);
        if let Verdict::Wait(time) = verdict {
            self.pause = Some(Box::pin(sleep(time)));
        }
        verdict
    }

    /// hyper ends a connection at a head that is too long, after five frames. Whoever sent it would come again at once, and a new
    /// connection costs more than those frames: it is kept for a moment in which nothing is read.
    fn poll_keep(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.came.in_a_long_head() && !self.kept {
            self.kept = true;
            self.pause = Some(Box::pin(sleep(PAUSE)));
        }
        self.poll_pause(context)
    }

    fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        Poll::Ready(())
    }
}

impl<S: AsyncWrite + Unpin> Calm<S> {
    /// Says why, where it can be said at once: nobody waits for a client that floods.
    fn end(&mut self, context: &mut Context<'_>) -> io::Error {
        tracing::info!(
            "a connection was ended that brought too many HTTP/2 frames without a request"
        );
        if let Spoken::Http2(watch) = &self.spoken
            && watch.went.between()
        {
            let _ = Pin::new(&mut self.stream).poll_write(context, &GOAWAY);
            let _ = Pin::new(&mut self.stream).poll_flush(context);
        }
        io::Error::other("too many HTTP/2 frames without a request")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Calm<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut most = usize::MAX;
        if let Spoken::Http2(watch) = &mut this.spoken {
            ready!(watch.poll_pause(context));
            most = watch.came.room(watch.budget.at_most());
        }
        let before = buffer.filled().len();
        let stream = Pin::new(&mut this.stream);
        ready!(poll_some(stream, context, buffer, most))?;
        let (_, came) = buffer.filled().split_at(before);
        match this.spoken.came(came) {
            Verdict::Fine | Verdict::Wait(_) => Poll::Ready(Ok(())),
            Verdict::End => Poll::Ready(Err(this.end(context))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Calm<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = ready!(Pin::new(&mut this.stream).poll_write(context, bytes))?;
        this.spoken.went([bytes], sent);
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = ready!(Pin::new(&mut this.stream).poll_write_vectored(context, pieces))?;
        this.spoken.went(pieces.iter().map(|piece| &**piece), sent);
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Spoken::Http2(watch) = &mut this.spoken {
            ready!(watch.poll_keep(context));
        }
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "calm_tests.rs"]
mod tests;
