//! What a decoder's graph takes and gives, read from its inputs, whoever exported it.

use super::folder::{DecoderError, DecoderFolder};
use ort::session::Session;
use ort::value::TensorElementType;
use ort::value::{Outlet, ValueType};
use serde_json::Value;

/// The graph as the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Graph {
    pub(super) style: Style,
    pub(super) layers: Vec<Layer>,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) kv_type: KvType,
    /// The graph takes `attention_mask`: only then can rows of unequal length go in one batch.
    pub(super) takes_mask: bool,
    /// The graph takes `position_ids`.
    pub(super) takes_positions: bool,
    /// Tokens that the model was made for, prompt and answer together.
    pub(super) context: usize,
    /// Logits of one token; `None` where the graph does not say.
    pub(super) vocabulary: Option<usize>,
    /// A shared buffer must have room for as many tokens: the model's sliding window.
    pub(super) window: usize,
}

/// How a graph keeps what it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Past and present are one buffer that the graph writes in place (`GroupQueryAttention`); rows begin at its front.
    Shared,
    /// Present is past with the new tokens behind it; rows end at its back.
    Growing,
}

/// Numbers of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KvType {
    F32,
    F16,
}

/// The names of one layer's keys and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    /// Inputs: keys, values.
    pub(super) past: [String; 2],
    /// Outputs: keys, values.
    pub(super) present: [String; 2],
}

/// Names with the layer's number for `%d`: past keys, past values, present keys, present values.
type Scheme = [String; 4];

pub(super) const IDS: &str = "input_ids";
pub(super) const MASK: &str = "attention_mask";
pub(super) const POSITIONS: &str = "position_ids";
pub(super) const LOGITS: &str = "logits";

/// optimum, transformers.js and onnxruntime-genai; then the exporter of transformers 5.
const SCHEMES: [[&str; 4]; 2] = [
    [
        "past_key_values.%d.key",
        "past_key_values.%d.value",
        "present.%d.key",
        "present.%d.value",
    ],
    [
        "input.past_key_values.layers.%d.keys",
        "input.past_key_values.layers.%d.values",
        "output.past_key_values.layers.%d.keys",
        "output.past_key_values.layers.%d.values",
    ],
];

impl Graph {
    /// Reads the session's inputs and outputs; what they leave open comes from genai_config.json and config.json.
    pub(super) fn read(session: &Session, folder: &DecoderFolder) -> Result<Self, DecoderError> {
        let layers = read_layers(session, &folder.genai)?;
        refuse_other_inputs(session, &layers)?;
        let first = layers
            .first()
            .ok_or_else(|| failed("the graph has no inputs for keys and values"))?;
        let past = outlet(session.inputs(), &first.past[0])?;
        let has = |name: &str| session.inputs().iter().any(|input| input.name() == name);
        Ok(Self {
            style: style(folder, has(MASK)),
            kv_heads: size(past, 1)
                .or_else(|| kv_heads(folder))
                .ok_or_else(|| unknown("key and value heads"))?,
            head_dim: size(past, 3)
                .or_else(|| head_dim(folder))
                .ok_or_else(|| unknown("head size"))?,
            kv_type: kv_type(past)?,
            takes_mask: has(MASK),
            takes_positions: has(POSITIONS),
            context: context(folder).ok_or_else(|| unknown("context length"))?,
            vocabulary: outlet(session.outputs(), LOGITS)
                .ok()
                .and_then(|logits| size(logits, 2)),
            window: number(&folder.config, &["sliding_window"]).unwrap_or(0),
            layers,
        })
    }

    /// Bytes that one token of one row takes in the cache.
    pub(super) fn token_bytes(&self) -> u64 {
        let number: u64 = match self.kv_type {
            KvType::F32 => 4,
            KvType::F16 => 2,
        };
        number * 2 * self.layers.len() as u64 * self.kv_heads as u64 * self.head_dim as u64
    }
}

/// A graph that shares its buffers has to be told how much of them is full, and is told by the mask. One without a mask goes
/// by the length of what it is given, as those of the exporter of transformers do.
fn style(folder: &DecoderFolder, takes_mask: bool) -> Style {
    if folder.shares_buffers && takes_mask {
        Style::Shared
    } else {
        Style::Growing
    }
}

fn read_layers(session: &Session, genai: &Value) -> Result<Vec<Layer>, DecoderError> {
    let fixed = SCHEMES.iter().map(|scheme| scheme.map(str::to_owned));
    for scheme in genai_scheme(genai).into_iter().chain(fixed) {
        let layers = layers_of(session, &scheme);
        if !layers.is_empty() {
            for name in layers.iter().flat_map(|layer| &layer.present) {
                outlet(session.outputs(), name)?;
            }
            return Ok(layers);
        }
    }
    Err(failed(
        "the graph has no inputs `past_key_values.0.key` and `.value`; export it for generation with past keys and values",
    ))
}

