//! An answer's body on its way out, watched so that its record closes when the last byte is gone.

use super::told::Receipt;
use crate::domain::{AnswerBody, BrokenOff, Chunk, FinishReason, Price, Usage, Usd};
use crate::ledger::{Entry, Outcome, UnderWay};
use crate::limits::Pass;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

/// Passes an answer through unchanged, and closes its record: served when it ended well, broken off when it did not,
/// abandoned when it is dropped before its end.
pub(super) struct Watched {
    body: AnswerBody,
    entry: Option<Entry>,
    bill: Bill,
    receipt: Arc<OnceLock<Receipt>>,
    finish: Option<FinishReason>,
    complete: bool,
    /// Held until the answer has ended.
    under_way: Option<UnderWay>,
    /// The caller's leave to work on it, charged with what was used.
    pass: Option<Pass>,
}

/// What an answer costs, worked out when it has ended.
pub(super) struct Bill {
    price: Option<Price>,
    all_remote: AllRemote,
    input_estimate: u64,
    usage: Option<Usage>,
    output_bytes: usize,
    /// What calls before this one may have cost.
    lost: Usd,
    /// The most that this one can use and cost, where that much was set aside for it.
    reserved: Option<(Usage, Usd)>,
    began: Instant,
}

/// What the same would have cost, had everything been sent to the remote model.
enum AllRemote {
    At(Option<Price>),
    Known(Usd),
}

impl Bill {
    /// A bill at this endpoint's price, `None` for an answer given in this process.
    pub(super) fn new(price: Option<Price>, remote: Option<Price>, input_estimate: u64) -> Self {
        Self {
            price,
            all_remote: AllRemote::At(remote),
            input_estimate,
            usage: None,
            output_bytes: 0,
            lost: Usd::ZERO,
            reserved: None,
            began: Instant::now(),
        }
    }

    /// The same bill after calls that may have cost so much.
    pub(super) fn after(self, lost: Usd) -> Self {
        Self { lost, ..self }
    }

    /// The same bill of work that began then.
    pub(super) fn since(self, began: Instant) -> Self {
        Self { began, ..self }
    }

    /// The same bill where so much was set aside. If nobody says what was used, all of that counts as used: it is the only
    /// figure that is never too low.
    pub(super) fn reserved(self, most: Option<(Usage, Usd)>) -> Self {
        Self {
            reserved: most,
            ..self
        }
    }

    /// The bill of an answer given before: nothing, where it cost `then`.
    pub(super) fn given_before(usage: Usage, then: Usd) -> Self {
        Self {
            all_remote: AllRemote::Known(then),
            usage: Some(usage),
            ..Self::new(None, None, 0)
        }
    }

    fn see(&mut self, chunk: &Chunk) {
        match chunk {
            Chunk::Text(text) | Chunk::Tokens { text, .. } => self.output_bytes += text.len(),
            Chunk::Piece(piece) => self.output_bytes += piece.bytes(),
            // An endpoint that states nothing is billed as one: by what was set aside, or by an estimate of all of it.
            Chunk::Finish { usage, .. } if usage.estimated && self.price.is_some() => {}
            Chunk::Finish { usage, .. } => self.usage = Some(*usage),
            Chunk::Verbatim(verbatim) => {
                self.output_bytes += verbatim.seen.content_bytes;
                self.usage = verbatim.seen.usage.or(self.usage);
            }
        }
    }

    /// Tokens as stated, else as estimated from what went by.
    fn usage(&self) -> Usage {
        let assumed = || Usage {
            input: self.input_estimate,
            output: Usage::estimate_tokens(self.output_bytes),
            estimated: true,
            ..Usage::default()
        };
        let most = || self.reserved.map_or_else(assumed, |(usage, _)| usage);
        self.usage.unwrap_or_else(most)
    }

