//! Lets a graph's head work for the last position alone.
//!
//! Exporters give the logits of every position, and of a prompt only those of its last are of use: at the shapes of small
//! models the others are a fifth to a third of the work of reading it. So a `Gather` of the last position is put in front
//! of the head when the graph is loaded. All rows of a run have equally many tokens, so the last position is each row's.
//!
//! Only a head that provably works position by position is touched: from the logits back through operators of a short
//! list, over one product with weights, to one tensor. Any other graph stays as it is.

use crate::inference::external::{Content, Part, next_field};
use std::collections::{BTreeMap, BTreeSet};

/// A tensor's name, and where in the file it stands.
#[derive(Debug, Clone, Copy)]
struct Name<'a> {
    text: &'a [u8],
    at: usize,
}

/// What the edit needs to know of a node.
#[derive(Debug, Default)]
struct Node<'a> {
    operator: &'a [u8],
    domain: &'a [u8],
    /// What it reads, and what graphs inside it read.
    inputs: Vec<Name<'a>>,
    outputs: Vec<&'a [u8]>,
}

/// The graph as far as the edit needs it.
#[derive(Debug, Default)]
struct Net<'a> {
    nodes: Vec<Node<'a>>,
    /// Tensors that are the same in each run.
    constants: BTreeSet<&'a [u8]>,
    /// What the graph gives.
    outputs: BTreeSet<&'a [u8]>,
    /// The version of ONNX's own operators.
    version: u64,
}

/// The part of the graph behind one tensor that makes the logits.
struct Head<'a> {
    /// The tensor that all of it comes from.
    from: &'a [u8],
    nodes: BTreeSet<usize>,
}

/// Products of rows with weights.
const PRODUCTS: [&[u8]; 2] = [b"MatMul", b"MatMulNBits"];
/// Operators that work position by position, as long as what they are given beside is constant or does so too.
/// (`DynamicQuantizeLinear` is none of them: it takes one scale from all positions, so that fewer would give other logits.)
const ROW_WISE: [&[u8]; 7] = [
    b"Cast",
    b"Mul",
    b"Div",
    b"Add",
    b"Sub",
    b"Tanh",
    b"Identity",
];
/// Whose operators those names are: ONNX's own, by either name, and ONNX Runtime's.
const DOMAINS: [&[u8]; 3] = [b"", b"ai.onnx", b"com.microsoft"];

/// `Gather` counts from the end from this version on.
const FROM_THE_END: u64 = 11;
/// The name of the index that is added.
const INDEX: &[u8] = b"firstline.last_position";
/// Messages inside messages that are followed; a graph inside a graph takes three.
const DEEPEST: usize = 48;

/// The model with the edit; `None` where the graph gives no occasion for it, or is none that is understood.
pub(super) fn last_position_only(mut model: Vec<u8>, logits: &str) -> Option<Vec<u8>> {
    let net = Net::read(&model)?;
    let head = net.head(logits.as_bytes())?;
    let last = net.free_name(head.from)?;
    let places: Vec<usize> = head
        .nodes
        .iter()
        .flat_map(|node| &net.nodes[*node].inputs)
        .filter(|input| input.text == head.from)
        .map(|input| input.at)
        .collect();
    let added = gather(head.from, &last);
    for at in places {
        model[at..at + last.len()].copy_from_slice(&last);
    }
    // A message that stands twice is merged: repeated fields are put together. So no length before it changes.
    model.extend(field(7, &added));
    Some(model)
}

impl<'a> Net<'a> {
    fn read(model: &'a [u8]) -> Option<Self> {
        let mut net = Self::default();
        let mut rest = model;
        while !rest.is_empty() {
            match next_field(&mut rest)? {
                (7, Content::Bytes(graph)) => net.read_graph(model, graph)?,
                (8, Content::Bytes(import)) => net.version = net.version.max(version(import)?),
                _ => {}
            }
        }
        for node in &net.nodes {
            let constant =
                |input: &Name<'_>| input.text.is_empty() || net.constants.contains(input.text);
            if node.inputs.iter().all(constant) {
                net.constants.extend(&node.outputs);
            }
        }
        (net.version >= FROM_THE_END).then_some(net)
    }

    fn read_graph(&mut self, model: &'a [u8], mut graph: &'a [u8]) -> Option<()> {
        while !graph.is_empty() {
            match next_field(&mut graph)? {
                (1, Content::Bytes(node)) => self.nodes.push(Node::read(model, node)?),
                (5, Content::Bytes(tensor)) => self.constants.extend(name_in(tensor, 8)?),
                (12, Content::Bytes(output)) => self.outputs.extend(name_in(output, 1)?),
                _ => {}
            }
        }
        Some(())
    }

