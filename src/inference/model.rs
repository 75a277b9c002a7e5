//! The handle that other rooms hold: texts in, vectors out.

use super::{Encoding, Engine, InferenceError, Pool, Workers};
use std::ops::Range;
use std::sync::Arc;

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Texts that may wait for a thread; one more gets [`Busy`](InferenceError::Busy).
    pub queue: usize,
}

/// A cheap handle to a loaded model.
#[derive(Clone, Debug)]
pub struct Model {
    pool: Pool<Box<dyn Engine>>,
}

/// Starts one thread per engine. More threads than cores make every answer slower and none come sooner.
pub fn start(engines: Vec<Box<dyn Engine>>, limits: Limits) -> (Model, Workers) {
    let (pool, workers) = Pool::start("encoder", engines, limits.queue);
    (Model { pool }, workers)
}

impl Model {
    /// Encodes one text; dropping the future before a thread has taken the text spares the work.
    pub async fn encode(&self, text: impl Into<Arc<str>>) -> Result<Encoding, InferenceError> {
        let text: Arc<str> = text.into();
        let encoding = self.pool.run(move |engine| engine.encode(&text)).await?;
        Ok(encoding?)
    }

    /// As [`encode`](Self::encode), for start-up and tools: waits for room and holds the calling thread.
    pub fn encode_blocking(&self, text: impl Into<Arc<str>>) -> Result<Encoding, InferenceError> {
        let text: Arc<str> = text.into();
        let encoding = self.pool.run_blocking(move |engine| engine.encode(&text))?;
        Ok(encoding?)
    }

    /// The byte ranges in which a text of any length is read whole; see [`Engine::windows`].
    pub async fn windows(
        &self,
        text: impl Into<Arc<str>>,
    ) -> Result<Vec<Range<usize>>, InferenceError> {
        let text: Arc<str> = text.into();
        let windows = self.pool.run(move |engine| engine.windows(&text)).await?;
        Ok(windows?)
    }

    /// As [`windows`](Self::windows), for start-up and tools.
    pub fn windows_blocking(
        &self,
        text: impl Into<Arc<str>>,
    ) -> Result<Vec<Range<usize>>, InferenceError> {
        let text: Arc<str> = text.into();
        let windows = self
            .pool
            .run_blocking(move |engine| engine.windows(&text))?;
        Ok(windows?)
    }

    /// Texts that were not encoded because their caller had left, since the start.
    pub fn skipped(&self) -> u64 {
        self.pool.skipped()
    }
}

impl Default for Limits {
    /// 64 waiting texts: at a millisecond each, more would wait longer than a request may.
    fn default() -> Self {
        Self { queue: 64 }
    }
}
