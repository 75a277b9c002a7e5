//! Does an ONNX file keep weights in other files? Such files would be read past the digest check, so they are refused.
//!
//! Walks the protobuf by the field numbers of onnx.proto, without building the graph.

/// Parts of an ONNX file that can hold tensors, by their place in the schema.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Model,
    Training,
    Graph,
    Function,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

/// What follows a field's number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, passed over.
    Fixed,
}

/// True when a tensor of the model names another file; `None` when the bytes are no ONNX file.
pub(super) fn refers_to_other_files(model: &[u8]) -> Option<bool> {
    let mut waiting = vec![(Part::Model, model)];
    while let Some((part, mut bytes)) = waiting.pop() {
        while !bytes.is_empty() {
            let (field, content) = next_field(&mut bytes)?;
            match (part, field, content) {
                // TensorProto.external_data, and data_location = EXTERNAL.
                (Part::Tensor, 13, _) | (Part::Tensor, 14, Content::Number(1)) => {
                    return Some(true);
                }
                (_, _, Content::Bytes(inner)) => {
                    waiting.extend(part.child(field).map(|child| (child, inner)));
                }
                (_, _, Content::Number(_) | Content::Fixed) => {}
            }
        }
    }
    Some(false)
}

impl Part {
    pub(super) fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => {
                Some(Self::Graph)
            }
            (Self::Model, 20) => Some(Self::Training),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Node, 5) | (Self::Function, 11) => Some(Self::Attribute),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => {
                Some(Self::Tensor)
            }
            _ => None,
        }
    }
}

/// Takes the next field off the front; `None` when the bytes are no message.
pub(super) fn next_field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Content<'a>)> {
    let key = varint(bytes)?;
    let content = match key & 7 {
        0 => Content::Number(varint(bytes)?),
        1 => take(bytes, 8).map(|_| Content::Fixed)?,
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            Content::Bytes(take(bytes, length)?)
        }
        5 => take(bytes, 4).map(|_| Content::Fixed)?,
        _ => return None,
    };
    Some((key >> 3, content))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::refers_to_other_files;

    /// A field that holds bytes.
    fn nested(field: u8, content: &[u8]) -> Vec<u8> {
        [
            &[field << 3 | 2, u8::try_from(content.len()).unwrap()],
            content,
        ]
        .concat()
    }

    #[test]
    fn a_weight_in_another_file_is_seen() {
        let external = nested(7, &nested(5, &[14 << 3, 1]));
        assert_eq!(refers_to_other_files(&external), Some(true));
        let in_a_branch = nested(
            7,
            &nested(1, &nested(5, &nested(6, &nested(5, &nested(13, b"x"))))),
        );
        assert_eq!(refers_to_other_files(&in_a_branch), Some(true));
    }

    #[test]
    fn weights_within_the_file_are_fine() {
        let inside = nested(
            7,
            &nested(5, &[&nested(9, b"weights")[..], &[14 << 3, 0]].concat()),
        );
        assert_eq!(refers_to_other_files(&inside), Some(false));
    }

    #[test]
    fn bytes_that_are_no_onnx_file_are_told_apart() {
        assert_eq!(refers_to_other_files(b"<html>not found</html>"), None);
    }
}
