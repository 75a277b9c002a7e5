//! Cuts the files of a journal into stretches: runs of records in which each follows the one before it. A sound journal
//! is one stretch; whatever was done to another shows in where its stretches begin and end.

use super::window::{LONGEST_FRAME, Window};
use super::{Head, Link};
use crate::ledger::frame::{
    self, FRAME_HEAD_BYTES, Frame, GENESIS, HEADER_BYTES, Hash, Header, MAX_PAYLOAD_BYTES,
};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;

/// How many records back the place is looked for that a stretch goes on from.
const REMEMBERED: usize = 1024;
/// Numbers of records this far apart are no numbers of one journal.
const FAR: u64 = 1 << 32;

/// A byte in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, by its index among the journal's files.
    pub(super) file: usize,
    pub(super) offset: u64,
}

/// What the files hold, in their order.
#[derive(Debug)]
pub(super) enum Piece {
    Stretch(Stretch),
    Damage(Damage),
}

/// Records of which each follows the one before it.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) first_at: Place,
    pub(super) last_at: Place,
    pub(super) first: u64,
    /// The hash that its first record says it goes on from.
    pub(super) before: Hash,
    pub(super) end: Link,
    /// Where its first record really goes on from, when that is not the record right before it.
    pub(super) fork: Option<Fork>,
}

/// An earlier place that a stretch goes on from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fork {
    /// The number of the record that it follows.
    pub(super) number: u64,
    /// Where the record stands that came in between.
    pub(super) next_at: Place,
}

/// Bytes that are no record.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) at: Place,
    pub(super) bytes: u64,
    /// The payload of the one record in it is as it was written: only what frames it was changed.
    pub(super) payload_intact: bool,
    /// It ends the file, and looks as a crash in the middle of a write leaves it.
    pub(super) torn: bool,
}

/// One file's header, and what is wrong with it.
#[derive(Debug)]
pub(super) struct FileSeen {
    pub(super) path: PathBuf,
    pub(super) number: u32,
    pub(super) header: HeaderSeen,
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderSeen {
    Sound,
    /// The last file ends within it, as a crash leaves it.
    Torn {
        bytes: u64,
    },
    /// No header of a version known here.
    Changed,
    /// It is another file's.
    Bears(u32),
    /// It goes on neither from the file before it nor into the records after it.
    Misfit,
}

/// Everything that judging needs of the files.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) files: Vec<FileSeen>,
    pub(super) pieces: Vec<Piece>,
    pub(super) records: u64,
    /// Where the journal begins: the number and the hash before its first record.
    pub(super) start: Link,
    /// The last whole record.
    pub(super) last: Link,
    /// When the first and the last record say they came.
    pub(super) times: Option<(u64, u64)>,
    /// The heads asked for, and what was found at their counts.
    pub(super) found: HashMap<u64, Vec<Hash>>,
    recent: VecDeque<(Link, Place)>,
    last_payload: Vec<u8>,
    after_damage: bool,
}

impl Scan {
    /// Reads the files, and notes the hashes of those records whose numbers are wanted.
    pub(super) fn new(wanted: &[Head]) -> Self {
        let found = wanted.iter().map(|head| (head.count, Vec::new()));
        Self {
            found: found.collect(),
            ..Self::default()
        }
    }

    /// Reads one more file.
    pub(super) fn read(&mut self, number: u32, path: PathBuf, is_last: bool) -> io::Result<()> {
        let mut window = Window::open(&path)?;
        let rest = window.rest()?;
        let (length, header) = (rest.len(), Header::parse(rest));
        let is_torn = is_last && length < HEADER_BYTES && begins_header(rest, number, self.last);
        let mut before = (!self.after_damage).then_some(self.last);
        if self.files.is_empty() {
            before = None;
            self.begin(header.as_ref(), rest_number(rest));
        }
        self.files.push(FileSeen {
            path,
            number,
            header: HeaderSeen::Sound,
        });
        window.pass(HEADER_BYTES.min(length));
        let first = self.records_of(&mut window)?;
        let seen = match header {
            None if is_torn => HeaderSeen::Torn {
                bytes: length as u64,
            },
            None => HeaderSeen::Changed,
            Some(header) if header.number != number => HeaderSeen::Bears(header.number),
            Some(header) if fits(&header, before, first) => HeaderSeen::Sound,
            Some(_) => HeaderSeen::Misfit,
        };
        if let Some(file) = self.files.last_mut() {
            file.header = seen;
        }
        Ok(())
    }

