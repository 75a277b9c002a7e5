//! The bytes of a journal file: a header, then frames chained by their hashes.
//!
//! ```text
//! header  magic 8 | version u32 | number of the file u32 | number of its first record u64 | hash before it 32 | crc32 u32
//! frame   length of the payload u32 | crc32 u32 | number of the record u64 | hash before it 32 | payload (JSON)
//! ```
//! All numbers are little-endian; records count from 1 over all files. A crc covers what stands beside it and finds
//! accidents. The hash of a record is SHA-256(hash before it ‖ number ‖ payload): whoever edits, removes or reorders a
//! record changes every hash after it. The number tells a removed record from a rewritten one.

use sha2::{Digest, Sha256};

pub(super) const HEADER_BYTES: usize = 60;
pub(super) const FRAME_HEAD_BYTES: usize = 48;
/// The longest payload taken for real; a length above it is damage. A record is one to two thousand bytes.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1 << 20;

const MAGIC: [u8; 8] = *b"FLJRNL\r\n";
const VERSION: u32 = 2;

/// Fewer zeros than this at the end of a file may have been written.
const NEVER_WRITTEN: usize = 16;

/// The hash of a record, and of everything before it.
pub type Hash = [u8; 32];

/// The hash before the first record of all.
pub(super) const GENESIS: Hash = [0; 32];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u32,
    /// The number of the file's first record.
    pub(super) first: u64,
    pub(super) before: Hash,
}

/// What stands at an offset.
#[derive(Debug, PartialEq)]
pub(super) enum Frame<'bytes> {
    Whole {
        number: u64,
        before: Hash,
        payload: &'bytes [u8],
        bytes: usize,
    },
    /// The bytes end before the frame does.
    Short,
    /// A frame was never written so.
    Damaged,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.before);
        let crc = crc32fast::hash(&bytes[..56]);
        bytes[56..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// None when these are not the first bytes of a journal file of this version.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
        let header = Self {
            number: u32_at(bytes, 12)?,
            first: u64_at(bytes, 16)?,
            before: bytes[24..56].try_into().ok()?,
        };
        // Compared whole, so that nothing in a header can be other than written.
        (header.encode() == *bytes).then_some(header)
    }
}

/// Appends the frame of the record with this number and gives its hash.
pub(super) fn encode(before: &Hash, number: u64, payload: &[u8], into: &mut Vec<u8>) -> Hash {
    into.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    into.extend_from_slice(&checksum(number, before, payload).to_le_bytes());
    into.extend_from_slice(&number.to_le_bytes());
    into.extend_from_slice(before);
    into.extend_from_slice(payload);
    hash(before, number, payload)
}

/// Reads the frame at the start of the bytes.
pub(super) fn parse(bytes: &[u8]) -> Frame<'_> {
    let Some(length) = u32_at(bytes, 0).map(|length| length as usize) else {
        return Frame::Short;
    };
    if length == 0 || length > MAX_PAYLOAD_BYTES {
        return Frame::Damaged;
    }
    let Some(payload) = bytes.get(FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + length) else {
        return Frame::Short;
    };
    let (Some(crc), Some(number), Ok(before)) = (
        u32_at(bytes, 4),
        u64_at(bytes, 8),
        Hash::try_from(&bytes[16..FRAME_HEAD_BYTES]),
    ) else {
        return Frame::Short;
    };
    if checksum(number, &before, payload) != crc {
        return Frame::Damaged;
    }
    Frame::Whole {
        number,
        before,
        payload,
        bytes: FRAME_HEAD_BYTES + length,
    }
}

/// True when a whole frame begins anywhere after the first byte: what stands before it is damage, not a torn end.
pub(super) fn any_later(bytes: &[u8]) -> bool {
    let last = bytes.len().saturating_sub(FRAME_HEAD_BYTES);
    (1..last).any(|at| matches!(parse(&bytes[at..]), Frame::Whole { .. }))
}

/// True for a record of its full length, or with its whole content, that is not as it was written: somebody changed it,
/// for a crash writes the beginning of a record and no more. `number` and `before` are those that it should have.
pub(super) fn is_changed(bytes: &[u8], number: u64, before: &Hash) -> bool {
    let Some(payload) = bytes.get(FRAME_HEAD_BYTES..) else {
        return false;
    };
    let is_in_place = u64_at(bytes, 8) == Some(number) && bytes[16..FRAME_HEAD_BYTES] == *before;
    let length = u32_at(bytes, 0).map(|length| length as usize);
    let is_full = is_in_place && length == Some(payload.len());
    (is_full && never_written(payload) == 0) || is_object(payload)
}

/// How many bytes at the end were never written: a file system made the file longer and lost power, which leaves zeros.
/// A few may be anybody's.
pub(super) fn never_written(bytes: &[u8]) -> usize {
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    if zeros >= NEVER_WRITTEN { zeros } else { 0 }
}

/// True for a whole JSON object, which no beginning of one is.
pub(super) fn is_object(payload: &[u8]) -> bool {
    payload.first() == Some(&b'{')
        && serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_ok()
}

/// The hash of a record.
pub(super) fn hash(before: &Hash, number: u64, payload: &[u8]) -> Hash {
    let digest = Sha256::new()
        .chain_update(before)
        .chain_update(number.to_le_bytes())
        .chain_update(payload);
    digest.finalize().into()
}

/// The crc that stands in a frame.
pub(super) fn checksum(number: u64, before: &Hash, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(before);
    hasher.update(payload);
    hasher.finalize()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes))
}