fn layers_of(session: &Session, scheme: &Scheme) -> Vec<Layer> {
    let named = |pattern: &str, layer: usize| pattern.replace("%d", &layer.to_string());
    let layers = (0..).map(|layer| Layer {
        past: [named(&scheme[0], layer), named(&scheme[1], layer)],
        present: [named(&scheme[2], layer), named(&scheme[3], layer)],
    });
    let there = |layer: &Layer| {
        layer
            .past
            .iter()
            .all(|name| outlet(session.inputs(), name).is_ok())
    };
    layers.take_while(there).collect()
}

fn genai_scheme(genai: &Value) -> Option<Scheme> {
    let name = |path: &str| {
        let pattern = genai.pointer(path)?.as_str()?;
        pattern.contains("%d").then(|| pattern.to_owned())
    };
    Some([
        name("/model/decoder/inputs/past_key_names")?,
        name("/model/decoder/inputs/past_value_names")?,
        name("/model/decoder/outputs/present_key_names")?,
        name("/model/decoder/outputs/present_value_names")?,
    ])
}

fn refuse_other_inputs(session: &Session, layers: &[Layer]) -> Result<(), DecoderError> {
    outlet(session.inputs(), IDS)?;
    outlet(session.outputs(), LOGITS)?;
    let known = |name: &str| {
        [IDS, MASK, POSITIONS].contains(&name)
            || layers
                .iter()
                .any(|layer| layer.past.iter().any(|past| past == name))
    };
    let strange: Vec<&str> = session
        .inputs()
        .iter()
        .map(Outlet::name)
        .filter(|name| !known(name))
        .collect();
    if strange.is_empty() {
        return Ok(());
    }
    Err(failed(&format!(
        "the graph asks for inputs that are not known here: {}; export it with `input_ids`, `attention_mask`, \
         `position_ids` and past keys and values only",
        strange.join(", ")
    )))
}

fn outlet<'a>(outlets: &'a [Outlet], name: &str) -> Result<&'a Outlet, DecoderError> {
    let found = outlets.iter().find(|outlet| outlet.name() == name);
    found.ok_or_else(|| failed(&format!("the graph has no input or output `{name}`")))
}

/// A size that the graph fixes, as a number or as a symbol that is one ("16").
fn size(outlet: &Outlet, axis: usize) -> Option<usize> {
    let ValueType::Tensor {
        shape,
        dimension_symbols,
        ..
    } = outlet.dtype()
    else {
        return None;
    };
    let fixed = shape.get(axis).and_then(|size| usize::try_from(*size).ok());
    let symbol = || {
        dimension_symbols
            .get(axis)
            .and_then(|symbol| symbol.parse().ok())
    };
    fixed.or_else(symbol).filter(|size| *size > 0)
}

fn kv_type(past: &Outlet) -> Result<KvType, DecoderError> {
    match past.dtype().tensor_type() {
        Some(TensorElementType::Float32) => Ok(KvType::F32),
        Some(TensorElementType::Float16) => Ok(KvType::F16),
        other => Err(failed(&format!(
            "the graph keeps keys and values as {other:?}; float32 and float16 are known here"
        ))),
    }
}

fn kv_heads(folder: &DecoderFolder) -> Option<usize> {
    number(&folder.genai, &["model", "decoder", "num_key_value_heads"]).or_else(|| {
        first_number(
            &folder.config,
            &["num_key_value_heads", "num_attention_heads", "n_head"],
        )
    })
}

fn head_dim(folder: &DecoderFolder) -> Option<usize> {
    let config = &folder.config;
    let stated = number(&folder.genai, &["model", "decoder", "head_size"])
        .or_else(|| number(config, &["head_dim"]));
    stated.or_else(|| {
        let heads = first_number(config, &["num_attention_heads", "n_head"])?;
        first_number(config, &["hidden_size", "n_embd"])?.checked_div(heads)
    })
}

fn context(folder: &DecoderFolder) -> Option<usize> {
    let stated = number(&folder.genai, &["model", "context_length"]);
    let context = stated.or_else(|| {
        first_number(
            &folder.config,
            &["max_position_embeddings", "n_positions", "n_ctx"],
        )
    });
    match window_left_out(&folder.genai) {
        Some(window) => context.map(|context| context.min(window)),
        None => context,
    }
}

/// The sliding window of a graph of onnxruntime-genai's builder that has none itself: it is left to that library. Further
/// back than the window such a graph would look at what the model was made not to see. Where the graph has the windows, the
/// file names their layers.
fn window_left_out(genai: &Value) -> Option<usize> {
    let sliding = genai.pointer("/model/decoder/sliding_window")?;
    let layers = sliding["layers"].as_array().map_or(0, Vec::len);
    number(sliding, &["window_size"]).filter(|_| layers == 0)
}

fn first_number(value: &Value, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| number(value, &[name]))
}

fn number(value: &Value, path: &[&str]) -> Option<usize> {
    let found = path.iter().try_fold(value, |value, name| value.get(name))?;
    found
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| *number > 0)
}

fn unknown(what: &str) -> DecoderError {
    failed(&format!(
        "neither the graph nor genai_config.json nor config.json says its {what}"
    ))
}

fn failed(sentence: &str) -> DecoderError {
    DecoderError::Failed(sentence.to_owned())
}
