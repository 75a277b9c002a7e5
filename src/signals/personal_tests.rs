use super::*;
use crate::domain::PersonalKind::{Address, Email, Name, Phone};
use crate::signals::WindowRead;

fn shaped(kind: PersonalKind, certainty: Certainty, place: Range<usize>) -> Finding {
    Finding {
        kind,
        start: place.start,
        end: place.end,
        score: 0.9,
        certainty,
        country: None,
    }
}

fn read(spans: &[(PersonalKind, Range<usize>)]) -> Arc<TextRead> {
    let span = |(kind, place): &(PersonalKind, Range<usize>)| Span {
        kind: *kind,
        place: place.clone(),
        score: 0.8,
    };
    let windows = vec![WindowRead {
        place: 0..1000,
        spans: spans.iter().map(span).collect(),
        attack: vec![],
    }];
    Arc::new(TextRead { windows })
}

/// One text with findings by shape, and spans in bytes of it.
fn both(
    text: &str,
    shaped: Vec<Finding>,
    spans: &[(PersonalKind, Range<usize>)],
) -> Vec<(PersonalKind, String)> {
    let prose = Prose {
        text: text.into(),
        findings: 0..shaped.len(),
        placed: true,
    };
    let searched = Searched {
        findings: Findings(shaped),
        prose: vec![prose],
        ..Searched::default()
    };
    let found = with_free_text(&searched, &[read(spans)], &PersonalKind::ALL.into());
    let cut = |finding: &Finding| {
        let length = finding.end - finding.start;
        (
            finding.kind,
            text.chars().skip(finding.start).take(length).collect(),
        )
    };
    found.0.iter().map(cut).collect()
}

#[test]
fn offsets_are_code_points() {
    let text = "é 漢 Zoë went";
    let place = text.find("Zoë").unwrap();
    assert_eq!(
        both(text, vec![], &[(Name, place..place + 4)]),
        [(Name, "Zoë".to_owned())]
    );
}

#[test]
fn what_is_certain_wins_and_the_rest_of_the_name_stays() {
    let text = "Ann Baker (a@b.example), Bo";
    let mail = shaped(Email, Certainty::Certain, 11..22);
    assert_eq!(
        both(text, vec![mail.clone()], &[(Name, 0..27)]),
        [
            (Name, "Ann Baker".into()),
            (Email, "a@b.example".into()),
            (Name, "Bo".into())
        ]
    );
    assert_eq!(
        both(text, vec![mail], &[(Name, 12..15)]),
        [(Email, "a@b.example".into())]
    );
}

#[test]
fn of_two_guesses_the_longer_wins() {
    let text = "12 555 0134 Long Lane";
    let phone = shaped(Phone, Certainty::Probable, 3..11);
    assert_eq!(
        both(text, vec![phone.clone()], &[(Address, 0..21)]),
        [(Address, text.to_owned())]
    );
    assert_eq!(
        both(text, vec![phone], &[(Name, 3..6)]),
        [(Phone, "555 0134".to_owned())]
    );
}

#[test]
fn unwanted_kinds_are_left_out_and_each_text_keeps_its_own() {
    let mail = shaped(Email, Certainty::Certain, 0..5);
    let key = shaped(Phone, Certainty::Certain, 0..5);
    let prose = |text: &str, findings, placed| Prose {
        text: text.into(),
        findings,
        placed,
    };
    let searched = Searched {
        findings: Findings(vec![key.clone(), mail.clone()]),
        prose: vec![
            prose("a@b.c", 1..2, true),
            prose("Ann X", 2..2, true),
            prose("name: Bo", 2..2, false),
        ],
        ..Searched::default()
    };
    let reads = [
        read(&[]),
        read(&[(Name, 0..3), (Address, 4..5)]),
        read(&[(Name, 6..8)]),
    ];
    let wanted = [Name, Email, Phone].into();
    let found = with_free_text(&searched, &reads, &wanted).0;
    let places: Vec<_> = found.iter().map(|f| (f.kind, f.start, f.end)).collect();
    assert_eq!(
        places,
        [(Phone, 0, 5), (Email, 0, 5), (Name, 0, 3), (Name, 0, 0)]
    );
}
