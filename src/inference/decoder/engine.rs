//! One session of a decoder: tokens in, logits of what follows out, with a cache of what was read before.

use super::cache::{Buffer, Cache, Pick, Row};
use super::folder::{DecoderError, DecoderFolder};
use super::graph::{Graph, IDS, KvType, LOGITS, MASK, POSITIONS, Style};
use super::last::last_position_only;
use crate::inference::{EngineError, Runtime};
use half::f16;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{IoBinding, Session, SessionInputValue};
use ort::value::TensorElementType;
use ort::value::{DynValue, Tensor};
use std::borrow::Cow;
use std::fs;

/// A decoder's session. It belongs to one thread; caches made by it can be used with no other.
pub(super) struct DecoderEngine {
    session: Session,
    graph: Graph,
}

/// The small inputs of one run.
struct Inputs {
    ids: Tensor<i64>,
    mask: Option<Tensor<i64>>,
    positions: Option<Tensor<i64>>,
}

impl DecoderEngine {
    /// Loads the graph; `threads` compute each step.
    pub(super) fn open(
        runtime: &Runtime,
        folder: &DecoderFolder,
        threads: usize,
    ) -> Result<Self, DecoderError> {
        let session = open_session(runtime, folder, threads).map_err(|error| {
            DecoderError::Failed(format!("the graph cannot be loaded: {error}"))
        })?;
        Self::of(session, folder)
    }

