//! What an ONNX file says of itself, read without loading it: which other files hold its weights, and whether its
//! attention keeps past and present in one buffer.
//!
//! Walks the protobuf by the field numbers of onnx.proto and leaps over the weights, so a file of any size takes
//! little memory and time.

use crate::inference::external::Part;
use std::io::{self, BufRead, Seek};

/// A tensor's place in another file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct External {
    /// The file's path, as the model has it: relative to the model's folder.
    pub(super) location: String,
    /// Bytes before the tensor.
    pub(super) offset: u64,
    /// The tensor's bytes; `None` where the model does not say, and the rest of the file is meant.
    pub(super) length: Option<u64>,
}

/// What an ONNX file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Every tensor that lies in another file.
    pub(super) external: Vec<External>,
    /// The graph has `GroupQueryAttention` nodes.
    pub(super) shares_buffers: bool,
}

/// The operator whose past and present may be one buffer.
const SHARING_OPERATOR: &[u8] = b"GroupQueryAttention";

/// Longest name or path that is read; ONNX's own are far shorter.
const LONGEST_TEXT: u64 = 4096;

/// A reader that knows where it is.
struct Walk<R> {
    reader: R,
    at: u64,
}

/// A part of the file that is still to be walked: what it is, from where, to where.
type Waiting = (Part, u64, u64);

/// Reads a file of `length` bytes. `None` when it is no ONNX file, or cut short.
pub(super) fn survey<R: BufRead + Seek>(reader: R, length: u64) -> Option<Survey> {
    let mut walk = Walk { reader, at: 0 };
    let mut survey = Survey::default();
    let mut waiting = vec![(Part::Model, 0, length)];
    let mut graphs = 0;
    while let Some((part, start, end)) = waiting.pop() {
        graphs += usize::from(matches!(part, Part::Graph));
        walk.leap(start).ok()?;
        let found = walk.part(part, end, &mut waiting, &mut survey)?;
        survey.external.extend(found);
    }
    (graphs > 0).then_some(survey)
}

impl<R: BufRead + Seek> Walk<R> {
    /// Walks one part; gives the place that it names, if it is a tensor in another file.
    fn part(
        &mut self,
        part: Part,
        end: u64,
        waiting: &mut Vec<Waiting>,
        survey: &mut Survey,
    ) -> Option<Option<External>> {
        let mut external = None;
        while self.at < end {
            let key = self.varint()?;
            let (field, kind) = (key >> 3, key & 7);
            let length = match kind {
                0 => {
                    self.varint()?;
                    continue;
                }
                1 => 8,
                2 => self.varint()?,
                5 => 4,
                _ => return None,
            };
            let next = self.at.checked_add(length).filter(|next| *next <= end)?;
            match (part, field, part.child(field)) {
                (Part::Tensor, 13, _) => self.entry(next, external.get_or_insert_default())?,
                (Part::Node, 4, _) => {
                    survey.shares_buffers |= self.text(length)? == SHARING_OPERATOR
                }
                (_, _, Some(child)) if kind == 2 => waiting.push((child, self.at, next)),
                _ => {}
            }
            self.leap(next).ok()?;
        }
        (self.at == end).then_some(external)
    }

    /// One key and value of `external_data`.
    fn entry(&mut self, end: u64, external: &mut External) -> Option<()> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        while self.at < end {
            let field = self.varint()?;
            let length = self.varint()?;
            match field {
                0x0a => key = self.text(length)?,
                0x12 => value = self.text(length)?,
                _ => return None,
            }
        }
        let value = String::from_utf8(value).ok()?;
        match key.as_slice() {
            b"location" => external.location = value,
            b"offset" => external.offset = value.parse().ok()?,
            b"length" => external.length = Some(value.parse().ok()?),
            _ => {}
        }
        Some(())
    }

    fn text(&mut self, length: u64) -> Option<Vec<u8>> {
        let length = usize::try_from(length)
            .ok()
            .filter(|_| length <= LONGEST_TEXT)?;
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).ok()?;
        self.at += length as u64;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.reader.read_exact(&mut byte).ok()?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn leap(&mut self, to: u64) -> io::Result<()> {
        let too_far = |_| io::Error::from(io::ErrorKind::InvalidData);
        let (from, target) = (
            i64::try_from(self.at).map_err(too_far)?,
            i64::try_from(to).map_err(too_far)?,
        );
        // Unlike `seek`, this keeps what is buffered.
        self.reader.seek_relative(target - from)?;
        self.at = to;
        Ok(())
    }
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