    /// Notes where the journal begins: as the first file's header says, else as its first record does.
    fn begin(&mut self, header: Option<&Header>, first: Option<Link>) {
        let said = header.map(|header| Link {
            number: header.first.saturating_sub(1),
            hash: header.before,
        });
        self.start = said.or(first).unwrap_or_default();
        self.last = self.start;
        let place = Place { file: 0, offset: 0 };
        self.recent.push_back((self.start, place));
        self.note_found(self.start);
    }

    /// Reads the records of a file; gives what its first whole one goes on from.
    fn records_of(&mut self, window: &mut Window) -> io::Result<Option<Link>> {
        let file = self.files.len() - 1;
        let mut first = None;
        loop {
            let at = Place {
                file,
                offset: window.offset(),
            };
            let rest = window.rest()?;
            if rest.is_empty() {
                return Ok(first);
            }
            match frame::parse(rest) {
                Frame::Whole {
                    number,
                    before,
                    payload,
                    bytes,
                } => {
                    first.get_or_insert(Link {
                        number: number.saturating_sub(1),
                        hash: before,
                    });
                    self.record(at, number, before, payload);
                    window.pass(bytes);
                }
                Frame::Short | Frame::Damaged => self.skip(at, window)?,
            }
        }
    }

    fn record(&mut self, at: Place, number: u64, before: Hash, payload: &[u8]) {
        let link = Link {
            number,
            hash: frame::hash(&before, number, payload),
        };
        let follows = number == self.last.number + 1 && before == self.last.hash;
        match self.pieces.last_mut() {
            Some(Piece::Stretch(stretch)) if follows => {
                stretch.end = link;
                stretch.last_at = at;
            }
            Some(Piece::Stretch(_) | Piece::Damage(_)) | None => {
                let fork = self.fork(&before);
                self.pieces.push(Piece::Stretch(Stretch {
                    first_at: at,
                    last_at: at,
                    first: number,
                    before,
                    end: link,
                    fork,
                }));
            }
        }
        self.note(at, link, payload);
    }

    fn note(&mut self, at: Place, link: Link, payload: &[u8]) {
        if self.records == 0 {
            self.times = time_of(payload).map(|time| (time, time));
        }
        self.records += 1;
        self.last = link;
        self.after_damage = false;
        self.last_payload.clear();
        self.last_payload.extend_from_slice(payload);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((link, at));
        self.note_found(link);
    }

    fn note_found(&mut self, link: Link) {
        if !self.found.is_empty()
            && let Some(hashes) = self.found.get_mut(&link.number)
        {
            hashes.push(link.hash);
        }
    }

    /// Ends the reading: from now on the times are known.
    pub(super) fn finish(&mut self) {
        let last = time_of(&self.last_payload);
        self.times = self.times.zip(last).map(|((first, _), last)| (first, last));
    }

    fn fork(&self, before: &Hash) -> Option<Fork> {
        let index = self
            .recent
            .iter()
            .rposition(|(link, _)| link.hash == *before)?;
        let (_, next_at) = self.recent.get(index + 1)?;
        Some(Fork {
            number: self.recent[index].0.number,
            next_at: *next_at,
        })
    }

    /// Passes over bytes that are no record, up to the next one or the end of the file.
    fn skip(&mut self, at: Place, window: &mut Window) -> io::Result<()> {
        let mut damaged = window.rest()?.to_vec();
        damaged.truncate(LONGEST_FRAME + 1);
        let next = loop {
            window.pass(1);
            let rest = window.rest()?;
            if rest.is_empty() {
                break None;
            }
            if let Some(before) = self.record_here(rest) {
                break Some(before);
            }
        };
        let bytes = window.offset() - at.offset;
        damaged.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        let payload_intact = next.is_some_and(|next| self.payload_leads_to(&damaged, &next));
        self.pieces.push(Piece::Damage(Damage {
            at,
            bytes,
            payload_intact,
            torn: next.is_none() && is_torn(&damaged, self.last),
        }));
        self.after_damage = true;
        Ok(())
    }

    /// What the record goes on from that begins with these bytes, where one does. What cannot be one is seen before its
    /// checksum is worked out.
    fn record_here(&self, rest: &[u8]) -> Option<Hash> {
        let number = frame::u64_at(rest, 8)?;
        let likely =
            rest.get(FRAME_HEAD_BYTES) == Some(&b'{') && number.abs_diff(self.last.number) < FAR;
        match frame::parse(if likely { rest } else { &[] }) {
            Frame::Whole { before, .. } => Some(before),
            Frame::Short | Frame::Damaged => None,
        }
    }

