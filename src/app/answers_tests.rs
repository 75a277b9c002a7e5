use super::*;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};

/// A new, empty folder of this test's own.
fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("firstline-answers-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn page(id: &str) -> String {
    format!("# Page\n\n## What is {id}? {{#{id}}}\n\nThis is {id}.\n")
}

fn ids(path: &Path) -> Vec<String> {
    let sources = sources(&[path.to_path_buf()]).unwrap();
    let entries = sources.iter().flat_map(|source| &source.entries);
    entries.map(|entry| entry.id.to_string()).collect()
}

fn told(path: &Path) -> Vec<String> {
    let problems = sources(&[path.to_path_buf()]).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_folder_is_read_to_its_depths_in_the_order_of_names() {
    let folder = folder();
    fs::create_dir_all(folder.join("b/deep")).unwrap();
    fs::create_dir_all(folder.join(".git")).unwrap();
    for (name, id) in [
        ("z.md", "four"),
        ("a.md", "one"),
        ("b/deep/x.markdown", "three"),
        ("b/a.md", "two"),
        (".hidden.md", "no"),
        (".git/a.md", "no"),
    ] {
        fs::write(folder.join(name), page(id)).unwrap();
    }
    fs::write(folder.join("picture.png"), "no answer").unwrap();
    assert_eq!(ids(&folder), ["one", "two", "three", "four"]);
}

#[test]
fn a_link_within_the_folder_is_followed_and_one_out_of_it_refused() {
    let (folder, elsewhere) = (folder(), folder());
    // As Kubernetes lays out a mounted map of files.
    fs::create_dir_all(folder.join("..data")).unwrap();
    fs::write(folder.join("..data/faq.md"), page("faq")).unwrap();
    symlink(folder.join("..data/faq.md"), folder.join("faq.md")).unwrap();
    // A link to a folder above leads round in a circle.
    symlink(&folder, folder.join("again")).unwrap();
    assert_eq!(ids(&folder), ["faq"]);
    fs::write(elsewhere.join("secret.md"), page("secret")).unwrap();
    symlink(elsewhere.join("secret.md"), folder.join("out.md")).unwrap();
    symlink(&elsewhere, folder.join("outer")).unwrap();
    symlink(folder.join("gone.md"), folder.join("broken.md")).unwrap();
    let told = told(&folder);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(
        told[0].contains("broken.md: this link leads nowhere"),
        "{told:#?}"
    );
    assert!(
        told[1].contains("out.md: this link leads out of the folder"),
        "{told:#?}"
    );
    assert!(told[2].contains("outer: this link leads out"), "{told:#?}");
}

#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let folder = folder();
    fs::write(folder.join("a.md"), "## What?\n\n## And?\n\nYes.\n").unwrap();
    fs::write(folder.join("b.jsonl"), "nonsense\n").unwrap();
    fs::write(
        folder.join("c.csv"),
        [b"id,question,answer\n\xff".as_slice()].concat(),
    )
    .unwrap();
    let told = told(&folder);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].contains("a.md:1: \"What?\".answer: "), "{told:#?}");
    assert!(told[1].contains("b.jsonl:1: this is no JSON"), "{told:#?}");
    assert!(
        told[2].contains("c.csv:2: the file is not UTF-8; save it"),
        "{told:#?}"
    );
}

#[test]
fn an_empty_folder_and_an_unknown_ending_are_told() {
    let folder = folder();
    assert!(told(&folder)[0].contains("holds no approved answers; put .yaml, "));
    let file = folder.join("faq.txt");
    fs::write(&file, "x").unwrap();
    assert!(told(&file)[0].contains("ending"), "{:?}", told(&file));
    let missing = folder.join("gone.yaml");
    assert!(told(&missing)[0].contains("gone.yaml: the file cannot be read"));
}

#[test]
fn the_digest_of_a_folder_sees_what_is_changed_added_renamed_and_removed() {
    let folder = folder();
    fs::write(folder.join("a.md"), page("a")).unwrap();
    let mut seen = vec![digest(&folder)];
    fs::write(folder.join("a.md"), page("b")).unwrap();
    seen.push(digest(&folder));
    fs::write(folder.join("c.md"), page("c")).unwrap();
    seen.push(digest(&folder));
    fs::rename(folder.join("c.md"), folder.join("d.md")).unwrap();
    seen.push(digest(&folder));
    fs::remove_file(folder.join("d.md")).unwrap();
    assert_eq!(digest(&folder), seen[1], "as it was before");
    fs::write(folder.join(".note"), "hidden").unwrap();
    assert_eq!(digest(&folder), seen[1], "what is hidden is no answer");
    let different: BTreeSet<_> = seen.iter().collect();
    assert_eq!(different.len(), seen.len());
}
