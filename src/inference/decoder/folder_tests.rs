use super::*;
use crate::inference::decoder::test_models::path;
use crate::inference::decoder::{DecoderSettings, start_decoder};
use crate::inference::test_files::runtime;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A copy of a tiny decoder that goes away with the test.
struct Copy(PathBuf);

impl Copy {
    fn of(model: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "firstline-decoder-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        copy(&path(model), &folder);
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn why_not(&self) -> String {
        match DecoderFolder::open(&self.0, None) {
            Ok(_) => panic!("it should have been refused"),
            Err(error) => error.to_string().replace(
                &self.0.canonicalize().unwrap().display().to_string(),
                "FOLDER",
            ),
        }
    }

    /// Lets the graph look for its weights elsewhere: a path of the same length.
    fn redirect(&self, location: &str) {
        let mut bytes = fs::read(self.at("model.onnx")).unwrap();
        let old = b"model.onnx.data";
        assert_eq!(location.len(), old.len());
        for at in 0..bytes.len() - old.len() {
            if &bytes[at..at + old.len()] == old {
                bytes[at..at + old.len()].copy_from_slice(location.as_bytes());
            }
        }
        fs::write(self.at("model.onnx"), bytes).unwrap();
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn graphs_are_found_in_the_layouts_of_the_hub() {
    let found = |model: &str| DecoderFolder::open(&path(model), None).unwrap().graph;
    assert!(found("tiny-llama-gqa").ends_with("tiny-llama-gqa/model.onnx"));
    assert!(found("tiny-llama").ends_with("tiny-llama/onnx/model.onnx"));
    let copy = Copy::of("tiny-llama");
    fs::rename(copy.at("onnx/model.onnx"), copy.at("onnx/model_q4.onnx")).unwrap();
    assert!(
        DecoderFolder::open(&copy.0, None)
            .unwrap()
            .graph
            .ends_with("onnx/model_q4.onnx")
    );
    fs::rename(copy.at("onnx/model_q4.onnx"), copy.at("onnx/mine.onnx")).unwrap();
    assert!(
        copy.why_not()
            .contains("none of model.onnx, model_q4.onnx,"),
        "{}",
        copy.why_not()
    );
    let named = DecoderFolder::open(&copy.0, Some(Path::new("onnx/mine.onnx"))).unwrap();
    assert!(named.graph.ends_with("onnx/mine.onnx"));
}

#[test]
fn a_missing_file_is_named() {
    let copy = Copy::of("tiny-llama-gqa");
    fs::remove_file(copy.at("model.onnx.data")).unwrap();
    assert_eq!(
        copy.why_not(),
        "the model's file FOLDER/model.onnx.data is missing: the graph keeps weights in it"
    );
    let copy = Copy::of("tiny-llama-gqa");
    fs::remove_file(copy.at("tokenizer.json")).unwrap();
    assert_eq!(
        copy.why_not(),
        "the model's file FOLDER/tokenizer.json is missing: a model needs its tokenizer"
    );
    let nowhere = DecoderFolder::open(Path::new("no/such/folder"), None);
    assert!(matches!(nowhere, Err(DecoderError::Missing { .. })));
}

#[test]
fn a_file_that_is_cut_short_is_named() {
    let copy = Copy::of("tiny-llama-gqa");
    let weights = fs::read(copy.at("model.onnx.data")).unwrap();
    fs::write(copy.at("model.onnx.data"), &weights[..weights.len() / 2]).unwrap();
    assert!(
        copy.why_not()
            .starts_with("the model's file FOLDER/model.onnx.data cannot be used: it is cut short")
    );
    let copy = Copy::of("tiny-gpt2");
    let graph = fs::read(copy.at("model.onnx")).unwrap();
    fs::write(copy.at("model.onnx"), &graph[..graph.len() / 2]).unwrap();
    assert_eq!(
        copy.why_not(),
        "the model's file FOLDER/model.onnx cannot be used: it is no ONNX file, or cut short; fetch it again"
    );
    fs::write(copy.at("tokenizer_config.json"), "{").unwrap();
    assert!(
        copy.why_not()
            .contains("tokenizer_config.json cannot be used: it is no JSON"),
        "{}",
        copy.why_not()
    );
}

#[test]
fn weights_outside_the_folder_are_refused() {
    for location in ["../../etc/hosts", "//////etc/hosts", "a/../model.data"] {
        let copy = Copy::of("tiny-llama-gqa");
        copy.redirect(location);
        assert!(
            copy.why_not().contains("leads out of its folder"),
            "{location}: {}",
            copy.why_not()
        );
    }
    let given = DecoderFolder::open(
        &path("tiny-gpt2"),
        Some(Path::new("../tiny-llama/onnx/model.onnx")),
    );
    assert!(matches!(given, Err(DecoderError::Escapes { .. })));
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_refused() {
    use std::os::unix::fs::symlink;
    for name in [
        "model.onnx",
        "model.onnx.data",
        "tokenizer.json",
        "chat_template.jinja",
    ] {
        let copy = Copy::of("tiny-llama-gqa");
        fs::remove_file(copy.at(name)).unwrap();
        symlink(path("tiny-llama-gqa").join(name), copy.at(name)).unwrap();
        assert!(
            copy.why_not().contains("symbolic link"),
            "{name}: {}",
            copy.why_not()
        );
    }
    let copy = Copy::of("tiny-llama");
    fs::remove_dir_all(copy.at("onnx")).unwrap();
    symlink(path("tiny-llama").join("onnx"), copy.at("onnx")).unwrap();
    assert!(
        copy.why_not().contains("symbolic link"),
        "{}",
        copy.why_not()
    );
}

fn why_not_started(folder: &Path, settings: &DecoderSettings) -> String {
    match start_decoder(&runtime(), folder, settings) {
        Ok(_) => panic!("it should have been refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn conversations_that_need_more_memory_than_allowed_are_refused_at_load() {
    // Keys and values of 2 layers, 2 heads of 16 numbers of 4 bytes: 512 bytes a token; 256 tokens; 4 slots.
    let settings = DecoderSettings {
        memory_bytes: 4 * 256 * 512 - 1,
        ..DecoderSettings::default()
    };
    assert_eq!(
        why_not_started(&path("tiny-llama-gqa"), &settings),
        "the decoder's conversations may need 524288 bytes (4 slots of 256 tokens), over memory_bytes 524287; lower \
         slots or context, or raise memory_bytes"
    );
    let none = DecoderSettings {
        slots: 0,
        ..DecoderSettings::default()
    };
    assert_eq!(
        why_not_started(&path("tiny-gpt2"), &none),
        "the decoder's setting slots is 0, expected 1 or more"
    );
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let copy = Copy::of("tiny-gpt2");
    let mut json: Value =
        serde_json::from_slice(&fs::read(copy.at("tokenizer.json")).unwrap()).unwrap();
    json["model"]["vocab"]["zzzzqqqq"] = 40_000.into();
    fs::write(copy.at("tokenizer.json"), json.to_string()).unwrap();
    let error = why_not_started(&copy.0, &DecoderSettings::default());
    assert!(
        error.contains(
            "tokenizer and graph do not belong together: the tokenizer has ids up to 40000"
        ),
        "{error}"
    );
}

#[test]
fn an_encoder_is_no_decoder() {
    let copy = Copy::of("tiny-gpt2");
    fs::copy(
        crate::inference::test_files::models().join("firstline-encoder/encoder.onnx"),
        copy.at("model.onnx"),
    )
    .unwrap();
    let error = why_not_started(&copy.0, &DecoderSettings::default());
    assert!(
        error.contains("the graph has no inputs `past_key_values.0.key`"),
        "{error}"
    );
}
