//! Plugs privacy's detector into the reader of signals.

use crate::domain::{Findings, PersonalKind};
use crate::policy::Privacy;
use crate::privacy::{Detector, Searched};
use crate::signals::{PersonalScan, Reader};
use anyhow::bail;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The detector, as signals want it.
pub(super) struct Scan(pub(super) Detector);

/// `reader` with the search that `privacy` asks for; refused where a class would rest on a kind that nothing here finds.
pub(super) fn searching(reader: &Reader, privacy: &Privacy) -> anyhow::Result<Reader> {
    let raising = privacy.raises.iter().flat_map(|rule| &rule.any).copied();
    let blind = reader.blind_to(&raising.collect());
    if let Some(kind) = blind.first() {
        bail!(
            "privacy.raise rests on `{}`, which this encoder cannot find in a text; take an encoder that can, or leave it out",
            kind.as_str()
        );
    }
    // What is looked for seldom changes, and its patterns take megabytes and a moment to compile.
    if *reader.looks_for() == privacy.detectors {
        return Ok(reader.clone());
    }
    let scan = Scan(Detector::new(&privacy.detectors));
    Ok(reader.with_scan(Arc::new(scan)))
}

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
