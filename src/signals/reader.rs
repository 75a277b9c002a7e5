//! Reads all wanted signals of one request side by side.
//!
//! The encoder runs on its own threads. Everything else is quick enough for the async thread up to 64 kB; what is
//! longer goes to one thread of this room, so that a huge body delays neither other requests nor their encodings.

use super::attack::AttackReader;
use super::personal::{PersonalScan, Whole, with_free_text};
use super::prose::{Encoded, Prose, Unread};
use super::{
    Heads, OwnHeads, Surface,
    language::language,
    leaning::{self, Texts},
    shape::{outline, shape, worded},
};
use crate::domain::{
    ChatRequest, Earlier, Findings, Passage, PersonalKind, Probability, Reading, Role, Shape,
    Signals, Topic, Usage, Wanted,
};
use crate::inference::{InferenceError, Model, Pool, Workers};
use crate::privacy::Searched;
use futures_util::FutureExt;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Reads signals. A cheap handle.
#[derive(Clone)]
pub struct Reader {
    pub(super) encoder: Option<(Model, Arc<Heads>)>,
    own: Option<Arc<OwnHeads>>,
    /// Reads questions put to a desk; `None` where none is, or the model is not there.
    pub(super) desk_model: Option<Model>,
    scan: Arc<dyn PersonalScan>,
    /// `None` where the encoder says nothing of tokens.
    prose: Option<Prose>,
    /// `None` where attacks are told by the text's vector.
    attacks: Option<AttackReader>,
    aside: Pool<()>,
}

/// Longer texts and bodies are read by the thread aside.
pub(super) const INLINE_BYTES: usize = 64 * 1024;

/// Long bodies that may wait; one more takes the cautious values at once.
const LONG_BODIES_WAITING: usize = 16;

/// A question of fewer words is read together with the one before it: `and in red?` means nothing alone.
const WORDS_OF_A_QUESTION: usize = 3;

