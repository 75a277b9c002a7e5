//! One question put to a desk: read alone or with what was asked before it, found, and its slots filled.

use super::answerer::{Answerer, Approved, evidence, usage};
use super::{Unsure, conversation};
use crate::domain::{ChatRequest, Closely, Leaning, Passage, Signals};
use crate::knowledge::{Day, Filled, Found, Query, Spoken};

/// A question, and the desk it is put to.
pub(super) struct Asked<'a> {
    pub(super) desk: &'a Answerer,
    pub(super) request: &'a ChatRequest,
    pub(super) signals: &'a Signals,
    pub(super) today: Day,
}

/// A text that stands for the question, and what the models make of it.
#[derive(Clone, Copy)]
struct Reading<'a> {
    text: &'a str,
    embedding: Option<&'a [f32]>,
    closely: Option<&'a Closely>,
}

/// An entry that may be given, and the reading that found it.
type Sure<'a> = (Found<'a>, Reading<'a>);

impl<'a> Asked<'a> {
    /// The answer: of a question that waited for a value, or to the question as it is read.
    pub(super) fn answer(&self) -> Result<Approved, Unsure> {
        let said = conversation::said_before(self.request);
        if let Some(approved) = said.and_then(|said| self.completed(said)) {
            return approved;
        }
        let (found, reading) = self.found()?;
        self.given(&found, reading.text)
    }

    /// The closest entry to the question as it is read first.
    pub(super) fn closest(&self) -> Option<Found<'a>> {
        let earlier = &self.signals.earlier;
        let together = earlier.together.as_ref();
        let together = together.filter(|_| earlier.leaning == Leaning::Leans);
        self.search(together.map_or(self.alone(), Reading::of))
    }

    /// What becomes of a question that waited for the value which the desk has just asked for. `None` where nothing
    /// waited, or where the person asks something else instead.
    ///
    /// No session is kept: the question is read again, finds the entry that it found then, and that entry asks what was
    /// asked.
    fn completed(&self, said: &str) -> Option<Result<Approved, Unsure>> {
        let waiting = Reading::of(self.signals.earlier.asked_back.as_ref()?);
        let found = self.sure(waiting).ok()?;
        if !found.entry.asks(said) {
            return None;
        }
        let other = self.sure(self.alone());
        if other.is_ok_and(|other| other.entry.id != found.entry.id) {
            return None;
        }
        match self.filled(&found, waiting.text) {
            Filled::Lacks(slot) if slot.ask.as_deref() == Some(said.trim()) => None,
            Filled::Lacks(_) | Filled::Whole(_) => Some(self.given(&found, waiting.text)),
        }
    }

    /// The entry that one may be sure of, by how the question leans on the conversation.
    fn found(&self) -> Result<Sure<'a>, Unsure> {
        let alone = self.alone();
        let by_itself = || self.sure(alone).map(|found| (found, alone));
        match self.signals.earlier.leaning {
            Leaning::StandsAlone => by_itself(),
            Leaning::Leans => self.together(),
            Leaning::MayLean => match (by_itself(), self.together()) {
                // Read in two ways it gets two answers: which is meant would be a guess.
                (Ok((one, _)), Ok((two, _))) if one.entry.id != two.entry.id => {
                    Err(Unsure::FollowUp)
                }
                (Ok(found), _) | (Err(_), Ok(found)) => Ok(found),
                (Err(unsure), Err(_)) => Err(unsure),
            },
        }
    }

    /// The entry found with the question before in front, where the new words are what it was found by.
    fn together(&self) -> Result<Sure<'a>, Unsure> {
        let earlier = &self.signals.earlier;
        let together = earlier.together.as_ref();
        // Who says that the answer was none is not helped by more of the same.
        let together = together.filter(|_| !self.signals.shape.repeats);
        let reading = Reading::of(together.ok_or(Unsure::FollowUp)?);
        let found = self.sure(reading).map_err(|_| Unsure::FollowUp)?;
        let before = earlier.before.as_ref().map(Reading::of);
        let before = before.and_then(|before| self.search(before));
        let same = before.is_some_and(|before| before.entry.id == found.entry.id);
        if same && !found.entry.speaks_of(self.request.question()) {
            return Err(Unsure::FollowUp);
        }
        if let Filled::Whole(text) = self.filled(&found, reading.text)
            && conversation::was_given(self.request, &text)
        {
            return Err(Unsure::FollowUp);
        }
        Ok((found, reading))
    }

    /// The question by itself.
    fn alone(&self) -> Reading<'a> {
        match &self.signals.earlier.alone {
            Some(passage) => Reading::of(passage),
            None => Reading {
                text: self.request.question(),
                embedding: self.signals.embedding.as_deref(),
                closely: self.signals.earlier.closely.as_deref(),
            },
        }
    }

    fn sure(&self, reading: Reading<'a>) -> Result<Found<'a>, Unsure> {
        let found = self.search(reading).ok_or(Unsure::NoMatch)?;
        let threshold = self.desk.thresholds.by(found.basis);
        threshold.reached_by(found.score, found.margin)?;
        Ok(found)
    }

    fn search(&self, reading: Reading<'a>) -> Option<Found<'a>> {
        self.desk.index.search(&Query {
            text: reading.text,
            embedding: reading.embedding,
            closely: reading.closely,
            language: self.signals.earlier.language,
            today: self.today,
        })
    }

    fn filled(&self, found: &Found<'_>, question: &str) -> Filled {
        let blanks = &found.entry.blanks;
        if blanks.is_empty() {
            return found.entry.filled(&Spoken::default());
        }
        let from_application = blanks.iter().any(|blank| blank.slot.metadata.is_some());
        found.entry.filled(&Spoken {
            question,
            replies: conversation::replies(self.request),
            metadata: if from_application {
                conversation::metadata(self.request)
            } else {
                Default::default()
            },
        })
    }

    /// The text that is given for an entry: its answer, or the question for a value that it lacks.
    fn given(&self, found: &Found<'_>, question: &str) -> Result<Approved, Unsure> {
        let (text, asks_for) = match self.filled(found, question) {
            Filled::Whole(text) => (text, None),
            Filled::Lacks(slot) => {
                let ask = slot.ask.clone().ok_or(Unsure::SlotMissing)?;
                // What was asked and not answered is not asked again.
                if conversation::said_before(self.request).map(str::trim) == Some(&*ask) {
                    return Err(Unsure::SlotMissing);
                }
                (ask, Some(slot.name.clone()))
            }
        };
        let usage = usage(self.request, &text);
        let most = self.request.max_output_tokens;
        if most.is_some_and(|most| most < usage.output) {
            return Err(Unsure::NeedsMore);
        }
        Ok(Approved {
            evidence: evidence(found),
            text,
            asks_for,
            usage,
        })
    }
}

impl<'a> Reading<'a> {
    fn of(passage: &'a Passage) -> Self {
        Self {
            text: &passage.text,
            embedding: passage.embedding.as_deref(),
            closely: passage.closely.as_deref(),
        }
    }
}