    fn cost(&self, usage: &Usage) -> Usd {
        let stated = |price: Price| price.cost(usage) + price.cost_of_time(self.began.elapsed());
        match (self.usage, self.reserved) {
            (None, Some((_, most))) => most,
            (Some(_), _) | (None, None) => self.price.map_or(Usd::ZERO, stated),
        }
    }

    /// What the answer cost as far as it has come, and what the same would have cost all-remote.
    pub(super) fn amounts(&self) -> (Usage, Receipt) {
        let usage = self.usage();
        let cost = self.cost(&usage);
        let all_remote = match self.all_remote {
            AllRemote::At(price) => price.map_or(cost, |price| price.cost(&usage)),
            AllRemote::Known(amount) => amount,
        };
        let cost = cost + self.lost;
        (usage, Receipt { cost, all_remote })
    }

    fn note(&self, entry: &mut Entry) -> Receipt {
        let (usage, receipt) = self.amounts();
        entry.note_usage(&usage);
        entry.note_cost(receipt.cost.saturating_sub(self.lost), receipt.all_remote);
        receipt
    }
}

impl Watched {
    pub(super) fn new(
        body: AnswerBody,
        mut entry: Entry,
        bill: Bill,
        receipt: Arc<OnceLock<Receipt>>,
    ) -> Self {
        entry.note_first_byte();
        Self {
            body,
            entry: Some(entry),
            bill,
            receipt,
            finish: None,
            complete: false,
            under_way: None,
            pass: None,
        }
    }

    /// Charges this pass when the answer has ended.
    pub(super) fn holding(mut self, pass: Option<Pass>) -> Self {
        self.pass = pass;
        self
    }

    /// Counts as under way at its endpoint until it has ended.
    pub(super) fn busy(mut self, under_way: Option<UnderWay>) -> Self {
        self.under_way = under_way;
        self
    }

    fn see(&mut self, chunk: &Chunk) {
        self.bill.see(chunk);
        match chunk {
            Chunk::Text(_) | Chunk::Tokens { .. } | Chunk::Piece(_) => {}
            Chunk::Finish { reason, .. } => (self.finish, self.complete) = (Some(*reason), true),
            Chunk::Verbatim(verbatim) => {
                self.finish = verbatim.seen.finish.or(self.finish);
                self.complete |= verbatim.seen.last;
            }
        }
    }

    fn close(&mut self, outcome: Outcome, error: Option<&'static str>) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        self.under_way = None;
        if let Some(mut pass) = self.pass.take() {
            let (usage, _) = self.bill.amounts();
            pass.charge(usage.input.saturating_add(usage.output));
        }
        // Set once: an entry is taken only once.
        let _ = self.receipt.set(self.bill.note(&mut entry));
        if let Some(reason) = self.finish {
            entry.note_finish(reason);
        }
        if let Some(code) = error {
            entry.note_error(code);
        }
        entry.close(outcome);
    }
}

impl Stream for Watched {
    type Item = Result<Chunk, BrokenOff>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = match this.body.as_mut().poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        match &next {
            Some(Ok(chunk)) => this.see(chunk),
            Some(Err(BrokenOff::TimedOut(_))) => {
                this.close(Outcome::BrokenOff, Some("upstream_timeout"))
            }
            Some(Err(BrokenOff::Upstream(_) | BrokenOff::Reported(_))) => {
                this.close(Outcome::BrokenOff, Some("upstream_broken_off"));
            }
            Some(Err(BrokenOff::Engine(_))) => {
                this.close(Outcome::BrokenOff, Some("gateway_engine_broken_off"));
            }
            None if this.complete => this.close(Outcome::Served, None),
            None => this.close(Outcome::BrokenOff, Some("upstream_broken_off")),
        }
        Poll::Ready(next)
    }
}

impl Drop for Watched {
    /// The caller left. What was produced until now is counted; an answer that was complete was served.
    fn drop(&mut self) {
        let outcome = if self.complete {
            Outcome::Served
        } else {
            Outcome::Abandoned
        };
        self.close(outcome, None);
    }
}
