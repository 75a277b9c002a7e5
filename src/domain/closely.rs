//! A text as the desk model reads it: whole, and word by word.

use std::fmt;
use std::sync::Arc;

/// A text's direction in meaning, and that of each of its words where it stands (late interaction, as in ColBERT:
/// Khattab and Zaharia 2020, arXiv 2004.12832). Kept in bytes, so that a thousand answers take megabytes.
#[derive(Clone, PartialEq)]
pub struct Closely {
    /// The whole text's direction, unit length.
    vector: Arc<[f32]>,
    /// Word after word, each of `dimensions` bytes; 127 stands for 1.
    words: Vec<i8>,
    dimensions: usize,
    /// What each word counts of the question, of 1 in all.
    shares: Vec<f32>,
}

/// One in the bytes of a word.
const ONE: f32 = 127.0;

impl Closely {
    /// Of the model's outputs: the text's vector, and a row for each token. A row is the token's direction, unit length,
    /// then the logarithm of what it counts; the first and the last row belong to the text's ends and are passed over.
    ///
    /// `None` where the rows differ in length or hold nothing between the ends: such a text was not read word by word.
    pub fn new<'a>(
        vector: Arc<[f32]>,
        rows: impl ExactSizeIterator<Item = &'a [f32]>,
    ) -> Option<Self> {
        let inner = rows.len().checked_sub(2).filter(|inner| *inner > 0)?;
        let mut read = Self {
            vector,
            words: Vec::new(),
            dimensions: 0,
            shares: Vec::with_capacity(inner),
        };
        for row in rows.skip(1).take(inner) {
            let (weight, direction) = row.split_last()?;
            if read.shares.is_empty() {
                read.dimensions = direction.len();
                read.words.reserve(inner * direction.len());
            }
            if direction.is_empty() || direction.len() != read.dimensions {
                return None;
            }
            read.words.extend(direction.iter().copied().map(in_bytes));
            read.shares.push(*weight);
        }
        to_shares(&mut read.shares);
        Some(read)
    }

    /// The words of a text that goes on with this one, added. The direction stays that of the beginning.
    #[must_use]
    pub fn going_on_with(mut self, rest: &Self) -> Self {
        if rest.dimensions == self.dimensions {
            self.words.extend(&rest.words);
            self.shares.extend(&rest.shares);
            let texts: f32 = self.shares.iter().sum();
            self.shares.iter_mut().for_each(|share| *share /= texts);
        }
        self
    }

    /// The reading in bytes, for [`Closely::from_bytes`] of the same release: the numbers of the direction, of a word's
    /// direction and of words, four bytes each, then these numbers themselves, all little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let counts = [self.vector.len(), self.dimensions, self.shares.len()];
        let counts = counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let floats = |numbers: &[f32]| -> Vec<u8> {
            let bytes = numbers.iter().map(|number| number.to_le_bytes());
            bytes.flatten().collect()
        };
        let words = self.words.iter().flat_map(|byte| byte.to_le_bytes());
        let mut bytes: Vec<u8> = counts
            .iter()
            .flat_map(|count| count.to_le_bytes())
            .collect();
        bytes.extend(floats(&self.vector));
        bytes.extend(words);
        bytes.extend(floats(&self.shares));
        bytes
    }

    /// What [`Closely::to_bytes`] wrote; `None` where the bytes are none of its.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (counts, numbers) = bytes.split_at_checked(12)?;
        let mut counts = counts.chunks_exact(4).map(|four| {
            let four = four.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(four)).ok()
        });
        let mut count = || counts.next().flatten();
        let (whole, dimensions, words) = (count()?, count()?, count()?);
        let floats = |bytes: &[u8]| -> Vec<f32> {
            let fours = bytes
                .chunks_exact(4)
                .filter_map(|four| four.try_into().ok());
            fours.map(f32::from_le_bytes).collect()
        };
        let (vector, numbers) = numbers.split_at_checked(whole.checked_mul(4)?)?;
        let (directions, shares) = numbers.split_at_checked(words.checked_mul(dimensions)?)?;
        let read = Self {
            vector: floats(vector).into(),
            words: directions.iter().map(|byte| byte.cast_signed()).collect(),
            dimensions,
            shares: floats(shares),
        };
        (dimensions > 0 && shares.len() == words.checked_mul(4)?).then_some(read)
    }

    /// The whole text's direction, unit length.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// Numbers in a word's direction.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The words' directions, one after the other, in bytes.
    pub fn words(&self) -> &[i8] {
        &self.words
    }

    /// How far the words of this text are met by others, -1 to 1: of each word the cosine with its closest, by what the
    /// word counts. 0 where the others are none, or of other dimensions.
    pub fn met_by(&self, others: &[i8], dimensions: usize) -> f32 {
        if others.is_empty() || dimensions != self.dimensions {
            return 0.0;
        }
        let words = self.words.chunks_exact(dimensions).zip(&self.shares);
        words
            .map(|(word, share)| {
                let others = others.chunks_exact(dimensions);
                let closest = others.map(|other| product(word, other)).max();
                share * closest.unwrap_or_default() as f32
            })
            .sum::<f32>()
            / (ONE * ONE)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
fn in_bytes(number: f32) -> i8 {
    (number * ONE).round().clamp(-ONE, ONE) as i8
}

/// Logarithms of weights to shares of 1.
fn to_shares(weights: &mut [f32]) {
    let most = weights.iter().copied().fold(f32::MIN, f32::max);
    weights
        .iter_mut()
        .for_each(|weight| *weight = (*weight - most).exp());
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
}

fn product(one: &[i8], other: &[i8]) -> i32 {
    let pairs = one.iter().zip(other);
    pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

impl fmt::Debug for Closely {
    /// Without the numbers, which tell much of the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closely")
            .field("words", &self.shares.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &[[f32; 3]]) -> Option<Closely> {
        Closely::new([1.0, 0.0].into(), rows.iter().map(|row| &row[..]))
    }

    #[test]
    fn the_ends_of_a_text_are_no_words() {
        let read = read(&[[1.0; 3], [0.0, 1.0, 0.0], [1.0; 3]]).unwrap();
        assert_eq!((read.words(), read.dimensions()), (&[0, 127][..], 2));
        assert_eq!(super::tests::read(&[[1.0; 3], [1.0; 3]]), None);
    }

    #[test]
    fn each_word_counts_by_its_weight_and_its_closest() {
        let ln = f32::ln;
        let ends = [0.0; 3];
        // The first counts three times the second.
        let asked = read(&[ends, [1.0, 0.0, ln(3.0)], [0.0, 1.0, ln(1.0)], ends]).unwrap();
        let both = read(&[ends, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], ends]).unwrap();
        let first = read(&[ends, [1.0, 0.0, 0.0], ends]).unwrap();
        assert!((asked.met_by(both.words(), 2) - 1.0).abs() < 1e-3);
        assert!((asked.met_by(first.words(), 2) - 0.75).abs() < 1e-3);
        assert!(asked.met_by(&[], 2).abs() < 1e-6);
        assert!(asked.met_by(&[1, 2, 3], 3).abs() < 1e-6);
    }

    #[test]
    fn a_reading_comes_back_from_its_bytes_and_from_no_others() {
        let read = read(&[[0.0; 3], [0.6, -0.8, 0.5], [0.0, 1.0, -2.0], [0.0; 3]]).unwrap();
        let bytes = read.to_bytes();
        assert_eq!(Closely::from_bytes(&bytes), Some(read));
        for end in 0..bytes.len() {
            assert_eq!(Closely::from_bytes(&bytes[..end]), None, "cut at {end}");
        }
        assert_eq!(Closely::from_bytes(&[bytes, vec![0]].concat()), None);
        assert_eq!(Closely::from_bytes(&[0xff; 40]), None);
    }

    #[test]
    fn rows_of_different_lengths_are_refused() {
        let rows: [&[f32]; 4] = [&[0.0; 3], &[1.0, 0.0, 0.0], &[1.0, 0.0], &[0.0; 3]];
        assert_eq!(Closely::new([1.0].into(), rows.into_iter()), None);
    }
}