    fn of(session: Session, folder: &DecoderFolder) -> Result<Self, DecoderError> {
        let graph = Graph::read(&session, folder)?;
        Ok(Self { session, graph })
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Rows of unequal length can go in one step.
    pub(super) fn batches(&self) -> bool {
        self.graph.takes_mask && (self.graph.style == Style::Shared || self.graph.takes_positions)
    }

    /// A cache of one row that may grow to `reserve` tokens.
    pub(super) fn empty_cache(&self, reserve: usize) -> Result<Cache, EngineError> {
        Cache::empty(&self.graph, self.session.allocator(), reserve)
            .map_err(said("no cache can be made"))
    }

    /// Puts rows of caches together anew.
    pub(super) fn regroup(
        &self,
        sources: Vec<Cache>,
        groups: &[Vec<Pick>],
    ) -> Result<Vec<Cache>, EngineError> {
        Cache::regroup(&self.graph, self.session.allocator(), sources, groups)
            .map_err(said("no cache can be made"))
    }

    /// Reads equally many tokens in each row of the cache (`ids` row by row), and gives each row's logits after the
    /// last of them. After a failure the cache is of no more use.
    pub(super) fn forward(
        &mut self,
        cache: &mut Cache,
        ids: &[i64],
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let tokens = ids.len() / cache.rows.len().max(1);
        let inputs = self
            .inputs(cache, ids, tokens)
            .map_err(said("the input cannot be made"))?;
        let logits = match self.graph.style {
            Style::Shared => self.run_shared(cache, &inputs),
            Style::Growing => self.run_growing(cache, &inputs),
        }?;
        cache.advance(&self.graph, tokens);
        Ok(logits)
    }

    fn inputs(&self, cache: &Cache, ids: &[i64], tokens: usize) -> ort::Result<Inputs> {
        let shape = [cache.rows.len(), tokens];
        let mask = || mask(self.graph.style, cache, tokens);
        let positions = || Tensor::from_array((shape, positions(&cache.rows, tokens)));
        Ok(Inputs {
            ids: Tensor::from_array((shape, ids.to_vec()))?,
            mask: self.graph.takes_mask.then(mask).transpose()?,
            positions: self.graph.takes_positions.then(positions).transpose()?,
        })
    }

    fn run_growing(
        &mut self,
        cache: &mut Cache,
        inputs: &Inputs,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
        for (name, tensor) in inputs.named() {
            values.push((name.into(), tensor.into()));
        }
        let pasts = self.graph.layers.iter().flat_map(|layer| &layer.past);
        for (name, buffer) in std::iter::zip(pasts, &cache.buffers) {
            values.push((name.into(), buffer.view().into()));
        }
        let mut outputs = self
            .session
            .run(values)
            .map_err(said("the model cannot be run"))?;
        let mut buffers = Vec::with_capacity(cache.buffers.len());
        for name in self.graph.layers.iter().flat_map(|layer| &layer.present) {
            let value = outputs
                .remove(name)
                .ok_or_else(|| EngineError::new("the model gave no keys and values"))?;
            buffers.push(
                buffer_of(self.graph.kv_type, value)
                    .map_err(said("keys and values cannot be read"))?,
            );
        }
        let logits = outputs.get(LOGITS).ok_or_else(no_logits)?;
        let rows = last_rows(logits)?;
        cache.buffers = buffers;
        Ok(rows)
    }

    fn run_shared(
        &mut self,
        cache: &mut Cache,
        inputs: &Inputs,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let bound = cache.binding.take();
        let mut binding = match bound {
            Some(binding) => binding,
            None => self
                .bind(cache)
                .map_err(said("the cache cannot be bound"))?,
        };
        self.bind_inputs(&mut binding, inputs)
            .map_err(said("the input cannot be bound"))?;
        let outputs = self
            .session
            .run_binding(&binding)
            .map_err(said("the model cannot be run"))?;
        let rows = last_rows(outputs.get(LOGITS).ok_or_else(no_logits)?)?;
        drop(outputs);
        cache.binding = Some(binding);
        Ok(rows)
    }

    /// Binds each buffer as past and as present, so that the graph writes in place.
    fn bind(&self, cache: &mut Cache) -> ort::Result<IoBinding> {
        let mut binding = self.session.create_binding()?;
        let names = self
            .graph
            .layers
            .iter()
            .flat_map(|layer| std::iter::zip(&layer.past, &layer.present));
        for ((past, present), buffer) in std::iter::zip(names, &mut cache.buffers) {
            match buffer {
                Buffer::F32(tensor) => {
                    binding.bind_input(past, tensor)?;
                    binding.bind_output(present, tensor)?;
                }
                Buffer::F16(tensor) => {
                    binding.bind_input(past, tensor)?;
                    binding.bind_output(present, tensor)?;
                }
            }
        }
        Ok(binding)
    }

    /// The logits are bound anew for each run, or ONNX Runtime would want them to keep their shape.
    fn bind_inputs(&self, binding: &mut IoBinding, inputs: &Inputs) -> ort::Result<()> {
        for (name, tensor) in inputs.named() {
            binding.bind_input(name, tensor)?;
        }
        let memory = MemoryInfo::new(
            AllocationDevice::CPU,
            0,
            AllocatorType::Device,
            MemoryType::CPUOutput,
        )?;
        binding.bind_output_to_device(LOGITS, &memory)
    }
}

impl Inputs {
    fn named(&self) -> impl Iterator<Item = (&'static str, &Tensor<i64>)> {
        let mask = self.mask.iter().map(|mask| (MASK, mask));
        let positions = self
            .positions
            .iter()
            .map(|positions| (POSITIONS, positions));
        std::iter::once((IDS, &self.ids))
            .chain(mask)
            .chain(positions)
    }
}

/// Where ONNX Runtime looks for weights beside a graph that it is given as bytes.
const WEIGHTS_FOLDER: &str = "session.model_external_initializers_file_folder_path";

/// With a head that works for the last position alone, where the graph allows it.
fn open_session(runtime: &Runtime, folder: &DecoderFolder, threads: usize) -> ort::Result<Session> {
    let mut builder = builder(runtime, threads)?;
    match open_edited(builder.clone(), folder) {
        Some(session) => Ok(session),
        None => builder.commit_from_file(&folder.graph),
    }
}

fn builder(runtime: &Runtime, threads: usize) -> ort::Result<SessionBuilder> {
    Ok(Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?)
}

fn open_edited(builder: SessionBuilder, folder: &DecoderFolder) -> Option<Session> {
    let beside = folder.graph.parent()?.to_str()?;
    let model = last_position_only(fs::read(&folder.graph).ok()?, LOGITS)?;
    let mut builder = builder.with_config_entry(WEIGHTS_FOLDER, beside).ok()?;
    builder.commit_from_memory(&model).ok()
}

/// Ones where a row has a token: from the front of a shared buffer, at the back of a growing one.
fn mask(style: Style, cache: &Cache, tokens: usize) -> ort::Result<Tensor<i64>> {
    let width = tokens
        + match style {
            Style::Shared => cache.longest(),
            Style::Growing => cache.span,
        };
    let mut mask = vec![0; cache.rows.len() * width];
    for (row, mask) in std::iter::zip(&cache.rows, mask.chunks_exact_mut(width.max(1))) {
        let read = row.length + tokens;
        let ones = match style {
            Style::Shared => 0..read,
            Style::Growing => width - read..width,
        };
        mask[ones].fill(1_i64);
    }
    Tensor::from_array(([cache.rows.len(), width], mask))
}

fn positions(rows: &[Row], tokens: usize) -> Vec<i64> {
    let positions = rows.iter().flat_map(|row| row.length..row.length + tokens);
    positions
        .map(|position| i64::try_from(position).unwrap_or(i64::MAX))
        .collect()
}

fn buffer_of(kv_type: KvType, value: DynValue) -> ort::Result<Buffer> {
    Ok(match kv_type {
        KvType::F32 => Buffer::F32(value.downcast()?),
        KvType::F16 => Buffer::F16(value.downcast()?),
    })
}

/// The last position's logits of each row. Some graphs give those of all positions, some only the last.
fn last_rows(logits: &DynValue) -> Result<Vec<Vec<f32>>, EngineError> {
    let unreadable = said("the logits cannot be read");
    if logits.dtype().tensor_type() == Some(TensorElementType::Float16) {
        let (shape, numbers) = logits.try_extract_tensor::<f16>().map_err(unreadable)?;
        return rows_of(shape, numbers, f16::to_f32);
    }
    let (shape, numbers) = logits.try_extract_tensor::<f32>().map_err(unreadable)?;
    rows_of(shape, numbers, |number| number)
}

fn rows_of<T: Copy>(
    shape: &[i64],
    numbers: &[T],
    to_f32: impl Fn(T) -> f32,
) -> Result<Vec<Vec<f32>>, EngineError> {
    let size = |axis: usize| {
        shape
            .get(axis)
            .and_then(|size| usize::try_from(*size).ok())
            .unwrap_or(0)
    };
    let (positions, vocabulary) = (size(1), size(2));
    if positions == 0 || vocabulary == 0 {
        return Err(EngineError::new(format!(
            "the logits have shape {shape:?}, expected [rows, tokens, vocabulary]"
        )));
    }
    let rows = numbers.chunks_exact(positions * vocabulary);
    Ok(rows
        .map(|row| {
            row[row.len() - vocabulary..]
                .iter()
                .map(|number| to_f32(*number))
                .collect()
        })
        .collect())
}

fn no_logits() -> EngineError {
    EngineError::new("the model gave no logits")
}

fn said<R>(what: &'static str) -> impl Fn(ort::Error<R>) -> EngineError {
    move |error| EngineError::new(format!("{what}: {error}"))
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
