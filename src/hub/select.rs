//! Which files of a repository make one model.

use super::HubError;
use super::digest::Stated;
use super::names::inside;
use std::path::{Path, PathBuf};

/// Names that people give variants, and the graphs that hubs keep them in, likelier first.
pub const VARIANTS: [(&str, &[&str]); 9] = [
    ("f32", &["model.onnx"]),
    ("f16", &["model_fp16.onnx"]),
    ("int8", &["model_int8.onnx", "model_quantized.onnx"]),
    ("q8", &["model_quantized.onnx", "model_int8.onnx"]),
    ("uint8", &["model_uint8.onnx"]),
    ("int4", &["model_q4.onnx"]),
    ("q4", &["model_q4.onnx"]),
    ("q4f16", &["model_q4f16.onnx"]),
    ("bnb4", &["model_bnb4.onnx"]),
];

/// Files beside the graph that say how it is used, and on what terms.
const TEXTS: [&str; 11] = [
    "config.json",
    "generation_config.json",
    "genai_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "LICENSE",
    "LICENSE.txt",
    "README.md",
];

/// What of a repository is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// One of [`VARIANTS`]; needed where there are several graphs.
    pub variant: Option<String>,
    /// A folder of the repository that holds a model of its own, as onnxruntime-genai's do.
    pub subfolder: Option<String>,
}

/// A file as a source lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its path in the repository.
    pub(super) name: String,
    /// Its length, where the source says.
    pub(super) bytes: Option<u64>,
    /// What it holds, where the source says.
    pub(super) digest: Option<Stated>,
}

/// A file to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) listed: Listed,
    /// Its path below the target folder.
    pub(super) to: PathBuf,
}

/// Chooses the files. One name that leads out of the folder spoils the whole list.
pub(super) fn choose(listed: &[Listed], wish: &Wish) -> Result<Vec<Chosen>, HubError> {
    let below = wish
        .subfolder
        .as_deref()
        .map(|folder| inside(folder.trim_end_matches('/')));
    let below = below.transpose()?;
    let mut files = Vec::new();
    for one in listed {
        let path = inside(&one.name)?;
        let to = match &below {
            None => Some(path.as_path()),
            Some(folder) => path.strip_prefix(folder).ok(),
        };
        files.extend(to.map(|to| Chosen {
            listed: one.clone(),
            to: to.to_owned(),
        }));
    }
    let graph = graph(&files, wish)?;
    files.retain(|file| is_text(&file.to) || belongs_to(&file.to, &graph));
    if !files
        .iter()
        .any(|file| file.to == Path::new("tokenizer.json"))
    {
        let message = "there is no tokenizer.json beside the graph; take a repository in one of the hub's ONNX layouts";
        return Err(HubError::Choice(message.into()));
    }
    Ok(files)
}

fn graph(files: &[Chosen], wish: &Wish) -> Result<PathBuf, HubError> {
    let graphs: Vec<&Path> = files
        .iter()
        .map(|file| file.to.as_path())
        .filter(|path| is_graph(path))
        .collect();
    let Some(variant) = &wish.variant else {
        return match graphs.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(HubError::Choice(no_graph(files))),
            several => Err(HubError::Choice(format!(
                "there are several graphs; choose one with --variant: {}",
                variants_of(several)
            ))),
        };
    };
    let known = VARIANTS.iter().find(|(name, _)| name == variant);
    let names = known.map_or(&[][..], |(_, names)| names);
    let named = names.iter().find_map(|name| {
        let in_places = [Path::new("onnx").join(name), PathBuf::from(name)];
        in_places
            .into_iter()
            .find(|path| graphs.contains(&path.as_path()))
    });
    named.ok_or_else(|| {
        let there = variants_of(&graphs);
        let there = if there.is_empty() { "none" } else { &there };
        HubError::Choice(format!(
            "there is no variant `{variant}`; there are: {there}"
        ))
    })
}

fn is_graph(path: &Path) -> bool {
    let place = path.parent().unwrap_or(Path::new(""));
    let known_place = place == Path::new("") || place == Path::new("onnx");
    known_place && path.extension().is_some_and(|ending| ending == "onnx")
}

fn is_text(path: &Path) -> bool {
    TEXTS.iter().any(|name| path == Path::new(name))
}

