//! Approved answers as the desk model reads them: whether one covers a question, judged against all others and against
//! none of them.
//!
//! An entry's score rests on three numbers: the cosine of the question with the entry's closest question, with its
//! answer, and how far each word of the question is met by a word of the entry (late interaction). The scores of all
//! entries, and nothing for "none of these", are turned into one distribution; the share of the best is how likely it
//! is that this entry answers.

use crate::domain::Closely;
use serde::Deserialize;
use std::sync::Arc;

/// How the three numbers count: learned together with the model (`models/train/desk.py`).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    version: u32,
    /// Of the cosine with the closest question.
    question: f32,
    /// Of the cosine with the answer.
    answer: f32,
    /// Of how far the words are met.
    words: f32,
    /// What a score must pass to be likelier than none.
    none: f32,
    /// What a score is multiplied with before shares are made of it.
    scale: f32,
}

/// Why a judge cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the desk model's heads.json: {0}")]
pub struct JudgeError(String);

/// The version of the file that is understood.
const VERSION: u32 = 1;

/// Words are compared with those of so many entries: the ones closest as a whole.
const CANDIDATES: usize = 12;

/// All entries, read closely.
#[derive(Debug)]
pub(super) struct Close {
    judge: Judge,
    entries: Vec<Read>,
}

/// One entry.
#[derive(Debug)]
struct Read {
    questions: Vec<Arc<[f32]>>,
    answer: Arc<[f32]>,
    words: Vec<i8>,
    dimensions: usize,
}

/// The likeliest entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Likeliest {
    /// Its place among the entries.
    pub(super) top: usize,
    /// Its share of the distribution, 0 to 1.
    pub(super) share: f32,
    /// By how much its score is ahead of the best rival's.
    pub(super) lead: f32,
}

impl Judge {
    /// Reads the file that ships with the model.
    pub fn parse(json: &[u8]) -> Result<Self, JudgeError> {
        let judge: Self =
            serde_json::from_slice(json).map_err(|error| JudgeError(error.to_string()))?;
        if judge.version != VERSION {
            let found = judge.version;
            return Err(JudgeError(format!(
                "version {found} is not understood; it should be {VERSION}"
            )));
        }
        Ok(judge)
    }

    fn whole(&self, question: f32, answer: f32) -> f32 {
        self.question * question + self.answer * answer
    }
}

impl Close {
    pub(super) fn new(judge: Judge) -> Self {
        Self {
            judge,
            entries: Vec::new(),
        }
    }

    /// Adds the next entry: its questions, and its answer.
    pub(super) fn add(&mut self, questions: &[Closely], answer: &Closely) {
        let texts = || questions.iter().chain([answer]);
        self.entries.push(Read {
            questions: questions.iter().map(|one| one.vector().into()).collect(),
            answer: answer.vector().into(),
            words: texts().flat_map(|text| text.words()).copied().collect(),
            dimensions: answer.dimensions(),
        });
    }

    /// The likeliest of the live entries. `twins` says which entries are the same as another in another language, and no
    /// rivals of it. `None` where nothing is live.
    pub(super) fn likeliest(
        &self,
        asked: &Closely,
        live: &[bool],
        twins: impl Fn(usize, usize) -> bool,
    ) -> Option<Likeliest> {
        let scores = self.scores(asked, live);
        let (top, best) = scores.iter().copied().reduce(higher)?;
        let rivals = || scores.iter().filter(|(at, _)| !twins(*at, top));
        let weight = |score: f32| ((score - best) * self.judge.scale).exp();
        let others: f32 = rivals().map(|(_, score)| weight(*score)).sum();
        let second = rivals().map(|(_, score)| *score).reduce(f32::max);
        Some(Likeliest {
            top,
            share: 1.0 / (1.0 + others + weight(self.judge.none)),
            lead: best - second.unwrap_or_default(),
        })
    }

