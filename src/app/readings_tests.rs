use super::*;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

/// The name of a folder of this test's own; it is not there yet.
fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("firstline-readings-{}-{number}", process::id()))
}

fn reading(number: f32) -> Closely {
    let rows: [&[f32]; 3] = [&[0.0; 3], &[number, 0.5, 0.0], &[0.0; 3]];
    Closely::new([number, 1.0].into(), rows.into_iter()).unwrap()
}

fn keep(readings: &Readings, text: &str, number: f32) {
    readings.keep([(text, &reading(number))].into_iter());
}

#[test]
fn what_was_read_is_there_at_the_next_start_for_the_same_model_alone() {
    let folder = folder();
    keep(&Readings::of("one", Some(&folder)), "parcel", 0.25);
    let again = Readings::of("one", Some(&folder));
    assert_eq!(again.get("parcel"), Some(reading(0.25)));
    assert_eq!(again.get("Parcel"), None);
    assert_eq!(Readings::of("two", Some(&folder)).get("parcel"), None);
}

#[test]
fn what_another_process_kept_meanwhile_stays() {
    let folder = folder();
    let (mine, other) = (
        Readings::of("one", Some(&folder)),
        Readings::of("one", Some(&folder)),
    );
    keep(&other, "theirs", 0.5);
    keep(&mine, "mine", 0.25);
    let next = Readings::of("one", Some(&folder));
    assert_eq!(next.get("theirs"), Some(reading(0.5)));
    assert_eq!(next.get("mine"), Some(reading(0.25)));
}

#[test]
fn the_file_is_its_owners_alone_and_has_no_text() {
    let folder = folder();
    keep(&Readings::of("one", Some(&folder)), "parcel", 0.25);
    let file = folder.join("desk-one.readings");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(6).any(|part| part == b"parcel"));
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn a_file_that_is_not_as_it_was_written_is_as_none() {
    let folder = folder();
    keep(&Readings::of("one", Some(&folder)), "parcel", 0.25);
    let file = folder.join("desk-one.readings");
    let good = fs::read(&file).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&file, &bad).unwrap();
        assert_eq!(
            Readings::of("one", Some(&folder)).get("parcel"),
            None,
            "byte {at}"
        );
        fs::write(&file, &good[..at]).unwrap();
        assert_eq!(
            Readings::of("one", Some(&folder)).get("parcel"),
            None,
            "cut at {at}"
        );
    }
    keep(&Readings::of("one", Some(&folder)), "parcel", 0.5);
    let mended = Readings::of("one", Some(&folder));
    assert_eq!(mended.get("parcel"), Some(reading(0.5)));
}

#[test]
fn without_a_folder_or_where_none_can_be_made_it_is_kept_for_the_process() {
    let none = Readings::of("one", None);
    keep(&none, "parcel", 0.25);
    assert_eq!(none.clone().get("parcel"), Some(reading(0.25)));
    let file = folder();
    fs::write(&file, b"in the way").unwrap();
    let barred = Readings::of("one", Some(&file));
    keep(&barred, "parcel", 0.25);
    assert_eq!(barred.get("parcel"), Some(reading(0.25)));
}
