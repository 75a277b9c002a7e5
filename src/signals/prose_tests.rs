use super::*;
use crate::domain::PersonalKind;
use crate::inference::{DeterministicEngine, Engine, EngineError, Limits, start};
use std::sync::Mutex;

/// `Heads` are in another file: here the head is read from what `heads.json` holds under `tokens`.
fn head() -> Arc<TokenHead> {
    let raw = serde_json::json!({
        "labels": ["O", "B-name", "I-name", "B-location", "I-location"],
        "thresholds": {"name": 0.5, "location": 0.5},
    });
    let raw: super::super::tokens::RawTokens = serde_json::from_value(raw).unwrap();
    Arc::new(raw.checked().unwrap())
}

fn column_of(word: &str) -> usize {
    match word {
        "Ann" => 1,
        "Baker" => 2,
        "Lisbon" => 3,
        _ => 0,
    }
}

/// Counts what it is asked to encode; fails where the text says so.
struct Counting(Arc<Mutex<Vec<String>>>, DeterministicEngine);

impl Engine for Counting {
    fn encode(&mut self, text: &str) -> Result<Encoding, EngineError> {
        self.0.lock().unwrap().push(text.to_owned());
        match text.contains("fails") {
            true => Err(EngineError::new("broken")),
            false => self.1.encode(text),
        }
    }

    fn windows(&mut self, text: &str) -> Result<Vec<Range<usize>>, EngineError> {
        self.1.windows(text)
    }
}

fn prose(columns: usize) -> (Prose, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let engine = DeterministicEngine::new(8).with_tokens(columns, column_of);
    let engine = Counting(Arc::clone(&asked), engine);
    let (model, _) = start(vec![Box::new(engine)], Limits::default());
    (Prose::new(model, head()), asked)
}

async fn read(prose: &Prose, sender: &str, texts: &[&str]) -> Result<Vec<Arc<TextRead>>, Unread> {
    let texts: Vec<Arc<str>> = texts.iter().map(|text| Arc::from(*text)).collect();
    prose.read(sender, &texts, &[]).await
}

fn found(text: &str, read: &TextRead) -> Vec<(PersonalKind, String)> {
    let cut = |span: Span| (span.kind, text[span.place].to_owned());
    read.spans().into_iter().map(cut).collect()
}

#[tokio::test]
async fn each_text_is_encoded_once_for_each_sender() {
    let (prose, asked) = prose(6);
    let talk = ["call Ann Baker", "in Lisbon"];
    let first = read(&prose, "shop", &talk).await.unwrap();
    assert_eq!(
        found(talk[0], &first[0]),
        [(PersonalKind::Name, "Ann Baker".to_owned())]
    );
    assert_eq!(first[0].windows[0].attack.len(), 3);
    let again = read(&prose, "shop", &[talk[0], talk[1], "and?"])
        .await
        .unwrap();
    assert_eq!(again[..2], first[..]);
    assert_eq!(asked.lock().unwrap().len(), 3);
    read(&prose, "desk", &talk).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn a_long_text_is_read_to_its_end_window_by_window() {
    let (prose, asked) = prose(6);
    let text = format!(
        "{}Ann Baker went{}",
        "on and ".repeat(127),
        " on to Lisbon".repeat(150)
    );
    let reads = read(&prose, "shop", &[&text]).await.unwrap();
    let spans = found(&text, &reads[0]);
    // The name stands where one window ends, and the next begins before it.
    assert_eq!(spans[0], (PersonalKind::Name, "Ann Baker".to_owned()));
    assert_eq!(spans.len(), 151);
    assert!(reads[0].windows.len() > 2);
    let runs = asked.lock().unwrap().len();
    assert_eq!(runs, reads[0].windows.len());
    read(&prose, "shop", &[&text, "thanks"]).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), runs + 1);
}

#[tokio::test]
async fn what_is_encoded_already_is_not_encoded_again() {
    let (prose, asked) = prose(6);
    let text: Arc<str> = "call Ann".into();
    let encoding = DeterministicEngine::new(8)
        .with_tokens(6, column_of)
        .encode(&text);
    let encoding = encoding.map_err(InferenceError::from);
    let encoded = async move { encoding }.boxed().shared();
    let reads = prose
        .read(
            "shop",
            std::slice::from_ref(&text),
            &[(Arc::clone(&text), encoded)],
        )
        .await
        .unwrap();
    assert_eq!(reads[0].spans().len(), 1);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_text_that_cannot_be_read_leaves_all_unread() {
    let (prose, _) = prose(6);
    let failed = read(&prose, "shop", &["fine", "this fails"]).await;
    assert!(matches!(failed, Err(Unread::Encoder(_))));
    let endless = "on ".repeat(LONGEST / 2);
    assert_eq!(
        read(&prose, "shop", &[&endless]).await,
        Err(Unread::TooMuch)
    );
    let many = vec!["on"; MOST_TEXTS + 1];
    assert_eq!(read(&prose, "shop", &many).await, Err(Unread::TooMuch));
}

#[tokio::test]
async fn scores_of_another_model_are_not_taken_for_labels() {
    let (prose, _) = prose(4);
    assert_eq!(
        read(&prose, "shop", &["call Ann"]).await,
        Err(Unread::NoScores)
    );
}

#[test]
fn what_two_windows_found_is_put_together() {
    let span = |kind, place: Range<usize>, score| Span { kind, place, score };
    let window = |spans| WindowRead {
        place: 0..40,
        spans,
        attack: vec![],
    };
    let read = TextRead {
        windows: vec![
            window(vec![
                span(PersonalKind::Name, 0..5, 0.6),
                span(PersonalKind::Name, 20..24, 0.6),
            ]),
            window(vec![
                span(PersonalKind::Name, 3..9, 0.8),
                span(PersonalKind::Location, 20..24, 0.9),
            ]),
        ],
    };
    assert_eq!(
        read.spans(),
        [
            span(PersonalKind::Name, 0..9, 0.8),
            span(PersonalKind::Location, 20..24, 0.9)
        ]
    );
}
