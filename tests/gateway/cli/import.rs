//! `firstline import`.

use crate::support::{new_folder, repository, run};

#[test]
fn a_litellm_config_becomes_a_policy_that_passes_check_and_says_what_was_left() {
    let folder = new_folder();
    let source = repository("src/config/import/fixtures/everything.yaml");
    let source = source.to_str().unwrap();
    let made = run(
        &folder,
        &["import", "litellm", source, "--output", "made.yaml"],
    )
    .ended(0);
    assert!(made.err.contains("`sagemaker` speaks no API"), "{made:#?}");
    assert!(!made.err.contains("in-plain-text"), "{made:#?}");
    run(&folder, &["check", "made.yaml"]).ended(0);
    // A policy that is there is not overwritten.
    let again = run(
        &folder,
        &["import", "litellm", source, "--output", "made.yaml"],
    );
    again.ended(1);
}

#[test]
fn import_teaches_and_a_file_without_models_ends_with_1() {
    let folder = new_folder();
    let help = run(&folder, &["import", "litellm", "--help"]).ended(0);
    assert!(help.out.contains("--output") && help.out.contains("by hand"));
    std::fs::write(folder.join("none.yaml"), "model_list: []\n").unwrap();
    let none = run(&folder, &["import", "litellm", "none.yaml"]).ended(1);
    assert!(none.err.contains("no model of this file"), "{none:#?}");
}
