//! `models[].engine`.

use super::{problems, read};
use std::path::Path;

/// An engine with these keys beside its folder.
fn with_engine(keys: &str) -> String {
    format!(
        "version: 1\nname: t\nmodels:\n  - {{name: own, tier: local, engine: {{folder: models/own{keys}}}}}\n"
    )
}

#[test]
fn an_engine_is_read_with_its_defaults() {
    let engine = read(&with_engine("")).unwrap().engines.remove(0);
    assert_eq!(engine.folder, Path::new("models/own"));
    assert_eq!(engine.decoder, crate::inference::DecoderSettings::default());
    assert_eq!(engine.sureness, crate::local::Sureness::default());
    assert_eq!((engine.max_tokens, engine.patience.as_secs()), (None, 5));
    let keys = ", slots: 2, queue: 0, context: 64, memory_mb: 3, threads: 2, max_tokens: 9, sure: {tokens: 5, within: 1s}";
    let engine = read(&with_engine(keys)).unwrap().engines.remove(0);
    let decoder = engine.decoder;
    assert_eq!((decoder.slots, decoder.queue, decoder.context), (2, 0, 64));
    assert_eq!((decoder.memory_bytes, decoder.threads), (3 << 20, 2));
    assert_eq!((engine.max_tokens, engine.sureness.tokens), (Some(9), 5));
}

#[test]
fn what_an_engine_cannot_have_is_said() {
    let cases = [
        (", slots: 0", "models[0].engine.slots"),
        (
            ", sure: {min_confidence: 2}",
            "models[0].engine.sure.min_confidence",
        ),
        (
            ", context: 64, max_tokens: 64",
            "models[0].engine.max_tokens",
        ),
        (", folders: x", "models[0].engine.folders"),
    ];
    for (keys, path) in cases {
        let found = problems(&with_engine(keys));
        assert!(
            found.iter().any(|problem| problem.path == path),
            "{keys}: {found:?}"
        );
    }
    let remote = with_engine("").replace("tier: local", "tier: remote");
    assert_eq!(problems(&remote)[0].path, "models[0].engine");
    let both = with_engine("").replace("engine:", "knowledge: [], engine:");
    assert!(
        problems(&both)[0]
            .message
            .contains("one of `knowledge`, `engine` and `upstream`")
    );
    let priced = with_engine("").replace("engine:", "price: {}, engine:");
    assert_eq!(problems(&priced)[0].path, "models[0].price");
}