    fn head(&self, logits: &'a [u8]) -> Option<Head<'a>> {
        let makers: BTreeMap<&[u8], usize> = (0..)
            .zip(&self.nodes)
            .flat_map(|(at, node)| node.outputs.iter().map(move |output| (*output, at)))
            .collect();
        let (mut open, mut nodes) = (BTreeSet::from([logits]), BTreeSet::new());
        let mut has_product = false;
        while !(has_product && open.len() == 1) {
            // Nodes stand in order, so whoever reads from the latest of them has been passed.
            let made = open.iter().map(|tensor| makers.get(tensor).copied());
            let at = made.collect::<Option<Vec<_>>>()?.into_iter().max()?;
            let node = &self.nodes[at];
            has_product |= self.is_row_wise(node)?;
            open.retain(|tensor| !node.outputs.contains(tensor));
            open.extend(self.changing(node).map(|input| input.text));
            nodes.insert(at);
        }
        let head = Head {
            from: open.pop_first()?,
            nodes,
        };
        self.is_alone(&head, logits).then_some(head)
    }

    /// Whether it is a product with weights; `None` when it might mix positions.
    fn is_row_wise(&self, node: &Node<'a>) -> Option<bool> {
        let is_product = PRODUCTS.contains(&node.operator);
        let weights = || {
            let constant = |at: usize| Some(self.constants.contains(node.inputs.get(at)?.text));
            Some(!constant(0)? && constant(1)?)
        };
        let fits = if is_product {
            weights()?
        } else {
            ROW_WISE.contains(&node.operator)
        };
        (fits && DOMAINS.contains(&node.domain)).then_some(is_product)
    }

    fn changing(&self, node: &Node<'a>) -> impl Iterator<Item = Name<'a>> {
        let inputs = node.inputs.iter().copied();
        inputs.filter(|input| !input.text.is_empty() && !self.constants.contains(input.text))
    }

    /// Nobody but the head reads what it makes, and nothing of it but the logits is given out.
    fn is_alone(&self, head: &Head<'_>, logits: &[u8]) -> bool {
        let inside = head.nodes.iter().flat_map(|at| &self.nodes[*at].outputs);
        let made: BTreeSet<&[u8]> = inside.copied().collect();
        let outside = (0..).zip(&self.nodes);
        let mut outside = outside.filter(|(at, _)| !head.nodes.contains(at));
        let read =
            outside.any(|(_, node)| node.inputs.iter().any(|input| made.contains(input.text)));
        let given: Vec<_> = made.intersection(&self.outputs).collect();
        !read && given == [&logits]
    }

    /// A name as long as `name` that nothing has.
    fn free_name(&self, name: &[u8]) -> Option<Vec<u8>> {
        let inputs = self.nodes.iter().flat_map(|node| &node.inputs);
        let mut taken: BTreeSet<&[u8]> = inputs.map(|input| input.text).collect();
        taken.extend(self.nodes.iter().flat_map(|node| &node.outputs));
        taken.extend(&self.constants);
        if taken.contains(INDEX) {
            return None;
        }
        let (_, front) = name.split_last()?;
        let mut names = (b'a'..=b'z').map(|last| [front, &[last]].concat());
        names.find(|name| !taken.contains(name.as_slice()))
    }
}

impl<'a> Node<'a> {
    fn read(model: &'a [u8], mut bytes: &'a [u8]) -> Option<Self> {
        let mut node = Self::default();
        while !bytes.is_empty() {
            match next_field(&mut bytes)? {
                (1, Content::Bytes(text)) => node.inputs.push(Name::of(model, text)),
                (2, Content::Bytes(text)) => node.outputs.push(text),
                (4, Content::Bytes(text)) => node.operator = text,
                (5, Content::Bytes(attribute)) => {
                    node.read_inside(model, (Part::Attribute, attribute), DEEPEST)?;
                }
                (7, Content::Bytes(text)) => node.domain = text,
                _ => {}
            }
        }
        Some(node)
    }

    /// What the nodes of graphs inside a node read.
    fn read_inside(
        &mut self,
        model: &'a [u8],
        (part, mut bytes): (Part, &'a [u8]),
        deepest: usize,
    ) -> Option<()> {
        while !bytes.is_empty() {
            let (field, content) = next_field(&mut bytes)?;
            let Content::Bytes(inner) = content else {
                continue;
            };
            match (part, field, part.child(field)) {
                (Part::Node, 1, _) => self.inputs.push(Name::of(model, inner)),
                (_, _, Some(child @ (Part::Graph | Part::Node | Part::Attribute))) => {
                    self.read_inside(model, (child, inner), deepest.checked_sub(1)?)?;
                }
                _ => {}
            }
        }
        Some(())
    }
}

impl<'a> Name<'a> {
    /// `text` is a part of `model`.
    fn of(model: &'a [u8], text: &'a [u8]) -> Self {
        let at = text.as_ptr().addr() - model.as_ptr().addr();
        Self { text, at }
    }
}

/// The field of a message that is a name.
fn name_in(mut message: &[u8], number: u64) -> Option<Option<&[u8]>> {
    while !message.is_empty() {
        if let (field, Content::Bytes(name)) = next_field(&mut message)?
            && field == number
        {
            return Some(Some(name));
        }
    }
    Some(None)
}

/// The version that an import of operators names, where they are ONNX's own.
fn version(mut import: &[u8]) -> Option<u64> {
    let (mut own, mut version) = (true, 0);
    while !import.is_empty() {
        match next_field(&mut import)? {
            (1, Content::Bytes(domain)) => own = domain.is_empty() || domain == b"ai.onnx",
            (2, Content::Number(number)) => version = number,
            _ => {}
        }
    }
    Some(if own { version } else { 0 })
}

/// A graph that holds what is added: `last` is `from` at its last position.
fn gather(from: &[u8], last: &[u8]) -> Vec<u8> {
    let minus_one = (-1_i64).to_le_bytes();
    let (one_number, int64) = (number(1, 1), number(2, 7));
    let index = [one_number, int64, field(8, INDEX), field(9, &minus_one)].concat();
    let (its_value, is_number) = (number(3, 1), number(20, 2));
    let axis = [field(1, b"axis"), its_value, is_number].concat();
    let node = [
        field(1, from),
        field(1, INDEX),
        field(2, last),
        field(3, INDEX),
        field(4, b"Gather"),
        field(5, &axis),
    ];
    [field(1, &node.concat()), field(5, &index)].concat()
}

/// A field that holds bytes.
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(number << 3 | 2);
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

/// A field that holds a number.
fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
#[path = "last_tests.rs"]
mod tests;
