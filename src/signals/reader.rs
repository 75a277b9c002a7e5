//! Reads all wanted signals of one request side by side.
//!
//! The encoder runs on its own threads. Everything else is quick enough for the async thread up to 64 kB; what is
//! longer goes to one thread of this room, so that a huge body delays neither other requests nor their encodings.

use super::{Heads, OwnHeads, Surface, language::language, shape::shape};
use crate::domain::{
    ChatRequest, Findings, Probability, Reading, Role, Shape, Signals, Topic, Usage, Wanted,
};
use crate::inference::{InferenceError, Model, Pool, Workers};
use bytes::Bytes;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Finds personal data. `privacy` does it in the gateway.
pub trait PersonalScan: Send + Sync {
    /// In a whole request body; `None` when the body cannot be read.
    fn in_request(&self, body: &[u8]) -> Option<Findings>;

    /// In a bare text.
    fn in_text(&self, text: &str) -> Findings;
}

/// Reads signals. A cheap handle.
#[derive(Clone)]
pub struct Reader {
    encoder: Option<(Model, Arc<Heads>)>,
    own: Option<Arc<OwnHeads>>,
    scan: Arc<dyn PersonalScan>,
    aside: Pool<()>,
}

/// Longer texts and bodies are read by the thread aside.
const INLINE_BYTES: usize = 64 * 1024;

/// Long bodies that may wait; one more takes the cautious values at once.
const LONG_BODIES_WAITING: usize = 16;

/// A question of fewer words is read together with the one before it: `and in red?` means nothing alone.
const WORDS_OF_A_QUESTION: usize = 3;

/// Everything that is read, taken from a request or a bare text.
struct Material {
    question: Arc<str>,
    tool_results: Option<Arc<str>>,
    shape: Shape,
    whole: Whole,
}

/// Where personal data is looked for.
#[derive(Clone)]
enum Whole {
    Body(Bytes),
    Text(Arc<str>),
}

/// What the heads need of one text.
struct Measured {
    embedding: Arc<[f32]>,
    surface: Surface,
}

impl Reader {
    /// Makes a reader, and the one thread for long bodies; join it when the last reader is dropped. Without an
    /// encoder, whatever needs one is assumed.
    pub fn start(
        encoder: Option<(Model, Arc<Heads>)>,
        scan: Arc<dyn PersonalScan>,
    ) -> (Self, Workers) {
        let (aside, workers) = Pool::start("long-bodies", vec![()], LONG_BODIES_WAITING);
        let reader = Self {
            encoder,
            own: None,
            scan,
            aside,
        };
        (reader, workers)
    }

    /// The same reader with the operator's own heads beside the shipped ones; `None` leaves those alone.
    pub fn with_own(&self, own: Option<Arc<OwnHeads>>) -> Self {
        Self {
            own,
            ..self.clone()
        }
    }

    /// The shipped heads; `None` without an encoder.
    pub fn heads(&self) -> Option<&Heads> {
        self.encoder.as_ref().map(|(_, heads)| &**heads)
    }

    /// Reads the wanted signals, and takes at most `deadline` for it (plus a little, where the async thread is busy).
    ///
    /// Complexity, topic, language and embedding are those of the last user message; if it has fewer than three
    /// words, the user message before it is put in front. Attack is the worse of that text and the tool results that
    /// end the conversation, if any. Personal data is looked for in the whole body. A question without text (an
    /// image alone, say) cannot be measured, so its values are assumed.
    pub async fn read(&self, request: &ChatRequest, wanted: Wanted, deadline: Duration) -> Signals {
        self.read_material(Material::of(request, wanted), wanted, deadline)
            .await
    }

    /// As [`read`](Self::read), for a text by itself.
    pub async fn read_text(&self, text: &str, wanted: Wanted, deadline: Duration) -> Signals {
        let text: Arc<str> = text.into();
        let material = Material {
            shape: shape(&text, Usage::estimate_tokens(text.len()), 1),
            tool_results: None,
            whole: Whole::Text(Arc::clone(&text)),
            question: text,
        };
        self.read_material(material, wanted, deadline).await
    }

    async fn read_material(
        &self,
        material: Material,
        wanted: Wanted,
        deadline: Duration,
    ) -> Signals {
        let question = wanted.needs_encoder().then_some(&material.question);
        let tool_results = material.tool_results.as_ref().filter(|_| wanted.attack);
        // The encoder's requests come first: its threads work on them while this thread does the rest.
        let (measured, tool_results, personal, language) = tokio::join!(
            self.measure(question, deadline),
            self.measure(tool_results, deadline),
            self.personal(&material.whole, wanted.personal, deadline),
            async {
                wanted
                    .language
                    .then(|| Reading::measured(language(&material.question)))
            },
        );
        // An outer `None` is "not wanted" or "nothing there", an inner one "could not be measured".
        let question = measured.flatten();
        let attack = || match tool_results {
            None => self.attack(question.as_ref()),
            Some(results) => worse(
                self.attack(question.as_ref()),
                self.attack(results.as_ref()),
            ),
        };
        Signals {
            complexity: wanted
                .complexity
                .then(|| self.complexity(question.as_ref())),
            topic: wanted.topic.then(|| self.topic(question.as_ref())),
            attack: wanted.attack.then(attack),
            personal,
            language,
            shape: material.shape,
            embedding: question
                .filter(|_| wanted.embedding)
                .map(|measured| measured.embedding),
        }
    }

    /// `None` without a text, `Some(None)` when the text could not be measured in time.
    async fn measure(
        &self,
        text: Option<&Arc<str>>,
        deadline: Duration,
    ) -> Option<Option<Measured>> {
        let text = text?;
        let measured = match &self.encoder {
            Some((model, _)) if !text.trim().is_empty() => {
                in_time(deadline, self.measured_by(model, text)).await
            }
            Some(_) | None => None,
        };
        Some(measured)
    }

