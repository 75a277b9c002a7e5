//! Reads whole texts by their tokens: every word of every message, in windows that the encoder takes, each text once.
//!
//! Promises: a text is either read to its end or said to be unread; what was read is remembered by a digest of the
//! text and of who sent it, so that the history of a conversation costs one look-up a turn; no text is kept.

use super::tokens::{Span, TokenHead};
use crate::domain::PersonalKind;
use crate::inference::{Encoding, InferenceError, Model};
use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use moka::sync::Cache;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// An encoding under way that several wait for.
pub(super) type Encoded = Shared<BoxFuture<'static, Result<Encoding, InferenceError>>>;

/// Texts up to this length are tried whole before they are divided: most such fit the encoder.
const TRIED_WHOLE: usize = 2048;

/// Longer texts are not read: dividing them would hold a worker longer than any request may wait.
pub(super) const LONGEST: usize = 1024 * 1024;

/// More texts in one request are not read.
const MOST_TEXTS: usize = 4096;

/// Windows of one request under way at once. More would let one long request fill the encoder's inbox.
const AT_ONCE: usize = 2;

/// Bytes that may be remembered: some 20,000 windows.
const REMEMBERED: u64 = 32 * 1024 * 1024;

/// What was read of one text, window by window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextRead {
    /// In the order of the text; neighbours overlap.
    pub windows: Vec<WindowRead>,
}

/// What was read of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRead {
    /// Where it stands in the text, in bytes.
    pub place: Range<usize>,
    /// Personal data in it, in bytes of the text.
    pub spans: Vec<Span>,
    /// One attack logit for each token, special tokens left out.
    pub attack: Vec<f32>,
}

/// Reads texts with the token head. A cheap handle.
#[derive(Clone)]
pub(super) struct Prose {
    model: Model,
    head: Arc<TokenHead>,
    memo: Cache<Digest, Arc<TextRead>>,
}

/// 128 bits of BLAKE3 over the sender and the text.
pub(super) type Digest = [u8; 16];

/// Why a text was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// The request itself cannot be read.
    Unreadable,
    /// It is too long, or there are too many.
    TooMuch,
    /// The model gives no scores that fit the head.
    NoScores,
    /// The encoder could not.
    Encoder(InferenceError),
}

impl Prose {
    pub(super) fn new(model: Model, head: Arc<TokenHead>) -> Self {
        let memo = Cache::builder()
            .max_capacity(REMEMBERED)
            .weigher(|_, read: &Arc<TextRead>| read.weight())
            .build();
        Self { model, head, memo }
    }

    /// Whether it can find this kind.
    pub(super) fn finds(&self, kind: PersonalKind) -> bool {
        self.head.kinds().contains(&kind)
    }

    /// Whether it can find any of these kinds.
    pub(super) fn finds_any(&self, kinds: &BTreeSet<PersonalKind>) -> bool {
        !self.head.kinds().is_disjoint(kinds)
    }

    /// Reads all `texts`, or none: the first that cannot be read ends it. `sender` keeps what is remembered of one
    /// caller's texts from telling another, by being quick, that the same text was sent before. `under_way` are
    /// texts whose encoding somebody waits for already.
    pub(super) async fn read(
        &self,
        sender: &str,
        texts: &[Arc<str>],
        under_way: &[(Arc<str>, Encoded)],
    ) -> Result<Vec<Arc<TextRead>>, Unread> {
        if texts.len() > MOST_TEXTS || texts.iter().any(|text| text.len() > LONGEST) {
            return Err(Unread::TooMuch);
        }
        let texts = texts.iter();
        let reads = texts.map(|text| self.text(sender, text, under_way).boxed());
        in_turn(reads.collect()).await
    }

    async fn text(
        &self,
        sender: &str,
        text: &Arc<str>,
        under_way: &[(Arc<str>, Encoded)],
    ) -> Result<Arc<TextRead>, Unread> {
        let digest = digest(sender, text);
        if let Some(read) = self.memo.get(&digest) {
            return Ok(read);
        }
        let known = under_way.iter().find(|(known, _)| known == text);
        let read = match self.whole(text, known).await? {
            Some(read) => read,
            None => self.windows(sender, text).await?,
        };
        let read = Arc::new(read);
        self.memo.insert(digest, Arc::clone(&read));
        Ok(read)
    }

    /// The text in one run of the encoder; `None` where it does not fit.
    async fn whole(
        &self,
        text: &Arc<str>,
        under_way: Option<&(Arc<str>, Encoded)>,
    ) -> Result<Option<TextRead>, Unread> {
        let encoding = match under_way {
            Some((_, encoded)) => encoded.clone().await,
            None if text.len() > TRIED_WHOLE => return Ok(None),
            None => self.model.encode(Arc::clone(text)).await,
        };
        let window = self.decode(&encoding.map_err(Unread::Encoder)?, text)?;
        Ok(window.map(|window| TextRead {
            windows: vec![window],
        }))
    }

