//! Plugs privacy's detector into the reader of signals.

use crate::domain::{Findings, PersonalKind};
use crate::privacy::{Detector, Searched};
use crate::signals::PersonalScan;
use std::collections::BTreeSet;

/// The detector, as signals want it.
pub(super) struct Scan(pub(super) Detector);

impl PersonalScan for Scan {
    fn wanted(&self) -> &BTreeSet<PersonalKind> {
        self.0.wanted()
    }

    fn in_request(&self, body: &[u8], prose: bool) -> Option<Searched> {
        self.0.search_request(body, prose).ok()
    }

    fn in_text(&self, text: &str) -> Findings {
        self.0.find(text)
    }
}