/// Everything that is read, taken from a request or a bare text.
struct Material {
    question: Arc<str>,
    tool_results: Option<Arc<str>>,
    /// What people and tools said before, newest first.
    earlier: Vec<Arc<str>>,
    shape: Shape,
    whole: Whole,
    /// Who asks; what is remembered of a text is remembered for them alone.
    sender: Arc<str>,
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
        let prose = encoder.as_ref().and_then(|(model, heads)| {
            let head = heads.tokens()?;
            Some(Prose::new(model.clone(), Arc::clone(head)))
        });
        let attacks = encoder.as_ref().zip(prose.clone());
        let attacks = attacks.and_then(|((_, heads), prose)| {
            let head = heads.attack_by_tokens()?;
            Some(AttackReader::new(head, prose, aside.clone()))
        });
        let reader = Self {
            encoder,
            own: None,
            desk_model: None,
            prose,
            scan,
            attacks,
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

    /// The same reader with the model that reads questions put to a desk; `None` leaves that out.
    pub fn with_desk_model(self, model: Option<Model>) -> Self {
        Self {
            desk_model: model,
            ..self
        }
    }

    /// The same reader with another search for personal data.
    pub fn with_scan(&self, scan: Arc<dyn PersonalScan>) -> Self {
        Self {
            scan,
            ..self.clone()
        }
    }

    /// The kinds of personal data that are looked for.
    pub fn looks_for(&self) -> &BTreeSet<PersonalKind> {
        self.scan.wanted()
    }

    /// Which of these kinds stand in free text and are not found there: without an encoder, or by this one.
    pub fn blind_to(&self, kinds: &BTreeSet<PersonalKind>) -> BTreeSet<PersonalKind> {
        let in_prose = |kind: &PersonalKind| PersonalKind::FREE_TEXT.contains(kind);
        let found = |kind| self.prose.as_ref().is_some_and(|prose| prose.finds(kind));
        let blind = kinds.iter().filter(|kind| in_prose(kind) && !found(**kind));
        blind.copied().collect()
    }

    /// The shipped heads; `None` without an encoder.
    pub fn heads(&self) -> Option<&Heads> {
        self.encoder.as_ref().map(|(_, heads)| &**heads)
    }

    /// The operator's own heads; `None` where only the shipped ones read.
    pub fn own_heads(&self) -> Option<&OwnHeads> {
        self.own.as_deref()
    }

    /// Reads the wanted signals, and takes at most `deadline` for it (plus a little, where the async thread is busy).
    ///
    /// Complexity, topic, language and embedding are those of the last user message; if it has fewer than three
    /// words, the user message before it is put in front. Attack is the worst of that text, the tool results that end
    /// the conversation and what people and tools said before (the last only where the model tells attacks by tokens);
    /// the system prompt and the answers are the operator's own. Personal data is looked for in the whole body, and in free text in every message; what
    /// cannot be read to its end in time makes that reading assumed, with what was found until then. A question without text (an
    /// image alone, say) cannot be measured, so its values are assumed.
    pub async fn read(&self, request: &ChatRequest, wanted: Wanted, deadline: Duration) -> Signals {
        let material = Material::of(request, wanted);
        if !wanted.embedding {
            return self.read_material(material, wanted, deadline).await;
        }
        let alone: Arc<str> = request.question().into();
        let told = language(&alone);
        let merged = material.question != alone;
        let mut texts = leaning::texts(request);
        // The same text is not encoded twice.
        let shared = texts.together.take_if(|text| *text == material.question);
        let (signals, earlier) = tokio::join!(
            self.read_material(material, wanted, deadline),
            self.earlier(texts, merged.then_some(alone), deadline),
        );
        let shared = shared.map(|text| Passage {
            text,
            embedding: signals.embedding.clone(),
            closely: None,
        });
        let earlier = Earlier {
            language: told,
            together: shared.or(earlier.together),
            ..earlier
        };
        Signals { earlier, ..signals }
    }

    /// Encodes what the question has to be read with, side by side with everything else.
    async fn earlier(&self, texts: Texts, alone: Option<Arc<str>>, deadline: Duration) -> Earlier {
        let passage = async |text: Option<Arc<str>>| {
            let text = text?;
            let encoding = async {
                let (_, encoded) = self.encoded(&text)?;
                in_time(deadline, encoded).await
            };
            let embedding = encoding.await.map(|encoding| encoding.embedding);
            Some(Passage {
                text,
                embedding,
                closely: None,
            })
        };
        let (alone, together, before, asked_back) = tokio::join!(
            passage(alone),
            passage(texts.together),
            passage(texts.before),
            passage(texts.asked_back),
        );
        Earlier {
            language: None,
            leaning: texts.leaning,
            closely: None,
            alone,
            together,
            before,
            asked_back,
        }
    }

    /// The probability of an attack that one harmless text in a hundred reaches, where the model's heads know it.
    pub fn attack_threshold(&self) -> Option<Probability> {
        self.encoder.as_ref()?.1.attack_threshold()
    }

    /// As [`read`](Self::read), for a text by itself.
    pub async fn read_text(&self, text: &str, wanted: Wanted, deadline: Duration) -> Signals {
        let text: Arc<str> = text.into();
        let alone = Shape {
            tokens: Usage::estimate_tokens(text.len()),
            messages: 1,
            ..Shape::default()
        };
        let material = Material {
            shape: worded(&text, alone),
            tool_results: None,
            earlier: Vec::new(),
            whole: Whole::Text(Arc::clone(&text)),
            question: text,
            sender: "".into(),
        };
        self.read_material(material, wanted, deadline).await
    }

    async fn read_material(
        &self,
        material: Material,
        wanted: Wanted,
        deadline: Duration,
    ) -> Signals {
        let question = Some(&material.question).filter(|_| wanted.needs_question());
        let question = question.map(|text| self.encoded(text));
        let tool_results = material.tool_results.as_ref().filter(|_| wanted.attack);
        let tool_results = tool_results.map(|text| self.encoded(text));
        let under_way: Vec<_> = [&question, &tool_results]
            .into_iter()
            .flatten()
            .flatten()
            .cloned()
            .collect();
        // The encoder's requests come first: its threads work on them while this thread does the rest.
        let (measured, tool_results, by_tokens, personal, language) = tokio::join!(
            self.measure(question, deadline),
            self.measure(tool_results, deadline),
            self.attack_by_tokens(&material, wanted, &under_way, deadline),
            self.personal(&material, wanted, &under_way, deadline),
            async {
                wanted
                    .language
                    .then(|| Reading::measured(language(&material.question)))
            },
        );
        // An outer `None` is "not wanted" or "nothing there", an inner one "could not be measured".
        let question = measured.flatten();
        let attack = match (by_tokens, tool_results) {
            (Some(attack), _) => attack,
            (None, None) => self.attack(question.as_ref()),
            (None, Some(results)) => worse(
                self.attack(question.as_ref()),
                self.attack(results.as_ref()),
            ),
        };
        Signals {
            complexity: wanted
                .complexity
                .then(|| self.complexity(question.as_ref())),
            topic: wanted.topic.then(|| self.topic(question.as_ref())),
            attack: wanted.attack.then_some(attack),
            personal,
            language,
            shape: material.shape,
            embedding: question
                .filter(|_| wanted.embedding)
                .map(|measured| measured.embedding),
            earlier: Earlier::default(),
        }
    }

    /// The encoding of a text, begun when first waited for; `None` where nothing can be encoded.
    fn encoded(&self, text: &Arc<str>) -> Option<(Arc<str>, Encoded)> {
        let (model, _) = self.encoder.as_ref()?;
        if text.trim().is_empty() {
            return None;
        }
        let (model, text) = (model.clone(), Arc::clone(text));
        let encoding = {
            let text = Arc::clone(&text);
            async move { model.encode(text).await }
        };
        Some((text, encoding.boxed().shared()))
    }

    /// `None` where no text was wanted, `Some(None)` when it could not be measured in time.
    async fn measure(
        &self,
        encoded: Option<Option<(Arc<str>, Encoded)>>,
        deadline: Duration,
    ) -> Option<Option<Measured>> {
        let Some((text, encoded)) = encoded? else {
            return Some(None);
        };
        let measured = async {
            let (encoding, surface) = tokio::try_join!(encoded, self.surface(&text))?;
            Ok(Measured {
                embedding: encoding.embedding,
                surface,
            })
        };
        Some(in_time(deadline, measured).await)
    }

    async fn surface(&self, text: &Arc<str>) -> Result<Surface, InferenceError> {
        if text.len() <= INLINE_BYTES {
            return Ok(Surface::of(text));
        }
        let text = Arc::clone(text);
        self.aside.run(move |()| Surface::of(&text)).await
    }

    /// `None` where it is not wanted, or told by the text's vector. Without a question, or what cannot be read to its
    /// end in time, it is assumed.
    async fn attack_by_tokens(
        &self,
        material: &Material,
        wanted: Wanted,
        under_way: &[(Arc<str>, Encoded)],
        deadline: Duration,
    ) -> Option<Reading<Probability>> {
        let attacks = self.attacks.as_ref().filter(|_| wanted.attack)?;
        let assumed = Reading::assumed(Probability::clamped(1.0));
        if material.question.trim().is_empty() {
            return Some(assumed);
        }
        let texts = material.unsafe_texts();
        let reading = attacks.read(&material.sender, &texts, under_way);
        let read = tokio::time::timeout(deadline, reading).await;
        if let Ok(Err(Unread::Encoder(error))) = &read {
            report(error);
        }
        Some(match read {
            Ok(Ok(probability)) => Reading::measured(probability),
            Ok(Err(_)) | Err(_) => assumed,
        })
    }

    async fn personal(
        &self,
        material: &Material,
        wanted: Wanted,
        under_way: &[(Arc<str>, Encoded)],
        deadline: Duration,
    ) -> Option<Reading<Findings>> {
        if !wanted.personal {
            return None;
        }
        let prose = self.prose_reader(wanted.free_text);
        let mut searched = None;
        let reading = async {
            let found = self.search(&material.whole, prose.is_some()).await;
            let found = searched.insert(found.ok_or(Unread::Unreadable)?);
            let Some(prose) = prose else {
                return Ok(found.findings.clone());
            };
            let texts: Vec<_> = found
                .prose
                .iter()
                .map(|prose| Arc::clone(&prose.text))
                .collect();
            let reads = prose.read(&material.sender, &texts, under_way).await?;
            Ok(with_free_text(found, &reads, self.scan.wanted()))
        };
        let read = tokio::time::timeout(deadline, reading).await;
        if let Ok(Err(Unread::Encoder(error))) = &read {
            report(error);
        }
        let found = |searched: Searched| searched.findings;
        Some(match read {
            Ok(Ok(findings)) => Reading::measured(findings),
            Ok(Err(_)) | Err(_) => Reading::assumed(searched.map(found).unwrap_or_default()),
        })
    }

    /// What reads free text, where that is wanted and it can find any of the kinds looked for.
    pub(super) fn prose_reader(&self, wanted: bool) -> Option<&Prose> {
        let prose = self.prose.as_ref().filter(|_| wanted);
        prose.filter(|prose| prose.finds_any(self.scan.wanted()))
    }

    /// The kinds that are looked for.
    pub fn kinds(&self) -> &BTreeSet<PersonalKind> {
        self.scan.wanted()
    }

    /// Runs something long on the thread aside.
    pub(super) async fn run_aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, InferenceError> {
        self.aside.run(move |()| work()).await
    }

    /// What has a shape, and the texts of the conversation where `prose` asks for them; `None` where it cannot be read.
    pub(super) async fn search(&self, whole: &Whole, prose: bool) -> Option<Searched> {
        if whole.len() <= INLINE_BYTES {
            // A detector that panics must not take the request with it.
            let scan = || whole.scan(&*self.scan, prose);
            return catch_unwind(AssertUnwindSafe(scan)).unwrap_or(None);
        }
        let (whole, scan) = (whole.clone(), Arc::clone(&self.scan));
        let aside = self.aside.run(move |()| whole.scan(&*scan, prose));
        aside.await.inspect_err(report).ok().flatten()
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
    /// The texts in which an attack may stand, newest first.
    fn unsafe_texts(&self) -> Vec<Arc<str>> {
        let newest = [Some(&self.question), self.tool_results.as_ref()];
        let newest = newest.into_iter().flatten();
        newest.chain(&self.earlier).map(Arc::clone).collect()
    }

    /// Copies only what a wanted signal is read from.
    fn of(request: &ChatRequest, wanted: Wanted) -> Self {
        let reads_question = wanted.needs_question() || wanted.language;
        Self {
            question: if reads_question {
                question(request).into()
            } else {
                "".into()
            },
            tool_results: tool_results(request)
                .filter(|_| wanted.attack)
                .map(Into::into),
            earlier: if wanted.attack {
                earlier(request)
            } else {
                Vec::new()
            },
            shape: if wanted.wording {
                shape(request)
            } else {
                outline(request)
            },
            whole: Whole::Body(request.body.clone()),
            sender: Arc::clone(&request.caller.name),
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

/// What people and tools said before the question and before the tool results that end the conversation.
fn earlier(request: &ChatRequest) -> Vec<Arc<str>> {
    let messages = request.messages.iter().rev();
    let before = messages.skip_while(|message| message.role == Role::Tool);
    let mut question_seen = false;
    let said = before.filter(|message| match message.role {
        Role::User => std::mem::replace(&mut question_seen, true),
        Role::Tool => true,
        Role::System | Role::Assistant => false,
    });
    let texts = said.map(|message| message.text.trim());
    let texts = texts.filter(|text| !text.is_empty());
    texts.map(Into::into).collect()
}

/// The worse of two readings; what was assumed stays assumed.
fn worse(a: Reading<Probability>, b: Reading<Probability>) -> Reading<Probability> {
    if a.value >= b.value { a } else { b }
}

/// What comes in time and without a failure. A broken engine is news; a busy one shows in every record already.
pub(super) async fn in_time<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, InferenceError>>,
) -> Option<T> {
    let done = tokio::time::timeout(deadline, work).await.ok()?;
    done.inspect_err(report).ok()
}

fn report(error: &InferenceError) {
    if let InferenceError::Failed(_) = error {
        tracing::warn!(%error, "signal assumed");
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