/// The graph itself, or weights that are kept beside it: `model.onnx_data`, `model.onnx_data_1`, `model.onnx.data`.
fn belongs_to(path: &Path, graph: &Path) -> bool {
    let (Some(name), Some(graph_name)) = (path.to_str(), graph.to_str()) else {
        return false;
    };
    match name.strip_prefix(graph_name) {
        None => false,
        Some(rest) => rest.is_empty() || rest.starts_with("_data") || rest.starts_with(".data"),
    }
}

/// The names under which these graphs can be asked for, each once.
fn variants_of(graphs: &[&Path]) -> String {
    let is_there = |names: &[&str]| {
        let mut files = graphs
            .iter()
            .filter_map(|graph| graph.file_name()?.to_str());
        files.any(|file| names.contains(&file))
    };
    let names = VARIANTS.iter().filter(|(_, names)| is_there(names));
    names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn no_graph(files: &[Chosen]) -> String {
    let folders = files.iter().filter(|file| {
        file.to
            .file_name()
            .is_some_and(|name| name == "genai_config.json")
            && file.to.components().count() > 1
    });
    let folders: Vec<String> = folders
        .filter_map(|file| Some(file.to.parent()?.display().to_string()))
        .collect();
    if folders.is_empty() {
        return "there is no ONNX graph; take a repository in one of the hub's ONNX layouts (its name often ends in -ONNX), \
                or export the model and name the folder"
            .into();
    }
    format!(
        "the models of this repository lie in folders of their own; choose one with --subfolder: {}",
        folders.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str]) -> Vec<Listed> {
        let one = |name: &&str| Listed {
            name: (*name).to_owned(),
            bytes: None,
            digest: None,
        };
        names.iter().map(one).collect()
    }

    fn chosen(
        names: &[&str],
        variant: Option<&str>,
        subfolder: Option<&str>,
    ) -> Result<Vec<String>, String> {
        let wish = Wish {
            variant: variant.map(str::to_owned),
            subfolder: subfolder.map(str::to_owned),
        };
        let files = choose(&listed(names), &wish).map_err(|error| error.to_string())?;
        Ok(files
            .iter()
            .map(|file| file.to.display().to_string())
            .collect())
    }

    const HUB: [&str; 9] = [
        ".gitattributes",
        "config.json",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "onnx/model_q4.onnx",
        "onnx/model_q4.onnx_data",
        "onnx/model_quantized.onnx",
        "pytorch_model.bin",
        "tokenizer.json",
    ];

    #[test]
    fn one_variant_and_its_own_weights_are_taken() {
        let taken = chosen(&HUB, Some("q4"), None).unwrap();
        assert_eq!(
            taken,
            [
                "config.json",
                "onnx/model_q4.onnx",
                "onnx/model_q4.onnx_data",
                "tokenizer.json"
            ]
        );
        let taken = chosen(&HUB, Some("int8"), None).unwrap();
        assert_eq!(
            taken,
            ["config.json", "onnx/model_quantized.onnx", "tokenizer.json"]
        );
    }

    #[test]
    fn of_several_variants_one_has_to_be_named() {
        let said = chosen(&HUB, None, None).unwrap_err();
        assert!(
            said.contains("--variant: f32, int8, q8, int4, q4"),
            "{said}"
        );
        let said = chosen(&HUB, Some("f16"), None).unwrap_err();
        assert!(said.contains("no variant `f16`"), "{said}");
    }

    #[test]
    fn a_model_in_a_folder_of_its_own_is_taken_out_of_it() {
        let names = [
            "README.md",
            "cpu/int4/genai_config.json",
            "cpu/int4/model.onnx",
            "cpu/int4/model.onnx.data",
            "cpu/int4/tokenizer.json",
        ];
        let taken = chosen(&names, None, Some("cpu/int4/")).unwrap();
        assert_eq!(
            taken,
            [
                "genai_config.json",
                "model.onnx",
                "model.onnx.data",
                "tokenizer.json"
            ]
        );
        let said = chosen(&names, None, None).unwrap_err();
        assert!(said.contains("--subfolder: cpu/int4"), "{said}");
    }

    #[test]
    fn one_name_that_escapes_spoils_the_list() {
        let names = ["model.onnx", "tokenizer.json", "../../.bashrc"];
        assert!(
            chosen(&names, None, None)
                .unwrap_err()
                .contains("outside the folder")
        );
        assert!(
            chosen(&HUB, None, Some("../x"))
                .unwrap_err()
                .contains("outside the folder")
        );
    }
}
