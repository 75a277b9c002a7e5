//! The encoder run by ONNX Runtime. Beside this file only `runtime.rs` and the folder `decoder` know `ort`.

use super::external::refers_to_other_files;
use super::{
    EncoderFiles, Encoding, Engine, EngineError, Runtime, TokenScores, TokenizedText, Tokenizer,
};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// One session of an encoder, with one compute thread: the thread that calls.
pub struct OnnxEngine {
    session: Session,
    tokenizer: Arc<Tokenizer>,
    inputs: Vec<Input>,
    output: String,
    /// The output with a row for each token, where the model has one.
    token_output: Option<String>,
    dimension: usize,
}

/// What one run gives: the text's vector, and the rows of its tokens.
struct Outputs {
    embedding: Arc<[f32]>,
    token_logits: Option<Vec<f32>>,
}

/// The inputs that an encoder may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Ids,
    Mask,
    Types,
}

const PREFERRED_OUTPUT: &str = "sentence_embedding";

/// Shape \[1, tokens, columns\].
const TOKEN_OUTPUT: &str = "token_logits";

impl OnnxEngine {
    /// Makes `count` engines from files that the catalog has verified, and tries each: the vector must have the
    /// manifest's length, and the tokenizer must know no id that the model lacks.
    pub fn load(
        runtime: &Runtime,
        files: &EncoderFiles,
        count: usize,
    ) -> Result<Vec<Box<dyn Engine>>, EngineError> {
        let tokenizer = Arc::new(Tokenizer::parse(&files.tokenizer, files.max_tokens)?);
        refuse_other_files(&files.model)?;
        let mut engines: Vec<Box<dyn Engine>> = Vec::with_capacity(count);
        for _ in 0..count {
            engines.push(Box::new(Self::open(runtime, files, &tokenizer)?));
        }
        Ok(engines)
    }

    fn open(
        runtime: &Runtime,
        files: &EncoderFiles,
        tokenizer: &Arc<Tokenizer>,
    ) -> Result<Self, EngineError> {
        let session =
            open_session(runtime, &files.model).map_err(said("the model cannot be loaded"))?;
        let mut engine = Self {
            inputs: read_inputs(&session)?,
            output: read_output(&session)?,
            token_output: read_token_output(&session),
            session,
            tokenizer: Arc::clone(tokenizer),
            dimension: files.embedding_dim,
        };
        engine.try_out()?;
        Ok(engine)
    }

    /// The highest id of the vocabulary must be a row of the model, or the two files do not belong together.
    fn try_out(&mut self) -> Result<(), EngineError> {
        let highest = i64::try_from(self.tokenizer.vocabulary()).unwrap_or(i64::MAX) - 1;
        self.run(&[highest]).map_err(|error| {
            EngineError::new(format!(
                "tokenizer and model do not belong together (highest id {highest}): {error}"
            ))
        })?;
        self.encode("trial").map(|_| ())
    }

    fn run(&mut self, ids: &[i64]) -> Result<Outputs, EngineError> {
        let mask = vec![1_i64; ids.len()];
        let types = vec![0_i64; ids.len()];
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
        for input in &self.inputs {
            let content = match input {
                Input::Ids => ids,
                Input::Mask => &mask,
                Input::Types => &types,
            };
            let tensor = TensorRef::from_array_view(([1, ids.len()], content))
                .map_err(said("the input cannot be made"))?;
            values.push((input.name().into(), tensor.into()));
        }
        let outputs = self
            .session
            .run(values)
            .map_err(said("the model cannot be run"))?;
        let read = |name: &str| {
            let output = outputs.get(name);
            let output = output.ok_or_else(|| EngineError::new("the model gave no output"))?;
            let tensor = output.try_extract_tensor::<f32>();
            tensor.map_err(said("the output cannot be read"))
        };
        let (_, vector) = read(&self.output)?;
        let token_logits = self.token_output.as_deref().map(read).transpose()?;
        Ok(Outputs {
            embedding: checked(vector, self.dimension)?,
            token_logits: token_logits.map(|(_, logits)| logits.to_vec()),
        })
    }
}

