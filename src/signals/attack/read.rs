//! Reads attacks in the texts of a conversation, each text once.

use super::super::prose::{Digest, Encoded, LONGEST, Prose, Unread, digest, in_turn};
use super::{AttackHead, other_readings};
use crate::domain::Probability;
use crate::inference::Pool;
use futures_util::FutureExt;
use moka::sync::Cache;
use std::sync::Arc;

/// Longer texts are searched for disguises by a thread aside.
const INLINE_BYTES: usize = 16 * 1024;

/// Texts whose score is remembered.
const REMEMBERED: u64 = 50_000;

/// Scores texts by their tokens. A cheap handle.
#[derive(Clone)]
pub(in crate::signals) struct AttackReader {
    head: AttackHead,
    prose: Prose,
    memo: Cache<Digest, Probability>,
    aside: Pool<()>,
}

impl AttackReader {
    pub(in crate::signals) fn new(head: AttackHead, prose: Prose, aside: Pool<()>) -> Self {
        let memo = Cache::new(REMEMBERED);
        Self {
            head,
            prose,
            memo,
            aside,
        }
    }

    /// The score of the worst of `texts`, read to its end in each of its readings; none of them if one cannot be read.
    /// `sender` and `under_way` are as in [`Prose::read`].
    pub(in crate::signals) async fn read(
        &self,
        sender: &str,
        texts: &[Arc<str>],
        under_way: &[(Arc<str>, Encoded)],
    ) -> Result<Probability, Unread> {
        let scores = texts.iter();
        let scores = scores.map(|text| self.text(sender, text, under_way).boxed());
        let scores = in_turn(scores.collect()).await?;
        Ok(scores.into_iter().fold(Probability::clamped(0.0), worse))
    }

    async fn text(
        &self,
        sender: &str,
        text: &Arc<str>,
        under_way: &[(Arc<str>, Encoded)],
    ) -> Result<Probability, Unread> {
        // Before anything is searched in it: the search is linear, but a huge text is not read in time anyway.
        if text.len() > LONGEST {
            return Err(Unread::TooMuch);
        }
        let key = digest(sender, text);
        if let Some(known) = self.memo.get(&key) {
            return Ok(known);
        }
        let mut readings = vec![Arc::clone(text)];
        readings.extend(self.other_readings(text).await?);
        let reads = self.prose.read(sender, &readings, under_way).await?;
        let windows = reads.iter().flat_map(|read| &read.windows);
        let scores = windows.map(|window| self.head.probability(&window.attack));
        let worst = scores.fold(Probability::clamped(0.0), worse);
        self.memo.insert(key, worst);
        Ok(worst)
    }

    async fn other_readings(&self, text: &Arc<str>) -> Result<Vec<Arc<str>>, Unread> {
        let readings = if text.len() <= INLINE_BYTES {
            other_readings(text)
        } else {
            let text = Arc::clone(text);
            let aside = self.aside.run(move |()| other_readings(&text));
            aside.await.map_err(Unread::Encoder)?
        };
        Ok(readings.into_iter().map(Into::into).collect())
    }
}

fn worse(a: Probability, b: Probability) -> Probability {
    if a >= b { a } else { b }
}
