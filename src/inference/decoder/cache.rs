//! Keys and values of the rows of one batch.
//!
//! A row is one conversation. Rows of unequal length share tensors: those of a [`Style::Shared`] graph begin at the
//! front and have room behind them, those of a [`Style::Growing`] graph end at the back and are padded in front. Only
//! a change of rows copies; a step with the same rows does not.

use super::graph::{Graph, KvType, Style};
use half::f16;
use ort::memory::Allocator;
use ort::session::IoBinding;
use ort::value::PrimitiveTensorElementType;
use ort::value::{DynValueTypeMarker, Tensor, ValueRef};
use std::fmt::Debug;
use std::vec::IntoIter;

/// The rows of one batch, and what the model has read of each.
pub(super) struct Cache {
    /// Keys and values of layer 0, then of layer 1, and so on; each [rows, heads, span, head size].
    pub(super) buffers: Vec<Buffer>,
    /// One for each row.
    pub(super) rows: Vec<Row>,
    /// Tokens that the buffers have room for (shared) or hold, padding included (growing).
    pub(super) span: usize,
    /// Buffers bound once, for as long as the rows stay the same.
    pub(super) binding: Option<IoBinding>,
}

/// The lengths of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Tokens read.
    pub(super) length: usize,
    /// Tokens that it may ever have.
    pub(super) reserve: usize,
}

/// One tensor of keys or values.
pub(super) enum Buffer {
    F32(Tensor<f32>),
    F16(Tensor<f16>),
}

/// A row of one of several caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) cache: usize,
    pub(super) row: usize,
}

/// Where one row's numbers move: from a buffer's row to a row of the new one.
struct Move {
    source: usize,
    from_row: usize,
    from: usize,
    to: usize,
    length: usize,
}

/// Shared buffers are made a little larger than asked for, so that their sizes repeat and their memory is used again.
const ROUNDED_TO: usize = 64;

impl Cache {
    /// A cache of one row that has read nothing.
    pub(super) fn empty(graph: &Graph, allocator: &Allocator, reserve: usize) -> ort::Result<Self> {
        let rows = vec![Row { length: 0, reserve }];
        let span = span_of(graph, &rows);
        let buffers =
            (0..graph.layers.len() * 2).map(|_| Buffer::zeroed(graph, allocator, 1, span));
        Ok(Self {
            buffers: buffers.collect::<ort::Result<_>>()?,
            rows,
            span,
            binding: None,
        })
    }

    /// Takes `sources` apart and puts their rows together as `groups` say. Each buffer of the sources is let go before
    /// the next is made, so little more memory is taken than the rows need.
    pub(super) fn regroup(
        graph: &Graph,
        allocator: &Allocator,
        sources: Vec<Self>,
        groups: &[Vec<Pick>],
    ) -> ort::Result<Vec<Self>> {
        let shapes: Vec<(Vec<Row>, usize)> = sources
            .iter()
            .map(|source| (source.rows.clone(), source.span))
            .collect();
        let mut made: Vec<Self> = groups
            .iter()
            .map(|group| Self::planned(graph, group, &shapes))
            .collect();
        let moves: Vec<Vec<Move>> = std::iter::zip(groups, &made)
            .map(|(group, cache)| {
                group
                    .iter()
                    .map(|pick| moved(graph, *pick, &shapes, cache.span))
                    .collect()
            })
            .collect();
        let mut streams: Vec<IntoIter<Buffer>> = sources
            .into_iter()
            .map(|source| source.buffers.into_iter())
            .collect();
        for _ in 0..graph.layers.len() * 2 {
            let old: Vec<Buffer> = streams.iter_mut().filter_map(Iterator::next).collect();
            for (cache, moves) in std::iter::zip(&mut made, &moves) {
                let mut buffer = Buffer::zeroed(graph, allocator, moves.len(), cache.span)?;
                for (row, one) in moves.iter().enumerate() {
                    let spans = (shapes[one.source].1, cache.span);
                    buffer.copy_row(graph, &old[one.source], one, row, spans);
                }
                cache.buffers.push(buffer);
            }
        }
        Ok(made)
    }

