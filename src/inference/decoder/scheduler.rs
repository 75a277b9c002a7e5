//! The decode thread: several conversations side by side, none starving another.
//!
//! One turn of the loop: take new jobs while slots are free; read one chunk of one waiting prompt, prompts in turn;
//! one step of all conversations that are answering. A conversation whose reader is slow sits out and keeps its slot;
//! one whose reader has left, or reads nothing for too long, is gone before the next step. The thread sleeps when there
//! is nothing to do, and is woken by a new job, a reader who took a piece, a reader who left, and a reader's time.

use super::cache::{Cache, Pick};
use super::engine::DecoderEngine;
use super::handle::Submission;
use super::sequence::{Next, Sequence};
use super::text::Vocabulary;
use crate::inference::{EngineError, InferenceError};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// What the decode thread owns.
pub(super) struct Scheduler {
    pub(super) engine: DecoderEngine,
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) inbox: Receiver<Submission>,
    /// Tokens that end the model's turn.
    pub(super) ends: Vec<u32>,
    pub(super) limits: SchedulerLimits,
    pub(super) waiting: VecDeque<Submission>,
    pub(super) desk: Desk,
}

/// How much the thread does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SchedulerLimits {
    pub(super) slots: usize,
    pub(super) context: usize,
    pub(super) chunk: usize,
    /// How long a reader may read nothing while its slot waits for it.
    pub(super) patience: Duration,
}

/// The conversations that have a slot.
#[derive(Default)]
pub(super) struct Desk {
    sequences: BTreeMap<u64, Sequence>,
    /// Those whose prompt is not read, the next first.
    reading: VecDeque<u64>,
    /// Those whose rows are in one cache, in the order of its rows.
    batch: Option<(Cache, Vec<u64>)>,
    next: u64,
}

impl Scheduler {
    /// Runs until all handles are gone and all conversations have ended.
    pub(super) fn run(mut self) {
        loop {
            let open = self.take_jobs();
            self.desk.let_go(self.limits.patience);
            let has_read = self.read_a_chunk();
            let has_stepped = self.step();
            if has_read || has_stepped {
                continue;
            }
            if !open && self.desk.sequences.is_empty() && self.waiting.is_empty() {
                return;
            }
            if self.waiting.is_empty() || self.desk.sequences.len() >= self.limits.slots {
                self.desk.rest(self.limits.patience);
            }
        }
    }

    /// False when no job can come any more.
    fn take_jobs(&mut self) -> bool {
        let open = loop {
            match self.inbox.try_recv() {
                Ok(submission) => self.waiting.push_back(submission),
                Err(TryRecvError::Empty) => break true,
                Err(TryRecvError::Disconnected) => break false,
            }
        };
        self.waiting
            .retain(|submission| !submission.pieces.is_closed());
        while self.desk.sequences.len() < self.limits.slots
            && let Some(submission) = self.waiting.pop_front()
        {
            let sequence = Sequence::begin(
                submission,
                Arc::clone(&self.vocabulary),
                self.limits.context,
            );
            self.desk.add(sequence);
        }
        open
    }

    /// Reads one chunk of the prompt whose turn it is; false when no prompt waits.
    fn read_a_chunk(&mut self) -> bool {
        let Some((id, mut sequence)) = self.desk.next_reading() else {
            return false;
        };
        match self.read_chunk_of(&mut sequence) {
            Ok(next) => self.desk.put_back(id, sequence, next),
            Err(error) => sequence.fail(error),
        }
        true
    }

    fn read_chunk_of(&mut self, sequence: &mut Sequence) -> Result<Next, InferenceError> {
        let mut cache = match sequence.cache.take() {
            Some(cache) => cache,
            None => self.engine.empty_cache(sequence.reserve())?,
        };
        let ids = sequence.next_chunk(self.limits.chunk);
        let mut logits = guarded(|| self.engine.forward(&mut cache, &ids))?;
        sequence.cache = Some(cache);
        match logits.first_mut() {
            Some(row) if sequence.has_read_prompt() => Ok(sequence.accept(row, &self.ends)?),
            _ => Ok(Next::Goes),
        }
    }

    /// One token for each conversation that is ready; false when none is.
    fn step(&mut self) -> bool {
        let ready = self.desk.ready();
        if self.engine.batches() {
            self.step_together(&ready);
        } else {
            ready.iter().for_each(|id| self.step_together(&[*id]));
        }
        !ready.is_empty()
    }

    fn step_together(&mut self, ids: &[u64]) {
        if ids.is_empty() {
            return;
        }
        let stepped = self.desk.batch_of(&self.engine, ids).and_then(|mut cache| {
            let tokens: Vec<i64> = ids.iter().map(|id| self.desk.last_token(*id)).collect();
            let logits = guarded(|| self.engine.forward(&mut cache, &tokens))?;
            self.desk.batch = Some((cache, ids.to_vec()));
            Ok(logits)
        });
        match stepped {
            Ok(logits) => self.accept(ids, logits),
            Err(error) => self.desk.fail(ids, &error),
        }
    }

    fn accept(&mut self, ids: &[u64], logits: Vec<Vec<f32>>) {
        for (id, mut row) in std::iter::zip(ids, logits) {
            let Some(mut sequence) = self.desk.sequences.remove(id) else {
                continue;
            };
            match sequence.accept(&mut row, &self.ends) {
                Ok(next) => self.desk.put_back(*id, sequence, next),
                Err(error) => sequence.fail(error.into()),
            }
        }
    }
}

