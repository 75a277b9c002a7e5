use super::*;
use crate::inference::decoder::test_models::path;
use std::fs;

fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> Vec<u8> {
    let mut node = field(4, operator.as_bytes());
    node.extend(inputs.iter().flat_map(|name| field(1, name.as_bytes())));
    node.extend(outputs.iter().flat_map(|name| field(2, name.as_bytes())));
    field(1, &node)
}

/// A model of these nodes with the weights `w`, the version of operators and the outputs.
fn model(version: u64, nodes: &[Vec<u8>], outputs: &[&str]) -> Vec<u8> {
    let mut graph = nodes.concat();
    graph.extend(field(5, &field(8, b"w")));
    for output in outputs {
        graph.extend(field(12, &field(1, output.as_bytes())));
    }
    [field(7, &graph), field(8, &number(2, version))].concat()
}

fn edited(nodes: &[Vec<u8>]) -> Option<Vec<u8>> {
    last_position_only(model(17, nodes, &["logits"]), "logits")
}

/// The nodes of an edited model: operator, inputs.
fn nodes_of(model: &[u8]) -> Vec<(String, Vec<String>)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let net = Net::read(model).unwrap();
    let nodes = net.nodes.iter().map(|node| {
        let inputs = node.inputs.iter().map(|input| text(input.text));
        (text(node.operator), inputs.collect())
    });
    nodes.collect()
}

#[test]
fn a_model_cut_short_anywhere_is_left_alone_or_edited_and_never_a_panic() {
    let model = fs::read(path("tiny-llama-gqa").join("model.onnx")).unwrap();
    for end in (0..model.len()).step_by(7) {
        let _ = last_position_only(model[..end].to_vec(), "logits");
    }
}

#[test]
fn only_the_head_reads_the_last_position() {
    let nodes = [
        node("Norm", &["x"], &["hidden"]),
        node("Other", &["hidden"], &["beside"]),
        node("MatMul", &["hidden", "w"], &["scores"]),
        node("Tanh", &["scores"], &["logits"]),
    ];
    let edited = nodes_of(&edited(&nodes).unwrap());
    let reads = |operator: &str| {
        edited
            .iter()
            .find(|node| node.0 == operator)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(reads("Other"), ["hidden"]);
    assert_eq!(reads("MatMul"), ["hiddea", "w"]);
    assert_eq!(reads("Gather"), ["hidden", "firstline.last_position"]);
}

#[test]
fn a_head_whose_scale_is_taken_from_all_positions_is_left_alone() {
    let nodes = [
        node("Norm", &["x"], &["hidden"]),
        node(
            "DynamicQuantizeLinear",
            &["hidden"],
            &["q", "scale", "zero"],
        ),
        node("MatMulInteger", &["q", "w", "zero"], &["sums"]),
        node("Cast", &["sums"], &["numbers"]),
        node("Mul", &["scale", "w"], &["scales"]),
        node("Mul", &["numbers", "scales"], &["logits"]),
    ];
    assert!(edited(&nodes).is_none());
}

#[test]
fn a_head_that_may_mix_positions_is_left_alone() {
    let norm = node("Norm", &["x"], &["hidden"]);
    let product = node("MatMul", &["hidden", "w"], &["scores"]);
    let logits = |operator: &str| node(operator, &["scores"], &["logits"]);
    let given = |nodes: &[Vec<u8>]| edited(nodes).is_some();
    assert!(given(&[norm.clone(), product.clone(), logits("Cast")]));
    assert!(!given(&[norm.clone(), product.clone(), logits("Softmax")]));
    let by_itself = node("MatMul", &["hidden", "hidden"], &["logits"]);
    assert!(!given(&[norm.clone(), by_itself]));
    let read_elsewhere = node("Other", &["scores"], &["beside"]);
    assert!(!given(&[
        norm.clone(),
        product.clone(),
        logits("Cast"),
        read_elsewhere
    ]));
    let inside = field(5, &field(6, &node("Other", &["scores"], &["beside"])));
    let branch = field(1, &[field(4, b"If"), inside].concat());
    assert!(!given(&[
        norm.clone(),
        product.clone(),
        logits("Cast"),
        branch
    ]));
    let nodes = [norm, product, logits("Cast")];
    assert!(last_position_only(model(17, &nodes, &["logits", "scores"]), "logits").is_none());
    assert!(last_position_only(model(10, &nodes, &["logits"]), "logits").is_none());
    assert!(last_position_only(b"<html>not found</html>".to_vec(), "logits").is_none());
}