    fn planned(graph: &Graph, group: &[Pick], shapes: &[(Vec<Row>, usize)]) -> Self {
        let rows: Vec<Row> = group
            .iter()
            .map(|pick| shapes[pick.cache].0[pick.row])
            .collect();
        Self {
            buffers: Vec::new(),
            span: span_of(graph, &rows),
            rows,
            binding: None,
        }
    }

    /// The longest row's length.
    pub(super) fn longest(&self) -> usize {
        self.rows.iter().map(|row| row.length).max().unwrap_or(0)
    }

    /// Notes that each row has read `tokens` more.
    pub(super) fn advance(&mut self, graph: &Graph, tokens: usize) {
        for row in &mut self.rows {
            row.length += tokens;
        }
        if graph.style == Style::Growing {
            self.span += tokens;
        }
    }
}

fn span_of(graph: &Graph, rows: &[Row]) -> usize {
    match graph.style {
        Style::Growing => rows.iter().map(|row| row.length).max().unwrap_or(0),
        Style::Shared => {
            let most = rows.iter().map(|row| row.reserve).max().unwrap_or(0);
            most.max(graph.window).next_multiple_of(ROUNDED_TO)
        }
    }
}

fn moved(graph: &Graph, pick: Pick, shapes: &[(Vec<Row>, usize)], span: usize) -> Move {
    let (rows, old_span) = &shapes[pick.cache];
    let length = rows[pick.row].length;
    let start = |span: usize| match graph.style {
        Style::Shared => 0,
        Style::Growing => span - length,
    };
    Move {
        source: pick.cache,
        from_row: pick.row,
        from: start(*old_span),
        to: start(span),
        length,
    }
}

impl Buffer {
    /// Zeros: padding is masked, and a mask does not take away what is no number.
    fn zeroed(graph: &Graph, allocator: &Allocator, rows: usize, span: usize) -> ort::Result<Self> {
        let shape = [rows, graph.kv_heads, span, graph.head_dim];
        Ok(match graph.kv_type {
            KvType::F32 => Self::F32(zeros(allocator, shape)?),
            KvType::F16 => Self::F16(zeros(allocator, shape)?),
        })
    }

    /// The tensor, to be read.
    pub(super) fn view(&self) -> ValueRef<'_, DynValueTypeMarker> {
        match self {
            Self::F32(tensor) => tensor.view().into_dyn(),
            Self::F16(tensor) => tensor.view().into_dyn(),
        }
    }

    fn copy_row(
        &mut self,
        graph: &Graph,
        old: &Self,
        one: &Move,
        row: usize,
        spans: (usize, usize),
    ) {
        match (self, old) {
            (Self::F32(new), Self::F32(old)) => copy(graph, old, new, one, row, spans),
            (Self::F16(new), Self::F16(old)) => copy(graph, old, new, one, row, spans),
            // One graph has one type.
            (Self::F32(_), Self::F16(_)) | (Self::F16(_), Self::F32(_)) => {}
        }
    }
}

fn zeros<T>(allocator: &Allocator, shape: [usize; 4]) -> ort::Result<Tensor<T>>
where
    T: PrimitiveTensorElementType + Debug + Default + Clone + 'static,
{
    let mut tensor = Tensor::<T>::new(allocator, shape)?;
    tensor.extract_tensor_mut().1.fill(T::default());
    Ok(tensor)
}

fn copy<T>(
    graph: &Graph,
    old: &Tensor<T>,
    new: &mut Tensor<T>,
    one: &Move,
    row: usize,
    spans: (usize, usize),
) where
    T: PrimitiveTensorElementType + Debug + Copy + 'static,
{
    let (old, new) = (old.extract_tensor().1, new.extract_tensor_mut().1);
    for head in 0..graph.kv_heads {
        let from = ((one.from_row * graph.kv_heads + head) * spans.0 + one.from) * graph.head_dim;
        let to = ((row * graph.kv_heads + head) * spans.1 + one.to) * graph.head_dim;
        let length = one.length * graph.head_dim;
        new[to..to + length].copy_from_slice(&old[from..from + length]);
    }
}
