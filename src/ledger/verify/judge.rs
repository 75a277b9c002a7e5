//! Says what was done to a journal, from where its stretches begin and end.
//!
//! Numbers tell what is there and what is not; hashes tell which of two belongs. Where several explanations fit, the one
//! with the fewest records out of their places is given.

use super::scan::{Damage, HeaderSeen, Piece, Place, Scan, Stretch};
use super::{Fault, Finding, Link};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// What is wrong with a journal, in the order of its files.
pub(super) fn judge(scan: &Scan) -> Vec<Finding> {
    let mut judge = Judge::new(scan);
    for (index, piece) in scan.pieces.iter().enumerate() {
        match piece {
            Piece::Damage(damage) => judge.damages.push(damage),
            Piece::Stretch(stretch) => judge.stretch(index, stretch),
        }
    }
    judge.end();
    judge.headers();
    judge
        .found
        .sort_by_key(|(place, _)| (place.file, place.offset));
    judge
        .found
        .into_iter()
        .map(|(_, finding)| finding)
        .collect()
}

/// The judging of one journal, piece by piece.
struct Judge<'a> {
    scan: &'a Scan,
    /// The last record that stands where it belongs.
    trusted: Link,
    trusted_at: Place,
    /// Damage since then.
    damages: Vec<&'a Damage>,
    /// Stretches by the number of their first record.
    by_first: BTreeMap<u64, Vec<usize>>,
    /// Stretches that stand later than they belong; they are told of where they are missed.
    late: BTreeSet<usize>,
    /// Stretches that stand earlier than they belong, or were never missed.
    early: Vec<Early>,
    found: Vec<(Place, Finding)>,
}

/// Records met before their turn.
struct Early {
    finding: usize,
    records: RangeInclusive<u64>,
    missed: bool,
}

