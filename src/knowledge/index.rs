//! Approved answers made searchable: every question embedded, every word weighed.

use super::close::{Close, Judge};
use super::verbatim::Verbatim;
use super::words::words;
use super::{Entry, Source};
use crate::domain::Closely;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// BM25's saturation: how soon a word that is repeated stops counting.
const K1: f32 = 1.2;
/// BM25's length correction. Below the usual 0.75, since an entry with more example questions is no weaker a match.
const B: f32 = 0.5;

/// Approved answers ready to be searched.
///
/// Embeddings lie in one contiguous block that is scanned from end to end. That is right up to about 20 000 questions
/// (8 million multiplications at 384 dimensions); beyond that an approximate index would earn its keep.
#[derive(Debug)]
pub struct Index {
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) verbatim: Verbatim,
    pub(super) lexicon: Lexicon,
    pub(super) meanings: Option<Meanings>,
    pub(super) close: Option<Close>,
}

/// Why an index cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Two entries of one language have the same id.
    #[error(
        "{second}: the entry `{id}` stands at {first}, too; give one another id, or each a language of its own"
    )]
    Duplicate {
        /// The id.
        id: Arc<str>,
        /// The file and line that has it first.
        first: String,
        /// The file and line that has it again.
        second: String,
    },
    /// The encoder failed.
    #[error("a question of entry `{id}` could not be embedded: {message}")]
    Embedding {
        /// The entry.
        id: Arc<str>,
        /// What the encoder said.
        message: String,
    },
}

/// The embeddings of all questions, and of the middle of each entry's questions; all of unit length.
#[derive(Debug)]
pub(super) struct Meanings {
    pub(super) dimensions: usize,
    /// Question after question.
    pub(super) questions: Vec<f32>,
    /// The entry that each question belongs to.
    pub(super) owners: Vec<usize>,
    /// Entry after entry.
    pub(super) middles: Vec<f32>,
}

/// Which entries hold which words, and what each word is worth.
#[derive(Debug)]
pub(super) struct Lexicon {
    held: HashMap<String, Held>,
    unseen: f32,
    entries: usize,
}

#[derive(Debug, Default)]
struct Held {
    rarity: f32,
    by: Vec<(usize, f32)>,
}

impl Index {
    /// Builds an index whose questions are embedded by `embed`.
    pub fn build(
        sources: Vec<Source>,
        embed: impl FnMut(&str) -> Result<Arc<[f32]>, String>,
    ) -> Result<Self, BuildError> {
        let mut index = Self::lexical(sources)?;
        index.meanings = Some(Meanings::embedded(&index.entries, embed)?);
        Ok(index)
    }

    /// Builds an index that knows words only, for a gateway without an encoder.
    pub fn lexical(sources: Vec<Source>) -> Result<Self, BuildError> {
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        let mut by_id: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        for entry in sources.into_iter().flat_map(|source| source.entries) {
            let known = by_id.entry(entry.id.clone()).or_default();
            let same = known.iter().filter_map(|at| entries.get(*at));
            if let Some(first) = same.into_iter().find(|other| other.is_twin_of(&entry)) {
                let (id, first) = (entry.id.clone(), place(first));
                let second = place(&entry);
                return Err(BuildError::Duplicate { id, first, second });
            }
            known.push(entries.len());
            entries.push(Arc::new(entry));
        }
        Ok(Self {
            verbatim: Verbatim::of(&entries),
            lexicon: Lexicon::of(&entries),
            entries,
            meanings: None,
            close: None,
        })
    }

    /// Has every question and every answer read closely, so that questions that are can be judged by that.
    pub fn read_closely(
        &mut self,
        judge: Judge,
        mut read: impl FnMut(&str) -> Result<Closely, String>,
    ) -> Result<(), BuildError> {
        let mut close = Close::new(judge);
        for entry in &self.entries {
            let failed = |message| BuildError::Embedding {
                id: entry.id.clone(),
                message,
            };
            let questions: Result<Vec<Closely>, String> =
                entry.questions.iter().map(|text| read(text)).collect();
            let answer = read(&entry.answer).map_err(failed)?;
            close.add(&questions.map_err(failed)?, &answer);
        }
        self.close = Some(close);
        Ok(())
    }

    /// The entries, in the order of the sources.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }
}

