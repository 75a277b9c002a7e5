//! What stands in the book of budgets, and what it means when it is read again.
//!
//! One JSON object a line: money set aside for a request, what became of it, and sums of what was spent before. A line
//! that is torn off at the end was never acknowledged, and is not counted.

use super::Holder;
use crate::domain::Usd;
use crate::ledger::{PlaceSeen, Window, Word};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A budget's window: the hour, day or month that a spending counts in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::ledger) struct Place {
    pub(in crate::ledger) budget: Word,
    pub(in crate::ledger) per: Window,
    pub(in crate::ledger) window: u64,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::ledger) enum Line {
    /// Money is set aside; a second line for the same decision takes the place of the first.
    Held(Held),
    /// What the decision cost in the end.
    Settled { decision: Word, micro_usd: u64 },
    /// What was spent before the book was begun anew.
    Spent {
        #[serde(flatten)]
        place: Place,
        micro_usd: u64,
    },
}

/// Money set aside for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ledger) struct Held {
    #[serde(flatten)]
    pub(in crate::ledger) holder: HolderSeen,
    pub(in crate::ledger) micro_usd: u64,
    pub(in crate::ledger) places: Vec<Place>,
}

/// For whom, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ledger) struct HolderSeen {
    pub(in crate::ledger) decision: Word,
    pub(in crate::ledger) request: Word,
    pub(in crate::ledger) caller: Word,
    pub(in crate::ledger) started_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::ledger) policy: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::ledger) class: Option<Word>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::ledger) sent_to: Vec<PlaceSeen>,
}

impl From<Holder> for HolderSeen {
    fn from(holder: Holder) -> Self {
        Self {
            decision: holder.decision.as_str().to_owned().into(),
            request: holder.request,
            caller: holder.caller,
            started_at: holder.started_at,
            policy: holder.policy,
            class: holder.class,
            sent_to: holder.places,
        }
    }
}

/// Settlements remembered, so that a record that was lost with the process can be written after all.
const SETTLED_KEPT: usize = 20_000;

/// What all lines together say.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Pages {
    /// Spent by window, reservations not counted.
    pub(in crate::ledger) spent: BTreeMap<Place, Usd>,
    /// Set aside and not yet settled, by decision.
    pub(in crate::ledger) held: HashMap<Word, Held>,
    /// Settled last, in order.
    pub(in crate::ledger) settled: VecDeque<(Held, Usd)>,
}

impl Pages {
    /// Reads a book up to the first line that is not whole.
    pub(in crate::ledger) fn read(text: &str) -> Self {
        let mut pages = Self::default();
        let whole = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        for line in whole.map_while(|line| serde_json::from_str(line).ok()) {
            pages.take(line);
        }
        pages
    }

    /// Takes one more line.
    pub(in crate::ledger) fn take(&mut self, line: Line) {
        match line {
            Line::Held(held) => {
                self.held.insert(held.holder.decision.clone(), held);
            }
            Line::Settled {
                decision,
                micro_usd,
            } => {
                if let Some(held) = self.held.remove(&decision) {
                    self.settle(held, Usd(micro_usd));
                }
            }
            Line::Spent { place, micro_usd } => {
                *self.spent.entry(place).or_default() += Usd(micro_usd);
            }
        }
    }

    /// Settles what is held, without a line that says so.
    pub(in crate::ledger) fn settle_now(&mut self, held: Held, cost: Usd) {
        self.held.remove(&held.holder.decision);
        self.settle(held, cost);
    }

    fn settle(&mut self, held: Held, cost: Usd) {
        for place in &held.places {
            *self.spent.entry(place.clone()).or_default() += cost;
        }
        if self.settled.len() >= SETTLED_KEPT {
            self.settled.pop_front();
        }
        self.settled.push_back((held, cost));
    }

    /// The lines of a book that says the same, less the windows that are long over at this moment and the settlements
    /// of requests that came before `settled_since` (milliseconds since 1970), which only the sums hold any more.
    pub(in crate::ledger) fn anew(&mut self, unix_seconds: u64, settled_since: u64) -> Vec<Line> {
        self.spent
            .retain(|place, _| place.window + 2 >= place.per.number(unix_seconds));
        self.settled
            .retain(|(held, _)| held.holder.started_at >= settled_since);
        let mut sums = self.spent.clone();
        for (held, cost) in &self.settled {
            for place in &held.places {
                if let Some(sum) = sums.get_mut(place) {
                    *sum = sum.saturating_sub(*cost);
                }
            }
        }
        let spent = sums
            .into_iter()
            .map(|(place, Usd(micro_usd))| Line::Spent { place, micro_usd });
        let settled = self.settled.iter().flat_map(|(held, cost)| {
            let end = Line::Settled {
                decision: held.holder.decision.clone(),
                micro_usd: cost.0,
            };
            [Line::Held(held.clone()), end]
        });
        let held = self.held.values().cloned().map(Line::Held);
        spent.chain(settled).chain(held).collect()
    }
}
