//! Replaces a request's personal data, reading as often as it takes to find nothing more.
//!
//! Promises: what comes out was read to its end once more and held nothing that counts; whatever cannot be read or
//! replaced within the deadline does not come out at all.

use super::Reader;
use super::personal::{Whole, named_in_prose};
use super::reader::INLINE_BYTES;
use crate::domain::{ChatRequest, Counted};
use crate::privacy::pseudonym::{Disguised, Draft, Settled};
use crate::privacy::{Named, Searched};
use std::sync::Arc;
use std::time::Duration;

/// Times that a request is read: once for what is in it, once for what is left, and twice more for what only shows when
/// its neighbours are gone.
const READINGS: usize = 4;

/// Why a request's personal data was not replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// It could not be read to its end in time.
    #[error("it could not be read to its end in time")]
    Unread,
    /// Some of it stands where nothing can be put in its place: over several texts, in a key, in a number.
    #[error("some of it cannot be replaced")]
    Stuck,
}

impl Reader {
    /// Replaces all personal data of the request that counts.
    ///
    /// # Errors
    /// Why that could not be done; the request must not leave then.
    pub async fn disguise(
        &self,
        request: &ChatRequest,
        counted: &Arc<Counted>,
        deadline: Duration,
    ) -> Result<Disguised, Withheld> {
        let work = self.settle(request, counted);
        let done = tokio::time::timeout(deadline, work).await;
        done.unwrap_or(Err(Withheld::Unread))
    }

    async fn settle(
        &self,
        request: &ChatRequest,
        counted: &Arc<Counted>,
    ) -> Result<Disguised, Withheld> {
        let mut draft = Box::new(Draft::new(request, counted.clone()));
        for _ in 0..READINGS {
            let (named, searched) = self.named(&draft, &request.caller.name).await?;
            draft = match self.step(draft, named, searched).await? {
                Settled::Clean(disguised) => return Ok(*disguised),
                Settled::Again(draft) => draft,
                Settled::Stuck => return Err(Withheld::Stuck),
            };
        }
        Err(Withheld::Stuck)
    }

    /// Everything that the draft's body holds, by its text.
    async fn named(&self, draft: &Draft, sender: &str) -> Result<(Vec<Named>, Searched), Withheld> {
        let prose = self.prose_reader(draft.counted().has_free_text());
        let whole = Whole::Body(draft.body().clone());
        let searched = self.search(&whole, prose.is_some()).await;
        let mut searched = searched.ok_or(Withheld::Unread)?;
        let mut named = std::mem::take(&mut searched.named);
        if let Some(prose) = prose {
            let texts: Vec<_> = searched
                .prose
                .iter()
                .map(|prose| prose.text.clone())
                .collect();
            let reads = prose.read(sender, &texts, &[]).await;
            let reads = reads.map_err(|_| Withheld::Unread)?;
            named.extend(named_in_prose(&searched, &reads, self.kinds()));
        }
        Ok((named, searched))
    }

    /// One step of the draft; that of a long body on the thread aside.
    async fn step(
        &self,
        draft: Box<Draft>,
        named: Vec<Named>,
        searched: Searched,
    ) -> Result<Settled, Withheld> {
        if draft.body().len() <= INLINE_BYTES {
            return Ok(draft.settle(&named, &searched.spread));
        }
        let settled = self.run_aside(move || draft.settle(&named, &searched.spread));
        settled.await.map_err(|_| Withheld::Unread)
    }
}