    fn payload_leads_to(&self, damaged: &[u8], next: &Hash) -> bool {
        let payload = damaged.get(FRAME_HEAD_BYTES..);
        let (last, number) = (&self.last.hash, self.last.number + 1);
        payload.is_some_and(|payload| frame::hash(last, number, payload) == *next)
    }
}

/// What a journal whose first header cannot be read begins after: what its first record says.
fn rest_number(rest: &[u8]) -> Option<Link> {
    match frame::parse(rest.get(HEADER_BYTES..)?) {
        Frame::Whole { number, before, .. } => Some(Link {
            number: number.saturating_sub(1),
            hash: before,
        }),
        Frame::Short | Frame::Damaged => None,
    }
}

/// A header goes on from what stands before it, or its file's first record does from it; where damage hides the one and
/// there is no other, nothing can be said against it. The first header of all is where the journal begins.
fn fits(header: &Header, before: Option<Link>, first: Option<Link>) -> bool {
    let said = Link {
        number: header.first.saturating_sub(1),
        hash: header.before,
    };
    let from_nothing = header.first == 1 && header.number == 1 && header.before == GENESIS;
    let from_others = header.first > 1 && header.number > 1;
    let follows = before.is_none_or(|before| before == said);
    (from_nothing || from_others) && (follows || first == Some(said))
}

/// True for the first bytes of the header that belongs here.
fn begins_header(bytes: &[u8], number: u32, last: Link) -> bool {
    let header = Header {
        number,
        first: last.number + 1,
        before: last.hash,
    };
    header.encode().starts_with(bytes)
}

/// What a crash leaves of the record after `last`: its first bytes, and nothing or zeros after them.
fn is_torn(bytes: &[u8], last: Link) -> bool {
    let bytes = &bytes[..bytes.len() - frame::never_written(bytes)];
    let right = |from: usize, to: usize, wanted: &[u8]| {
        let there = bytes.get(from..to.min(bytes.len())).unwrap_or_default();
        wanted.starts_with(there)
    };
    let begins_right =
        right(8, 16, &(last.number + 1).to_le_bytes()) && right(16, FRAME_HEAD_BYTES, &last.hash);
    begins_right && is_short(bytes) && is_beginning(bytes)
}

/// Shorter than it says it is, by a length that a record can have.
fn is_short(bytes: &[u8]) -> bool {
    let length = frame::u32_at(bytes, 0).map(|length| length as usize);
    length.is_none_or(|length| {
        (1..=MAX_PAYLOAD_BYTES).contains(&length) && bytes.len() < FRAME_HEAD_BYTES + length
    })
}

/// The first bytes of a record and none taken out of their midst: a JSON object that breaks off and is neither whole nor
/// wrong. Where one byte is missing, the checksum tells whether it is the closing brace or another.
fn is_beginning(bytes: &[u8]) -> bool {
    let Some(payload) = bytes.get(FRAME_HEAD_BYTES..) else {
        return true;
    };
    // As a value, because a number that breaks off is an end to it, and a fault where numbers are passed over.
    let read = serde_json::from_slice::<serde_json::Value>(payload);
    read.is_err_and(|error| error.is_eof()) && ends_with_the_brace(bytes, payload)
}

/// True where more than one byte is missing, or the one that is missing is the last.
fn ends_with_the_brace(bytes: &[u8], payload: &[u8]) -> bool {
    let (Some(length), Some(crc)) = (frame::u32_at(bytes, 0), frame::u32_at(bytes, 4)) else {
        return true;
    };
    let (Some(number), Some(Ok(before))) = (
        frame::u64_at(bytes, 8),
        bytes.get(16..FRAME_HEAD_BYTES).map(Hash::try_from),
    ) else {
        return true;
    };
    let whole = [payload, b"}"].concat();
    whole.len() < length as usize || frame::checksum(number, &before, &whole) == crc
}

/// When a record says it came, in milliseconds since 1970.
fn time_of(payload: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Timed {
        #[serde(alias = "at")]
        started_at: u64,
    }
    let timed: Timed = serde_json::from_slice(payload).ok()?;
    Some(timed.started_at)
}
