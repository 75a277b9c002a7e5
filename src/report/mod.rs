//! What a journal says, put together for people: where requests went and why, and what was spent and saved.
//!
//! Nothing is said here that no record holds. Knows no files and prints nothing: records go in, figures come out.

mod export;
pub mod page;
mod spend;
mod tally;
pub mod when;
mod whereto;

pub use export::{COLUMNS, csv_row};
pub use spend::{Spend, Table};
pub use tally::{Sent, Tally};
pub use whereto::{Claim, Journey, Whereabouts};

use crate::ledger::Record;

/// Which records a report is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this data class only.
    pub class: Option<String>,
    /// Of this caller only.
    pub caller: Option<String>,
    /// Not before this moment (milliseconds since 1970).
    pub from: Option<u64>,
    /// Before this moment (milliseconds since 1970).
    pub to: Option<u64>,
}

impl Filter {
    /// True for a record of this caller and time, whatever its class.
    pub fn covers(&self, record: &Record) -> bool {
        self.caller
            .as_deref()
            .is_none_or(|caller| caller == &*record.caller)
            && self.from.is_none_or(|from| record.started_at >= from)
            && self.to.is_none_or(|to| record.started_at < to)
    }

    /// True for a record of this class.
    pub fn has_class(&self, record: &Record) -> bool {
        let class = record.data_class.as_deref();
        self.class
            .as_deref()
            .is_none_or(|wanted| class == Some(wanted))
    }
}