    async fn windows(&self, sender: &str, text: &Arc<str>) -> Result<TextRead, Unread> {
        let places = self.model.windows(Arc::clone(text)).await;
        let places = places.map_err(Unread::Encoder)?;
        let windows = places
            .into_iter()
            .map(|place| self.window(sender, text, place));
        let windows = windows.map(FutureExt::boxed).collect();
        Ok(TextRead {
            windows: in_turn(windows).await?,
        })
    }

    /// One window, remembered as the text that it is, so that a request cut off by its deadline gets further when it
    /// comes again.
    async fn window(
        &self,
        sender: &str,
        text: &Arc<str>,
        place: Range<usize>,
    ) -> Result<WindowRead, Unread> {
        let piece = text.get(place.clone()).unwrap_or_default();
        let digest = digest(sender, piece);
        let known = self.memo.get(&digest);
        if let Some(window) = known.as_ref().and_then(|read| read.only()) {
            return Ok(window.moved(place.start));
        }
        let encoding = self.model.encode(piece).await.map_err(Unread::Encoder)?;
        let window = self.decode(&encoding, piece)?.ok_or(Unread::NoScores)?;
        let moved = window.moved(place.start);
        let windows = vec![window];
        self.memo.insert(digest, Arc::new(TextRead { windows }));
        Ok(moved)
    }

    /// `None` where the text was cut, so that its tokens have no scores.
    fn decode(&self, encoding: &Encoding, text: &str) -> Result<Option<WindowRead>, Unread> {
        let Some(scores) = &encoding.scores else {
            return Ok(None);
        };
        let spans = self.head.spans(scores, text);
        let attack = self.head.attack_logits(scores);
        let (Some(spans), Some(attack)) = (spans, attack) else {
            return Err(Unread::NoScores);
        };
        let place = 0..text.len();
        Ok(Some(WindowRead {
            place,
            spans,
            attack,
        }))
    }
}

impl TextRead {
    /// The spans of all windows, in order. What two windows found in the part they share is put together: their
    /// union where they agree on the kind, else the surer of the two.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut found: Vec<&Span> = self
            .windows
            .iter()
            .flat_map(|window| &window.spans)
            .collect();
        found.sort_by_key(|span| span.place.start);
        for span in found {
            match spans.last_mut() {
                Some(last) if last.place.end > span.place.start => last.settle(span),
                Some(_) | None => spans.push(span.clone()),
            }
        }
        spans
    }

    fn only(&self) -> Option<&WindowRead> {
        match self.windows.as_slice() {
            [only] => Some(only),
            [..] => None,
        }
    }

    fn weight(&self) -> u32 {
        let bytes = |window: &WindowRead| {
            size_of::<WindowRead>()
                + window.spans.len() * size_of::<Span>()
                + window.attack.len() * size_of::<f32>()
        };
        let bytes: usize = self.windows.iter().map(bytes).sum();
        u32::try_from(bytes + 128).unwrap_or(u32::MAX)
    }
}

impl WindowRead {
    fn moved(&self, by: usize) -> Self {
        let moved = |place: &Range<usize>| place.start + by..place.end + by;
        let span = |span: &Span| Span {
            place: moved(&span.place),
            ..span.clone()
        };
        Self {
            place: moved(&self.place),
            spans: self.spans.iter().map(span).collect(),
            attack: self.attack.clone(),
        }
    }
}

impl Span {
    fn settle(&mut self, other: &Self) {
        if self.kind == other.kind {
            self.place.end = self.place.end.max(other.place.end);
            self.score = self.score.max(other.score);
        } else if other.score > self.score {
            *self = other.clone();
        }
    }
}

/// A few at once, the results in order; ends with the first that fails.
pub(super) async fn in_turn<T>(
    reads: Vec<BoxFuture<'_, Result<T, Unread>>>,
) -> Result<Vec<T>, Unread> {
    stream::iter(reads).buffered(AT_ONCE).try_collect().await
}

/// Sender and text are told apart by the sender's length.
pub(super) fn digest(sender: &str, text: &str) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(sender.len() as u64).to_le_bytes());
    hasher.update(sender.as_bytes());
    hasher.update(text.as_bytes());
    let mut digest = Digest::default();
    hasher.finalize_xof().fill(&mut digest);
    digest
}

#[cfg(test)]
#[path = "prose_tests.rs"]
mod tests;
