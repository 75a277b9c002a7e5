//! A head small enough to reckon by hand.

use super::{Head, NAMES};
use serde_json::json;

/// Vectors of two numbers; similarity is the logistic of ten times their cosine, less seven: 0.95 for the same
/// direction, 0.27 at 53 degrees.
pub(crate) fn by_cosine() -> Head {
    let inputs = 2 + NAMES.len() + 4;
    let mut weights = vec![0.0; inputs];
    weights[0] = 1.0;
    let file = json!({"similar": {
        "features": NAMES, "mean": [0.0, 0.0], "projection": [[1.0, 0.0], [0.0, 1.0]],
        "input_mean": vec![0.0; inputs], "input_std": vec![1.0; inputs], "input_clip": 8.0,
        "hidden_weights": [weights], "hidden_bias": [0.0], "output_weights": [10.0], "output_bias": 0.0,
        "scale": 1.0, "shift": -7.0,
    }});
    Head::parse(file.to_string().as_bytes(), 2)
        .unwrap()
        .unwrap()
}
