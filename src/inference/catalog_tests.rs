use super::*;
use crate::inference::test_files;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, content: &[u8]) -> Self {
        let folder =
            std::env::temp_dir().join(format!("firstline-catalog-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("m")).unwrap();
        fs::write(folder.join("m/weights"), content).unwrap();
        Self(folder)
    }

    /// The problems found with a manifest that promises `abc`.
    fn problems(&self) -> Vec<Problem> {
        catalog(&self.0, "m/weights").unwrap().verify()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn catalog(folder: &Path, path: &str) -> Result<Catalog, String> {
    let manifest = serde_json::json!({"version": 1, "models": [{
        "name": "m", "licence": "Apache-2.0", "embedding_dim": 4, "max_tokens": 8, "files": [{
            "path": path, "bytes": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        }],
    }]});
    Catalog::parse(folder, manifest.to_string().as_bytes())
}

#[test]
fn whole_files_have_no_problem() {
    assert_eq!(Folder::with("whole", b"abc").problems(), []);
}

#[test]
fn a_truncated_file_a_wrong_digest_and_a_missing_file_are_told_apart() {
    let truncated = Folder::with("short", b"ab").problems();
    assert_eq!(
        truncated[0].fault,
        Fault::Truncated {
            found: 2,
            expected: 3
        }
    );
    assert!(
        truncated[0]
            .to_string()
            .ends_with("m/weights: the file is cut short: 2 bytes, expected 3")
    );

    let other = Folder::with("other", b"abd").problems();
    assert!(
        matches!(&other[0].fault, Fault::WrongDigest { .. }),
        "{other:?}"
    );
    assert!(
        other[0]
            .to_string()
            .contains("the content is another: SHA-256 a52d159f"),
        "{other:?}"
    );

    let long = Folder::with("long", b"abcd").problems();
    assert_eq!(
        long[0].fault,
        Fault::TooLong {
            found: 4,
            expected: 3
        }
    );

    let folder = Folder::with("missing", b"abc");
    fs::remove_file(folder.0.join("m/weights")).unwrap();
    assert_eq!(folder.problems()[0].fault, Fault::Missing);
}

#[test]
fn an_encoder_without_a_named_model_file_is_a_problem() {
    let folder = Folder::with("unnamed", b"abc");
    let catalog = catalog(&folder.0, "m/weights").unwrap();
    let problem = catalog.encoder(catalog.package("m").unwrap()).unwrap_err();
    assert_eq!(problem.fault, Fault::NotNamed);
}

#[test]
fn a_manifest_cannot_point_outside_its_folder() {
    for path in ["../secret", "/etc/passwd", "m/../../x"] {
        let refused = catalog(Path::new("models"), path);
        assert!(refused.unwrap_err().contains("leaves the folder"), "{path}");
    }
}

#[test]
fn a_manifest_of_another_version_is_refused() {
    let refused = Catalog::parse(Path::new("m"), br#"{"version": 2, "models": []}"#);
    assert_eq!(refused.unwrap_err(), "version is 2, expected 1");
}

#[test]
fn the_shipped_models_are_whole() {
    let catalog = Catalog::open(&test_files::models()).expect("this test needs the shipped model");
    assert_eq!(catalog.verify(), []);
}
