//! Plugs privacy's detector into the reader of signals.

use crate::domain::Findings;
use crate::privacy::Detector;
use crate::signals::PersonalScan;

/// The detector, as signals want it.
pub(super) struct Scan(pub(super) Detector);

impl PersonalScan for Scan {
    fn in_request(&self, body: &[u8]) -> Option<Findings> {
        self.0.find_in_request(body).ok()
    }

    fn in_text(&self, text: &str) -> Findings {
        self.0.find(text)
    }
}
