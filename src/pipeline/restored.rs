//! An answer to a request whose personal data was replaced, with the originals put back on its way to the caller.

use crate::domain::{AnswerBody, BrokenOff, Chunk, Seen, Verbatim};
use crate::privacy::pseudonym::Restorer;
use bytes::Bytes;
use futures_util::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body with originals in the place of stand-ins.
pub(super) fn restored(body: AnswerBody, restorer: Restorer) -> AnswerBody {
    Box::pin(Body {
        body: Some(body),
        restorer,
        is_told: false,
        ready: VecDeque::new(),
    })
}

struct Body {
    /// `None` when it is over.
    body: Option<AnswerBody>,
    restorer: Restorer,
    /// It comes in no wire form.
    is_told: bool,
    ready: VecDeque<Result<Chunk, BrokenOff>>,
}

impl Body {
    fn take(&mut self, next: Option<Result<Chunk, BrokenOff>>) {
        match next {
            Some(Ok(Chunk::Verbatim(verbatim))) => self.restore(verbatim),
            Some(Ok(told)) => {
                self.is_told = true;
                let told = self.restorer.told(told);
                self.ready.extend(told.into_iter().map(Ok));
            }
            Some(Err(broken)) => {
                self.say_rest();
                self.ready.push_back(Err(broken));
            }
            None => {
                self.say_rest();
                self.body = None;
            }
        }
    }

    fn restore(&mut self, verbatim: Verbatim) {
        let Verbatim { wire, seen } = verbatim;
        let wire = if wire.trim_ascii_start().starts_with(b"{") {
            self.restorer.whole(&wire)
        } else {
            let restored = self.restorer.event(&wire);
            self.say(|_| restored.before);
            restored.event
        };
        self.ready
            .push_back(Ok(Chunk::Verbatim(Verbatim { wire, seen })));
    }

    /// What is held back when no more comes.
    fn say_rest(&mut self) {
        match self.is_told {
            true => {
                let rest = self.restorer.told_rest();
                self.ready.extend(rest.into_iter().map(Ok));
            }
            false => self.say(|restorer| restorer.rest()),
        }
    }

    /// Events of our own, with what was held back. Their bytes were counted when they came.
    fn say(&mut self, events: impl FnOnce(&mut Restorer) -> Vec<Bytes>) {
        let seen = Seen {
            content: true,
            ..Seen::default()
        };
        let chunks = events(&mut self.restorer).into_iter();
        let chunks = chunks.map(|wire| Ok(Chunk::Verbatim(Verbatim { wire, seen })));
        self.ready.extend(chunks);
    }
}

impl Stream for Body {
    type Item = Result<Chunk, BrokenOff>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(ready) = this.ready.pop_front() {
                return Poll::Ready(Some(ready));
            }
            let Some(body) = &mut this.body else {
                return Poll::Ready(None);
            };
            match body.as_mut().poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(next) => this.take(next),
            }
        }
    }
}