impl Desk {
    fn add(&mut self, sequence: Sequence) {
        self.reading.push_back(self.next);
        self.sequences.insert(self.next, sequence);
        self.next += 1;
    }

    /// Forgets those whose readers have left or read nothing for too long, and the batch when none of its
    /// conversations is left.
    fn let_go(&mut self, patience: Duration) {
        self.sequences
            .retain(|_, sequence| !sequence.is_abandoned(patience));
        let sequences = &self.sequences;
        self.batch
            .take_if(|(_, members)| !members.iter().any(|id| sequences.contains_key(id)));
    }

    /// Sleeps until woken, or until the first of the readers who read nothing has had its time.
    fn rest(&self, patience: Duration) {
        let parked = self
            .sequences
            .values()
            .filter_map(Sequence::waits_since)
            .min();
        match parked {
            None => std::thread::park(),
            Some(since) => {
                let until = (since + patience).saturating_duration_since(Instant::now());
                std::thread::park_timeout(until);
            }
        }
    }

    fn next_reading(&mut self) -> Option<(u64, Sequence)> {
        while let Some(id) = self.reading.pop_front() {
            // Those who left are still in the row.
            if let Some(sequence) = self.sequences.remove(&id) {
                return Some((id, sequence));
            }
        }
        None
    }

    fn put_back(&mut self, id: u64, sequence: Sequence, next: Next) {
        if let Next::Ends(reason) = next {
            return sequence.finish(reason);
        }
        if !sequence.has_read_prompt() {
            self.reading.push_back(id);
        }
        self.sequences.insert(id, sequence);
    }

    /// Those that have read their prompt and whose readers have room, in order of arrival.
    fn ready(&mut self) -> Vec<u64> {
        let answering = self
            .sequences
            .iter_mut()
            .filter(|(_, sequence)| sequence.has_read_prompt());
        answering
            .filter_map(|(id, sequence)| sequence.is_ready().then_some(*id))
            .collect()
    }

    fn last_token(&self, id: u64) -> i64 {
        self.sequences.get(&id).map_or(0, Sequence::last_token)
    }

    fn fail(&mut self, ids: &[u64], error: &InferenceError) {
        for sequence in ids.iter().filter_map(|id| self.sequences.remove(id)) {
            sequence.fail(error.clone());
        }
    }

    /// A cache whose rows are `ids`, in this order. Rows of the last batch that sit out get a cache of their own.
    fn batch_of(&mut self, engine: &DecoderEngine, ids: &[u64]) -> Result<Cache, InferenceError> {
        let (mut sources, mut places) = (Vec::new(), BTreeMap::new());
        if let Some((cache, members)) = self.batch.take() {
            if members == ids {
                return Ok(cache);
            }
            places.extend(
                members
                    .into_iter()
                    .enumerate()
                    .map(|(row, id)| (id, Pick { cache: 0, row })),
            );
            sources.push(cache);
        }
        for id in ids {
            if let Some(cache) = self
                .sequences
                .get_mut(id)
                .and_then(|sequence| sequence.cache.take())
            {
                places.insert(
                    *id,
                    Pick {
                        cache: sources.len(),
                        row: 0,
                    },
                );
                sources.push(cache);
            }
        }
        self.regroup(engine, ids, sources, &places)
    }

    fn regroup(
        &mut self,
        engine: &DecoderEngine,
        ids: &[u64],
        mut sources: Vec<Cache>,
        places: &BTreeMap<u64, Pick>,
    ) -> Result<Cache, InferenceError> {
        let sits_out = |id: &&u64| !ids.contains(id) && self.sequences.contains_key(id);
        let resting: Vec<u64> = places.keys().filter(sits_out).copied().collect();
        if ids.len() == 1 && resting.is_empty() && sources.len() == 1 && sources[0].rows.len() == 1
        {
            return sources.pop().ok_or_else(lost);
        }
        let pick = |id: &u64| places.get(id).copied().ok_or_else(lost);
        let together = ids.iter().map(pick).collect::<Result<Vec<_>, _>>()?;
        let alone = resting.iter().map(|id| pick(id).map(|pick| vec![pick]));
        let groups = std::iter::once(Ok(together))
            .chain(alone)
            .collect::<Result<Vec<_>, _>>()?;
        let mut made = match engine.regroup(sources, &groups) {
            Ok(made) => made.into_iter(),
            Err(error) => {
                let error = InferenceError::from(error);
                self.fail(&resting, &error);
                return Err(error);
            }
        };
        let batch = made.next().ok_or_else(lost)?;
        for (id, cache) in std::iter::zip(resting, made) {
            if let Some(sequence) = self.sequences.get_mut(&id) {
                sequence.cache = Some(cache);
            }
        }
        Ok(batch)
    }
}

fn lost() -> InferenceError {
    InferenceError::Failed("a conversation has lost its cache".to_owned())
}

/// A panic of the engine fails those that it worked for and no more.
fn guarded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, InferenceError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Ok(done?),
        Err(_) => Err(InferenceError::Failed("the engine panicked".to_owned())),
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