impl Engine for OnnxEngine {
    fn encode(&mut self, text: &str) -> Result<Encoding, EngineError> {
        let TokenizedText { ids, places } = match self.token_output {
            Some(_) => self.tokenizer.tokens(text)?,
            None => TokenizedText {
                ids: self.tokenizer.ids(text)?,
                places: None,
            },
        };
        let outputs = self.run(&ids)?;
        let scores = std::iter::zip(outputs.token_logits, places).next();
        let scores = scores.map(|(logits, places)| TokenScores::new(logits, places));
        Ok(Encoding {
            embedding: outputs.embedding,
            tokens: ids.len(),
            scores: scores.transpose()?.map(Arc::new),
        })
    }

    fn windows(&mut self, text: &str) -> Result<Vec<Range<usize>>, EngineError> {
        self.tokenizer.windows(text)
    }
}

impl std::fmt::Debug for OnnxEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxEngine")
            .field("tokenizer", &self.tokenizer)
            .field("dimension", &self.dimension)
            .finish_non_exhaustive()
    }
}

impl Input {
    const ALL: [Self; 3] = [Self::Ids, Self::Mask, Self::Types];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ids => "input_ids",
            Self::Mask => "attention_mask",
            Self::Types => "token_type_ids",
        }
    }
}

fn refuse_other_files(model: &[u8]) -> Result<(), EngineError> {
    match refers_to_other_files(model) {
        Some(false) => Ok(()),
        Some(true) => Err(EngineError::new(
            "the model keeps weights in other files; export it with all weights in the one file",
        )),
        None => Err(EngineError::new("the model file is no ONNX file")),
    }
}

/// A vector of another length, or with a number that is none, would turn into a wrong answer later.
fn checked(vector: &[f32], dimension: usize) -> Result<Arc<[f32]>, EngineError> {
    if vector.len() != dimension {
        let found = vector.len();
        return Err(EngineError::new(format!(
            "the model gives vectors of {found} numbers; the manifest says {dimension}"
        )));
    }
    if !vector.iter().all(|x| x.is_finite()) {
        return Err(EngineError::new(
            "the model gave a vector that is no number",
        ));
    }
    Ok(vector.into())
}

fn open_session(runtime: &Runtime, model: &[u8]) -> ort::Result<Session> {
    Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .commit_from_memory(model)
}

pub(super) fn read_inputs(session: &Session) -> Result<Vec<Input>, EngineError> {
    let mut inputs = Vec::new();
    for outlet in session.inputs() {
        let known = Input::ALL.into_iter().find(|i| i.name() == outlet.name());
        inputs.push(known.ok_or_else(|| {
            EngineError::new(format!(
                "the model wants an unknown input `{}`",
                outlet.name()
            ))
        })?);
    }
    Ok(inputs)
}

fn read_output(session: &Session) -> Result<String, EngineError> {
    let names: Vec<&str> = session.outputs().iter().map(|o| o.name()).collect();
    match names.as_slice() {
        [only] => Ok((*only).to_owned()),
        several if several.contains(&PREFERRED_OUTPUT) => Ok(PREFERRED_OUTPUT.to_owned()),
        _ => Err(EngineError::new(format!(
            "the model has no output `{PREFERRED_OUTPUT}`"
        ))),
    }
}

fn read_token_output(session: &Session) -> Option<String> {
    let mut names = session.outputs().iter().map(|output| output.name());
    names.find(|name| *name == TOKEN_OUTPUT).map(str::to_owned)
}

pub(super) fn said<R>(what: &'static str) -> impl Fn(ort::Error<R>) -> EngineError {
    move |error| EngineError::new(format!("{what}: {error}"))
}

#[cfg(test)]
#[path = "onnx_tests.rs"]
mod tests;