    /// The live entries closest as a whole, with their scores.
    fn scores(&self, asked: &Closely, live: &[bool]) -> Vec<(usize, f32)> {
        let entries = self.entries.iter().zip(live).enumerate();
        let living = entries.filter(|(_, (_, live))| **live);
        let mut whole: Vec<(usize, &Read, f32)> = living
            .map(|(at, (entry, _))| (at, entry, self.whole(asked, entry)))
            .collect();
        whole.sort_by(|one, other| other.2.total_cmp(&one.2));
        whole.truncate(CANDIDATES);
        let met = |entry: &Read| asked.met_by(&entry.words, entry.dimensions);
        whole
            .into_iter()
            .map(|(at, entry, whole)| (at, whole + self.judge.words * met(entry)))
            .collect()
    }

    fn whole(&self, asked: &Closely, entry: &Read) -> f32 {
        let cosine = |vector: &Arc<[f32]>| super::search::dot(vector, asked.vector());
        let closest = entry.questions.iter().map(cosine).reduce(f32::max);
        self.judge
            .whole(closest.unwrap_or(-1.0), cosine(&entry.answer))
    }
}

fn higher(best: (usize, f32), next: (usize, f32)) -> (usize, f32) {
    if next.1 > best.1 { next } else { best }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUDGE: &str = r#"{"version": 1, "question": 0.5, "answer": 1.0, "words": 1.0, "none": 1.5, "scale": 10.0}"#;

    /// A text of one word, which points where the whole text does.
    fn text(direction: [f32; 2]) -> Closely {
        let row = [direction[0], direction[1], 0.0];
        let rows = [[0.0; 3], row, [0.0; 3]];
        Closely::new(direction.into(), rows.iter().map(|row| &row[..])).unwrap()
    }

    /// Two entries at right angles to each other.
    fn two() -> Close {
        let mut close = Close::new(Judge::parse(JUDGE.as_bytes()).unwrap());
        for direction in [[1.0, 0.0], [0.0, 1.0]] {
            close.add(&[text(direction)], &text(direction));
        }
        close
    }

    fn itself(one: usize, other: usize) -> bool {
        one == other
    }

    #[test]
    fn the_entry_that_meets_the_question_is_the_likeliest_and_ahead() {
        let found = two().likeliest(&text([0.0, 1.0]), &[true, true], itself);
        let found = found.unwrap();
        // 2.5 against 0 of the other and 1.5 of none.
        assert_eq!(found.top, 1);
        assert!((found.lead - 2.5).abs() < 1e-3);
        assert!((found.share - 1.0 / (1.0 + (-10.0_f32).exp())).abs() < 1e-3);
    }

    #[test]
    fn between_two_entries_neither_is_likely_and_off_both_none_is() {
        let between = std::f32::consts::FRAC_1_SQRT_2;
        let found = two().likeliest(&text([between, between]), &[true, true], itself);
        assert!(found.unwrap().share < 0.51);
        let off = two().likeliest(&text([-1.0, 0.0]), &[true, true], itself);
        assert!(off.unwrap().share < 0.01);
    }

    #[test]
    fn what_is_not_live_is_not_found_and_a_twin_is_no_rival() {
        let found = two().likeliest(&text([0.0, 1.0]), &[true, false], itself);
        assert_eq!(found.unwrap().top, 0);
        assert_eq!(
            two().likeliest(&text([0.0, 1.0]), &[false, false], itself),
            None
        );
        let between = std::f32::consts::FRAC_1_SQRT_2;
        let asked = text([between, between]);
        let twins = two().likeliest(&asked, &[true, true], |_, _| true).unwrap();
        let rivals = two().likeliest(&asked, &[true, true], itself).unwrap();
        assert!(twins.share > rivals.share);
    }

    #[test]
    fn a_file_of_another_version_or_with_unknown_keys_is_refused() {
        let other = JUDGE.replace("\"version\": 1", "\"version\": 2");
        let error = Judge::parse(other.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("version 2 is not understood"), "{error}");
        let more = JUDGE.replace("\"none\"", "\"more\": 1, \"none\"");
        assert!(Judge::parse(more.as_bytes()).is_err());
    }
}