impl Meanings {
    fn embedded(
        entries: &[Arc<Entry>],
        mut embed: impl FnMut(&str) -> Result<Arc<[f32]>, String>,
    ) -> Result<Self, BuildError> {
        let mut meanings = Self {
            dimensions: 0,
            questions: Vec::new(),
            owners: Vec::new(),
            middles: Vec::new(),
        };
        for (owner, entry) in entries.iter().enumerate() {
            let failed = |message| BuildError::Embedding {
                id: entry.id.clone(),
                message,
            };
            let mut middle: Vec<f32> = Vec::new();
            for question in &entry.questions {
                let unit = embed(question).and_then(|raw| meanings.fitting(&raw));
                let unit = unit.map_err(failed)?;
                middle.resize(unit.len(), 0.0);
                middle.iter_mut().zip(&unit).for_each(|(sum, x)| *sum += x);
                meanings.questions.extend(unit);
                meanings.owners.push(owner);
            }
            // Questions that cancel each other out have no middle; nothing is close to zero.
            meanings.middles.extend(unit(&middle).unwrap_or(middle));
        }
        Ok(meanings)
    }

    /// The embedding at unit length, if it has as many dimensions as those before it.
    fn fitting(&mut self, raw: &[f32]) -> Result<Vec<f32>, String> {
        if self.questions.is_empty() {
            self.dimensions = raw.len();
        }
        if raw.len() != self.dimensions {
            let expected = self.dimensions;
            return Err(format!("{} dimensions instead of {expected}", raw.len()));
        }
        unit(raw).ok_or_else(|| "it has no direction (zero, or not a number)".to_owned())
    }
}

impl Lexicon {
    fn of(entries: &[Arc<Entry>]) -> Self {
        let counts: Vec<HashMap<String, u32>> =
            entries.iter().map(|entry| counted(entry)).collect();
        let lengths: Vec<u32> = counts.iter().map(|words| words.values().sum()).collect();
        let mean = lengths.iter().sum::<u32>() as f32 / lengths.len().max(1) as f32;
        let mut held: HashMap<String, Held> = HashMap::new();
        for (entry, (words, length)) in counts.into_iter().zip(lengths).enumerate() {
            for (word, count) in words {
                let count = count as f32;
                let damped = count + K1 * (1.0 - B + B * length as f32 / mean);
                let strength = count * (K1 + 1.0) / damped;
                held.entry(word).or_default().by.push((entry, strength));
            }
        }
        for word in held.values_mut() {
            word.rarity = rarity(entries.len(), word.by.len());
        }
        Self {
            held,
            unseen: rarity(entries.len(), 0),
            entries: entries.len(),
        }
    }

    /// For every entry its BM25 score, as a share of the most that any text could reach: 0 to 1. A word that no entry
    /// holds counts against all of them, as rare as can be: "do you deliver to Australia" is not about Germany.
    pub(super) fn shares(&self, text: &str) -> Vec<f32> {
        let asked: BTreeSet<String> = words(text).into_iter().collect();
        let mut shares = vec![0.0; self.entries];
        let mut most = 0.0;
        for word in &asked {
            let Some(held) = self.held.get(word) else {
                most += self.unseen;
                continue;
            };
            most += held.rarity;
            for (entry, strength) in &held.by {
                if let Some(share) = shares.get_mut(*entry) {
                    *share += held.rarity * strength;
                }
            }
        }
        if most > 0.0 {
            let whole = most * (K1 + 1.0);
            shares.iter_mut().for_each(|share| *share /= whole);
        }
        shares
    }
}

fn place(entry: &Entry) -> String {
    format!("{}:{}", entry.file, entry.line)
}

/// The vector at unit length; `None` when it has no direction.
pub(super) fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    let fits = length.is_finite() && length > 1e-6;
    fits.then(|| vector.iter().map(|x| x / length).collect())
}

fn counted(entry: &Entry) -> HashMap<String, u32> {
    let mut counts = HashMap::new();
    let texts = entry.questions.iter().map(String::as_str);
    for word in texts.chain([&*entry.answer]).flat_map(words) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// BM25's inverse document frequency, in the form that is never negative.
fn rarity(entries: usize, holders: usize) -> f32 {
    let (entries, holders) = (entries as f32, holders as f32);
    ((entries - holders + 0.5) / (holders + 0.5)).ln_1p()
}
