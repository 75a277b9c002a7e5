//! An encoder in one of the hub's layouts, of any family: a classifier's scores, or a text's vector.
//!
//! What measures requests is the encoder of the manifest, with heads of its own. This one shows what another would give.

use super::decoder::DecoderFolder;
use super::onnx::{Input, read_inputs, said};
use super::{DecoderError, EngineError, Runtime, Tokenizer};
use half::f16;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, TensorElementType, TensorRef};
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;

/// An encoder's session. It belongs to one thread.
pub struct HubEncoder {
    session: Session,
    inputs: Vec<Input>,
    output: String,
    tokenizer: Tokenizer,
}

/// What an encoder makes of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoded {
    /// One score for each class, before any softmax.
    Scores(Vec<f32>),
    /// The text's direction in meaning: unit length, mean of its tokens where the graph does not pool them itself.
    Vector(Vec<f32>),
}

/// Outputs that are looked for, likelier first; else the graph's first is taken.
const OUTPUTS: [&str; 5] = [
    "logits",
    "sentence_embedding",
    "text_embeds",
    "last_hidden_state",
    "token_embeddings",
];

/// Tokens of a text where the model's files do not say how many it takes.
const USUAL_TOKENS: usize = 512;

impl HubEncoder {
    /// Loads the encoder of a folder and tries it. Reads files: not for an async thread.
    pub fn open(
        runtime: &Runtime,
        folder: &Path,
        graph: Option<&Path>,
    ) -> Result<Self, DecoderError> {
        let failed = |error: EngineError| DecoderError::Failed(error.to_string());
        let folder = DecoderFolder::open(folder, graph)?;
        let session = open_session(runtime, &folder.graph)
            .map_err(said("the graph cannot be loaded"))
            .map_err(failed)?;
        let tokenizer =
            Tokenizer::parse(&folder.tokenizer, most_tokens(&folder.config)).map_err(failed)?;
        let mut encoder = Self {
            inputs: read_inputs(&session).map_err(failed)?,
            output: output(&session).map_err(failed)?,
            session,
            tokenizer,
        };
        encoder.encode("trial").map_err(failed)?;
        Ok(encoder)
    }

    /// Reads one text; more tokens than the model takes are cut.
    pub fn encode(&mut self, text: &str) -> Result<Encoded, EngineError> {
        let ids = self.tokenizer.ids(text)?;
        let (mask, types) = (vec![1_i64; ids.len()], vec![0_i64; ids.len()]);
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
        for input in &self.inputs {
            let content = match input {
                Input::Ids => &ids,
                Input::Mask => &mask,
                Input::Types => &types,
            };
            let tensor = TensorRef::from_array_view(([1, ids.len()], content.as_slice()));
            let tensor = tensor.map_err(said("the input cannot be made"))?;
            values.push((input.name().into(), tensor.into()));
        }
        let outputs = self
            .session
            .run(values)
            .map_err(said("the model cannot be run"))?;
        let output = outputs.get(&self.output);
        let output = output.ok_or_else(|| EngineError::new("the model gave no output"))?;
        let (shape, numbers) = read(output)?;
        if !numbers.iter().all(|number| number.is_finite()) {
            return Err(EngineError::new(
                "the model gave a number that is none; float16 can be too narrow for it",
            ));
        }
        if self.output == OUTPUTS[0] {
            return Ok(Encoded::Scores(numbers));
        }
        Ok(Encoded::Vector(pooled(&shape, numbers)?))
    }

    /// The ids of a text as this encoder reads them.
    pub fn ids(&self, text: &str) -> Result<Vec<i64>, EngineError> {
        self.tokenizer.ids(text)
    }
}

impl std::fmt::Debug for HubEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubEncoder")
            .field("inputs", &self.inputs)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

fn open_session(runtime: &Runtime, graph: &Path) -> ort::Result<Session> {
    Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .commit_from_file(graph)
}

fn output(session: &Session) -> Result<String, EngineError> {
    let names: Vec<&str> = session
        .outputs()
        .iter()
        .map(|output| output.name())
        .collect();
    let preferred = OUTPUTS.iter().find(|name| names.contains(name));
    let output = preferred.or(names.first());
    let output = output.ok_or_else(|| EngineError::new("the graph has no output"))?;
    Ok((*output).to_owned())
}

/// RoBERTa's kin count positions from two on.
fn most_tokens(config: &Value) -> usize {
    let number = |name: &str| {
        config[name]
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
    };
    let positions = number("max_position_embeddings").filter(|positions| *positions > 8);
    let kin_of_roberta = config["model_type"]
        .as_str()
        .is_some_and(|name| name.contains("roberta"));
    positions.map_or(USUAL_TOKENS, |positions| {
        positions - if kin_of_roberta { 2 } else { 0 }
    })
}

fn read(output: &DynValue) -> Result<(Vec<usize>, Vec<f32>), EngineError> {
    let unreadable = said("the output cannot be read");
    if output.dtype().tensor_type() == Some(TensorElementType::Float16) {
        let (shape, numbers) = output.try_extract_tensor::<f16>().map_err(unreadable)?;
        return Ok((
            sizes(shape),
            numbers.iter().map(|number| number.to_f32()).collect(),
        ));
    }
    let (shape, numbers) = output.try_extract_tensor::<f32>().map_err(unreadable)?;
    Ok((sizes(shape), numbers.to_vec()))
}

fn sizes(shape: &[i64]) -> Vec<usize> {
    let sizes = shape.iter().map(|size| usize::try_from(*size).unwrap_or(0));
    sizes.collect()
}

/// The mean over tokens where there are any, at unit length.
fn pooled(shape: &[usize], numbers: Vec<f32>) -> Result<Vec<f32>, EngineError> {
    let mut vector = match *shape {
        [1, _] => numbers,
        [1, tokens, size] if tokens > 0 && size > 0 => {
            let mut sum = vec![0.0; size];
            for token in numbers.chunks_exact(size) {
                std::iter::zip(&mut sum, token).for_each(|(sum, number)| *sum += number);
            }
            sum
        }
        _ => {
            return Err(EngineError::new(format!(
                "the output has shape {shape:?}, expected [1, size] or [1, tokens, size]"
            )));
        }
    };
    let length = vector
        .iter()
        .map(|number| number * number)
        .sum::<f32>()
        .sqrt();
    if !length.is_finite() || length == 0.0 {
        return Err(EngineError::new(
            "the model gave a vector that has no direction",
        ));
    }
    vector.iter_mut().for_each(|number| *number /= length);
    Ok(vector)
}