impl<'a> Judge<'a> {
    fn new(scan: &'a Scan) -> Self {
        let mut by_first: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, piece) in scan.pieces.iter().enumerate() {
            if let Piece::Stretch(stretch) = piece {
                by_first.entry(stretch.first).or_default().push(index);
            }
        }
        Self {
            scan,
            trusted: scan.start,
            trusted_at: Place { file: 0, offset: 0 },
            damages: Vec::new(),
            by_first,
            late: BTreeSet::new(),
            early: Vec::new(),
            found: Vec::new(),
        }
    }

    fn stretch(&mut self, index: usize, stretch: &'a Stretch) {
        if self.late.contains(&index) {
            return;
        }
        let expected = self.trusted.number + 1;
        let in_place = match stretch.first.cmp(&expected) {
            std::cmp::Ordering::Equal => self.goes_on(index, stretch),
            std::cmp::Ordering::Greater => self.leaves_out(index, stretch),
            std::cmp::Ordering::Less => self.goes_back(index, stretch),
        };
        if in_place {
            self.trusted = stretch.end;
            self.trusted_at = stretch.last_at;
        }
    }

    /// The next number: damage before it is bytes too many, and another hash says that what it follows was rewritten.
    fn goes_on(&mut self, index: usize, stretch: &Stretch) -> bool {
        self.foreign_bytes();
        let last = self.trusted.number;
        if stretch.before == self.trusted.hash {
            return true;
        }
        if last == self.scan.start.number {
            self.find(self.trusted_at, None, Fault::HeaderMisfit);
        } else if !self.rewritten_itself(index, stretch) {
            self.find(self.trusted_at, Some(last..=last), Fault::Rewritten);
        }
        true
    }

    /// A single record that fits neither what it follows nor what follows it is the rewritten one, and is found next.
    fn rewritten_itself(&self, index: usize, stretch: &Stretch) -> bool {
        let next = self.scan.pieces.get(index + 1);
        let is_single = stretch.first == stretch.end.number;
        is_single
            && matches!(next, Some(Piece::Stretch(next))
                if next.first == stretch.end.number + 1 && next.before != stretch.end.hash)
    }

    /// Numbers are left out: damaged, moved, or missing.
    fn leaves_out(&mut self, index: usize, stretch: &Stretch) -> bool {
        let missing = self.trusted.number + 1..=stretch.first - 1;
        if let Some(damage) = self.damages.first().copied() {
            self.damages.clear();
            let is_one = missing.start() == missing.end();
            let fault = match (is_one, damage.payload_intact) {
                (true, true) => Fault::FrameChanged,
                (true, false) => Fault::Changed,
                (false, _) => Fault::DamagedOrMissing,
            };
            self.find(damage.at, Some(missing), fault);
            return true;
        }
        let fillers = self.fillers(index, &missing);
        let filling: u64 = fillers.iter().map(|(_, other)| length(other)).sum();
        let records = stretch.first..=stretch.end.number;
        if filling > length(stretch) {
            self.early.push(Early {
                finding: self.found.len(),
                records: records.clone(),
                missed: false,
            });
            let fault = Fault::OutOfOrder {
                after: self.trusted.number,
            };
            self.find(stretch.first_at, Some(records), fault);
            return false;
        }
        self.missing(stretch.first_at, missing, &fillers);
        true
    }

    /// Later stretches that hold numbers of this range.
    fn fillers(&self, index: usize, missing: &RangeInclusive<u64>) -> Vec<(usize, &'a Stretch)> {
        let within = self.by_first.range(missing.clone());
        let later = within
            .flat_map(|(_, indexes)| indexes)
            .filter(|later| **later > index && !self.late.contains(later));
        later
            .filter_map(|later| match &self.scan.pieces[*later] {
                Piece::Stretch(stretch) => Some((*later, stretch)),
                Piece::Damage(_) => None,
            })
            .collect()
    }

    /// Tells of each number of the range: moved to somewhere else, or missing.
    fn missing(
        &mut self,
        at: Place,
        missing: RangeInclusive<u64>,
        fillers: &[(usize, &'a Stretch)],
    ) {
        let mut elsewhere: Vec<RangeInclusive<u64>> = Vec::new();
        for (index, stretch) in fillers {
            let records = stretch.first..=stretch.end.number;
            elsewhere.push(records.clone());
            self.late.insert(*index);
            let after = self.number_before(*index);
            self.find(stretch.first_at, Some(records), Fault::OutOfOrder { after });
        }
        for early in &mut self.early {
            if missing.contains(early.records.start()) {
                early.missed = true;
                elsewhere.push(early.records.clone());
            }
        }
        for gap in without(missing, elsewhere) {
            self.find(at, Some(gap), Fault::Missing);
        }
    }

    /// The number of the record that stands before a piece.
    fn number_before(&self, index: usize) -> u64 {
        let before = self.scan.pieces[..index].iter().rev();
        let mut numbers = before.filter_map(|piece| match piece {
            Piece::Stretch(stretch) => Some(stretch.end.number),
            Piece::Damage(_) => None,
        });
        numbers.next().unwrap_or(self.scan.start.number)
    }

    /// Numbers that were there already: one of the two was inserted. The one that nothing goes on from was.
    fn goes_back(&mut self, index: usize, stretch: &Stretch) -> bool {
        self.foreign_bytes();
        let last = self.trusted.number;
        if let Some(fork) = stretch.fork
            && fork.number + 1 == stretch.first
            && stretch.end.number >= last
            && !self.is_continued(index)
        {
            let records = stretch.first..=last;
            self.find(fork.next_at, Some(records), Fault::Inserted);
            return true;
        }
        let records = stretch.first..=stretch.end.number;
        let fault = if stretch.end.number <= self.scan.start.number {
            // Before all that the first file begins with: nothing is there twice.
            Fault::OutOfOrder { after: last }
        } else {
            Fault::Inserted
        };
        self.find(stretch.first_at, Some(records), fault);
        false
    }

    /// True when a stretch after this one goes on from the last trusted record.
    fn is_continued(&self, index: usize) -> bool {
        let next = self.by_first.get(&(self.trusted.number + 1));
        next.is_some_and(|next| {
            next.iter().any(|later| {
                *later > index
                    && matches!(&self.scan.pieces[*later], Piece::Stretch(stretch)
                        if stretch.before == self.trusted.hash)
            })
        })
    }

    /// Damage in whose place no record is missing.
    fn foreign_bytes(&mut self) {
        for damage in std::mem::take(&mut self.damages) {
            let fault = Fault::ForeignBytes {
                bytes: damage.bytes,
            };
            self.find(damage.at, None, fault);
        }
    }

    /// Damage that no record comes after, and what stood before its turn and was never missed.
    fn end(&mut self) {
        let next = self.trusted.number + 1;
        let last_file = self.scan.files.len().saturating_sub(1);
        for damage in std::mem::take(&mut self.damages) {
            if !(damage.torn && damage.at.file == last_file) {
                self.find(damage.at, Some(next..=next), Fault::Changed);
            }
        }
        for early in &self.early {
            if !early.missed
                && let Some((_, finding)) = self.found.get_mut(early.finding)
            {
                finding.fault = Fault::Inserted;
            }
        }
    }

    fn headers(&mut self) {
        let mut before: Option<u32> = None;
        for (index, file) in self.scan.files.iter().enumerate() {
            let at = Place {
                file: index,
                offset: 0,
            };
            if let Some(before) = before
                && before + 1 < file.number
            {
                let (from, to) = (before + 1, file.number - 1);
                self.find(at, None, Fault::FileMissing { from, to });
            }
            before = Some(file.number);
            match file.header {
                HeaderSeen::Sound | HeaderSeen::Torn { .. } => {}
                HeaderSeen::Changed => self.find(at, None, Fault::HeaderChanged),
                HeaderSeen::Bears(number) => self.find(at, None, Fault::FileRenamed { number }),
                HeaderSeen::Misfit => self.find(at, None, Fault::HeaderMisfit),
            }
        }
    }

    fn find(&mut self, at: Place, records: Option<RangeInclusive<u64>>, fault: Fault) {
        let file = self.scan.files.get(at.file);
        let finding = Finding {
            file: file.map(|file| file.path.clone()).unwrap_or_default(),
            offset: at.offset,
            records,
            fault,
        };
        self.found.push((at, finding));
    }
}

fn length(stretch: &Stretch) -> u64 {
    stretch.end.number - stretch.first + 1
}

/// What is left of a range without some others.
fn without(
    range: RangeInclusive<u64>,
    mut others: Vec<RangeInclusive<u64>>,
) -> Vec<RangeInclusive<u64>> {
    others.sort_by_key(|other| *other.start());
    let (mut next, mut left) = (*range.start(), Vec::new());
    for other in others {
        if next < *other.start() {
            left.push(next..=(*other.start() - 1).min(*range.end()));
        }
        next = next.max(other.end() + 1);
    }
    if next <= *range.end() {
        left.push(next..=*range.end());
    }
    left
}