    async fn measured_by(
        &self,
        model: &Model,
        text: &Arc<str>,
    ) -> Result<Measured, InferenceError> {
        let (encoding, surface) =
            tokio::try_join!(model.encode(Arc::clone(text)), self.surface(text))?;
        Ok(Measured {
            embedding: encoding.embedding,
            surface,
        })
    }

    async fn surface(&self, text: &Arc<str>) -> Result<Surface, InferenceError> {
        if text.len() <= INLINE_BYTES {
            return Ok(Surface::of(text));
        }
        let text = Arc::clone(text);
        self.aside.run(move |()| Surface::of(&text)).await
    }

    async fn personal(
        &self,
        whole: &Whole,
        wanted: bool,
        deadline: Duration,
    ) -> Option<Reading<Findings>> {
        if !wanted {
            return None;
        }
        let found = if whole.len() <= INLINE_BYTES {
            // A detector that panics must not take the request with it.
            catch_unwind(AssertUnwindSafe(|| whole.scan(&*self.scan))).unwrap_or(None)
        } else {
            let (whole, scan) = (whole.clone(), Arc::clone(&self.scan));
            in_time(deadline, self.aside.run(move |()| whole.scan(&*scan)))
                .await
                .flatten()
        };
        Some(found.map_or_else(|| Reading::assumed(Findings::default()), Reading::measured))
    }

    fn complexity(&self, question: Option<&Measured>) -> Reading<Probability> {
        self.probability(question, |heads, embedding, surface| match &self.own {
            Some(own) => own.complexity(heads, embedding, surface),
            None => heads.complexity(embedding, surface),
        })
    }

    fn attack(&self, text: Option<&Measured>) -> Reading<Probability> {
        self.probability(text, Heads::attack)
    }

    fn probability(
        &self,
        text: Option<&Measured>,
        head: impl Fn(&Heads, &[f32], &Surface) -> Probability,
    ) -> Reading<Probability> {
        match (&self.encoder, text) {
            (Some((_, heads)), Some(text)) => {
                Reading::measured(head(heads, &text.embedding, &text.surface))
            }
            _ => Reading::assumed(Probability::clamped(1.0)),
        }
    }

    fn topic(&self, question: Option<&Measured>) -> Reading<Topic> {
        match (&self.encoder, question) {
            (Some((_, heads)), Some(question)) => Reading::measured(match &self.own {
                Some(own) => own.topic(heads, &question.embedding),
                None => heads.topic(&question.embedding),
            }),
            _ => Reading::assumed(Topic {
                label: None,
                confidence: 0.0,
            }),
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("encoder", &self.encoder.is_some())
            .finish_non_exhaustive()
    }
}

impl Material {
    /// Copies only what a wanted signal is read from.
    fn of(request: &ChatRequest, wanted: Wanted) -> Self {
        let reads_question = wanted.needs_encoder() || wanted.language;
        let tokens = request.estimated_input_tokens();
        let messages = request.messages.len();
        Self {
            question: if reads_question {
                question(request).into()
            } else {
                "".into()
            },
            tool_results: tool_results(request)
                .filter(|_| wanted.attack)
                .map(Into::into),
            shape: if wanted.wording {
                shape(request.question(), tokens, messages)
            } else {
                Shape {
                    tokens,
                    messages: u32::try_from(messages).unwrap_or(u32::MAX),
                    ..Shape::default()
                }
            },
            whole: Whole::Body(request.body.clone()),
        }
    }
}

impl Whole {
    fn len(&self) -> usize {
        match self {
            Self::Body(body) => body.len(),
            Self::Text(text) => text.len(),
        }
    }

    fn scan(&self, scan: &dyn PersonalScan) -> Option<Findings> {
        match self {
            Self::Body(body) => scan.in_request(body),
            Self::Text(text) => Some(scan.in_text(text)),
        }
    }
}

/// The last user message, with the one before it in front when it is too short to mean something alone.
fn question(request: &ChatRequest) -> Cow<'_, str> {
    let mut said = request
        .messages
        .iter()
        .rev()
        .filter(|message| message.role == Role::User)
        .map(|message| message.text.as_str());
    let last = said.next().unwrap_or_default();
    let words = last.split_whitespace().count();
    match said.find(|text| !text.trim().is_empty()) {
        Some(before) if (1..WORDS_OF_A_QUESTION).contains(&words) => {
            format!("{before}\n{last}").into()
        }
        Some(_) | None => last.into(),
    }
}

/// The tool results that end the conversation: text of strangers that the answering model will read next.
fn tool_results(request: &ChatRequest) -> Option<String> {
    let messages = request.messages.iter().rev();
    let mut results: Vec<&str> = messages
        .take_while(|message| message.role == Role::Tool)
        .map(|message| message.text.as_str())
        .filter(|text| !text.trim().is_empty())
        .collect();
    results.reverse();
    (!results.is_empty()).then(|| results.join("\n"))
}

/// The worse of two readings; what was assumed stays assumed.
fn worse(a: Reading<Probability>, b: Reading<Probability>) -> Reading<Probability> {
    if a.value >= b.value { a } else { b }
}

/// What comes in time and without a failure. A broken engine is news; a busy one shows in every record already.
async fn in_time<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, InferenceError>>,
) -> Option<T> {
    let done = tokio::time::timeout(deadline, work).await.ok()?;
    match &done {
        Ok(_) | Err(InferenceError::Busy | InferenceError::Stopped) => {}
        Err(error @ InferenceError::Failed(_)) => tracing::warn!(%error, "signal assumed"),
    }
    done.ok()
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
