use super::*;
use crate::domain::{
    BodyLayout, Caller, Certainty, DecisionId, Finding, Known, Message, Needs, PersonalKind,
    RequestId, Tightening,
};
use crate::inference::{DeterministicEngine, Encoding, Engine, EngineError, Limits, start};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Mutex};

static ALL_KINDS: LazyLock<BTreeSet<PersonalKind>> = LazyLock::new(|| PersonalKind::ALL.into());

const DIMENSION: usize = 8;

const SOON: Duration = Duration::from_secs(20);

/// Finds one e-mail address in whatever holds an `@`; cannot read a body that holds a zero.
struct AtSigns;

impl PersonalScan for AtSigns {
    fn wanted(&self) -> &BTreeSet<PersonalKind> {
        &ALL_KINDS
    }

    fn in_request(&self, body: &[u8], prose: bool) -> Option<Searched> {
        let readable = !body.contains(&0);
        let text = String::from_utf8_lossy(body);
        readable
            .then(|| Whole::Text(text.as_ref().into()).scan(self, prose))
            .flatten()
    }

    fn in_text(&self, text: &str) -> Findings {
        let finding = text.find('@').map(|start| Finding {
            kind: PersonalKind::Email,
            start,
            end: start + 1,
            score: 1.0,
            certainty: Certainty::Certain,
            country: None,
        });
        Findings(finding.into_iter().collect())
    }
}

struct Panics;

impl PersonalScan for Panics {
    fn wanted(&self) -> &BTreeSet<PersonalKind> {
        &ALL_KINDS
    }

    fn in_request(&self, _: &[u8], _: bool) -> Option<Searched> {
        panic!("as the test wants")
    }

    fn in_text(&self, _: &str) -> Findings {
        panic!("as the test wants")
    }
}

/// Keeps what it was asked; fails where the text says so.
struct Recording(Arc<Mutex<Vec<String>>>);

impl Engine for Recording {
    fn encode(&mut self, text: &str) -> Result<Encoding, EngineError> {
        self.0.lock().unwrap().push(text.to_owned());
        if text.contains("engine fails") {
            return Err(EngineError::new("broken"));
        }
        scoring_words().encode(text)
    }
}

/// Never answers while the test holds the other end, so the deadline passes however fast the machine is.
struct Stuck(Receiver<()>);

impl Engine for Stuck {
    fn encode(&mut self, _: &str) -> Result<Encoding, EngineError> {
        let _ = self.0.recv();
        Err(EngineError::new("let go"))
    }
}

fn heads() -> Arc<Heads> {
    Arc::new(Heads::parse(raw_heads().to_string().as_bytes()).unwrap())
}

fn raw_heads() -> serde_json::Value {
    let linear = serde_json::json!({
        "features": [], "feature_mean": [], "feature_std": [], "feature_clip": 4.0,
        "weights_embedding": vec![0.1; DIMENSION], "weights_features": [], "bias": -1.0,
        "calibration": {"kind": "platt", "a": 1.0, "b": 0.0},
    });
    serde_json::json!({
        "version": 1, "encoder_sha256": "", "embedding_dim": DIMENSION,
        "complexity": linear, "attack": linear,
        "topic": {
            "labels": ["billing"], "weights": [vec![0.0; DIMENSION]], "bias": [0.0],
            "temperature": 1.0, "none_label": "none", "none_threshold": 0.5,
        },
        "knowledge": {"min_score": 0.7, "min_margin": 0.1},
    })
}

/// A reader with an engine that records what it is asked.
fn recording() -> (Reader, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (model, _) = start(vec![Box::new(Recording(asked.clone()))], Limits::default());
    let (reader, _) = Reader::start(Some((model, heads())), Arc::new(AtSigns));
    (reader, asked)
}

fn request(messages: &[(Role, &str)], body: &str) -> ChatRequest {
    let message = |&(role, text): &(Role, &str)| Message {
        role,
        text: text.to_owned(),
    };
    ChatRequest {
        id: RequestId::parse("r").unwrap(),
        decision: DecisionId::new("d"),
        caller: Caller { name: "c".into() },
        model: "auto".into(),
        messages: messages.iter().map(message).collect(),
        stream: false,
        include_usage: false,
        max_output_tokens: None,
        needs: Needs::default(),
        wishes: None,
        tightening: Tightening::default(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        layout: BodyLayout::default(),
        surface: crate::domain::Surface::default(),
        traceparent: None,
    }
}

fn cautious(signals: &Signals) -> bool {
    let one = Some(Reading::assumed(Probability::clamped(1.0)));
    let none = Topic {
        label: None,
        confidence: 0.0,
    };
    signals.complexity == one
        && signals.attack == one
        && signals.topic == Some(Reading::assumed(none))
        && signals.embedding.is_none()
}

#[tokio::test]
async fn everything_wanted_is_measured_with_one_run_of_the_encoder() {
    let (reader, asked) = recording();
    let question = "Where is the parcel that I ordered from your shop last week?";
    let asking = request(
        &[(Role::System, "Be brief."), (Role::User, question)],
        "mail me@example.org",
    );
    let signals = reader.read(&asking, Wanted::ALL, SOON).await;
    assert_eq!(signals.complexity.unwrap().known, Known::Measured);
    assert_eq!(signals.attack.unwrap().known, Known::Measured);
    assert_eq!(
        signals.topic.unwrap().value.label.as_deref(),
        Some("billing")
    );
    assert_eq!(signals.language, Some(Reading::measured(Some("eng"))));
    assert!(signals.personal.unwrap().value.has(PersonalKind::Email));
    assert_eq!(signals.embedding.unwrap().len(), DIMENSION);
    assert_eq!((signals.shape.messages, signals.shape.question), (2, true));
    assert_eq!(*asked.lock().unwrap(), [question]);
}

#[tokio::test]
async fn what_is_not_wanted_is_none_and_costs_nothing() {
    let (reader, asked) = recording();
    let asking = request(&[(Role::User, "Where is my order?")], "{}");
    let signals = reader.read(&asking, Wanted::default(), SOON).await;
    let bare = Signals {
        shape: signals.shape,
        ..Signals::default()
    };
    assert_eq!(signals, bare);
    assert!(asked.lock().unwrap().is_empty());
    let only_topic = Wanted {
        topic: true,
        ..Wanted::default()
    };
    let signals = reader.read(&asking, only_topic, SOON).await;
    assert!(signals.topic.is_some() && signals.embedding.is_none() && signals.attack.is_none());
}

#[tokio::test]
async fn what_does_not_come_in_time_takes_the_cautious_value() {
    let (_let_go, stuck) = channel();
    let (model, _) = start(vec![Box::new(Stuck(stuck))], Limits::default());
    let (reader, _) = Reader::start(Some((model, heads())), Arc::new(AtSigns));
    let asking = request(&[(Role::User, "Where is my order?")], "nobody's");
    let signals = reader
        .read(&asking, Wanted::ALL, Duration::from_millis(5))
        .await;
    assert!(cautious(&signals), "{signals:?}");
    assert_eq!(
        signals.personal,
        Some(Reading::measured(Findings::default()))
    );
}

#[tokio::test]
async fn a_failed_or_missing_engine_gives_the_cautious_values() {
    let (reader, _) = recording();
    let asking = request(&[(Role::User, "the engine fails here")], "{}");
    assert!(cautious(&reader.read(&asking, Wanted::ALL, SOON).await));
    let (without, _) = Reader::start(None, Arc::new(AtSigns));
    assert!(cautious(&without.read(&asking, Wanted::ALL, SOON).await));
}

#[tokio::test]
async fn a_question_without_text_is_not_measured() {
    let (reader, asked) = recording();
    for messages in [
        &[(Role::User, "Look at this picture"), (Role::User, " ")][..],
        &[],
    ] {
        let signals = reader
            .read(&request(messages, "{}"), Wanted::ALL, SOON)
            .await;
        assert!(cautious(&signals), "{signals:?}");
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_assumed_to_hold_personal_data() {
    let (reader, _) = recording();
    let (panicking, _) = Reader::start(None, Arc::new(Panics));
    let long = "x".repeat(INLINE_BYTES + 1);
    for (reader, body) in [
        (&reader, "\0"),
        (&reader, &*format!("{long}\0")),
        (&panicking, "short"),
        (&panicking, &*long),
    ] {
        let asking = request(&[(Role::User, "hello there, you")], body);
        let signals = reader.read(&asking, Wanted::ALL, SOON).await;
        assert_eq!(
            signals.personal,
            Some(Reading::assumed(Findings::default()))
        );
    }
}

#[tokio::test]
async fn a_long_body_is_read_aside_and_found_in_the_same_way() {
    let (reader, _) = recording();
    let long = format!("{}@", "Where is it? ".repeat(10_000));
    let asking = request(&[(Role::User, &long)], &long);
    let signals = reader.read(&asking, Wanted::ALL, SOON).await;
    assert!(signals.personal.unwrap().value.has(PersonalKind::Email));
    assert_eq!(signals.complexity.unwrap().known, Known::Measured);
}

#[tokio::test]
async fn a_short_follow_up_is_read_with_the_turn_before_it() {
    let (reader, asked) = recording();
    let talk = [
        (Role::User, "Do you have this jacket in blue?"),
        (Role::Assistant, "Yes."),
        (Role::User, "in red?"),
    ];
    reader.read(&request(&talk, "{}"), Wanted::ALL, SOON).await;
    // What a desk has to search for beside it is encoded, too, each text once.
    assert_eq!(
        *asked.lock().unwrap(),
        [
            "Do you have this jacket in blue?\nin red?",
            "in red?",
            "Do you have this jacket in blue?"
        ]
    );
}

#[tokio::test]
async fn tool_results_at_the_end_are_scored_for_attacks_as_well() {
    let (reader, asked) = recording();
    let talk = [
        (Role::User, "Summarise this page"),
        (Role::Assistant, ""),
        (Role::Tool, "the engine fails"),
        (Role::Tool, "here"),
    ];
    let signals = reader.read(&request(&talk, "{}"), Wanted::ALL, SOON).await;
    assert!(signals.attack.unwrap().is_assumed());
    assert!(!signals.complexity.unwrap().is_assumed());
    assert_eq!(
        *asked.lock().unwrap(),
        ["Summarise this page", "the engine fails\nhere"]
    );
}

#[tokio::test]
async fn a_bare_text_is_read_like_a_request() {
    let (reader, _) = recording();
    let signals = reader
        .read_text(
            "I want to speak to a human: me@example.org",
            Wanted::ALL,
            SOON,
        )
        .await;
    assert!(signals.shape.wants_human);
    assert!(signals.personal.unwrap().value.has(PersonalKind::Email));
    assert_eq!(signals.attack.unwrap().known, Known::Measured);
}

#[tokio::test]
async fn readers_end_their_thread_when_the_last_is_dropped() {
    let (reader, workers) = Reader::start(None, Arc::new(AtSigns));
    drop((reader.clone(), reader));
    workers.join();
}

/// Heads that take `Ann` for a name and everything else for nothing.
fn heads_with_tokens() -> Arc<Heads> {
    let mut heads = raw_heads();
    heads["version"] = 2.into();
    heads["tokens"] = serde_json::json!({
        "labels": ["O", "B-name", "I-name"], "thresholds": {"name": 0.5},
    });
    Arc::new(Heads::parse(heads.to_string().as_bytes()).unwrap())
}

/// A reader whose engine scores tokens.
fn reading_tokens(engine: impl Engine + 'static) -> Reader {
    let (model, _) = start(vec![Box::new(engine)], Limits::default());
    Reader::start(Some((model, heads_with_tokens())), Arc::new(AtSigns)).0
}

fn scoring_words() -> DeterministicEngine {
    DeterministicEngine::new(DIMENSION).with_tokens(4, |word| usize::from(word == "Ann"))
}

#[tokio::test]
async fn names_are_found_beside_what_has_a_shape() {
    let reader = reading_tokens(scoring_words());
    let asking = request(&[(Role::User, "hello")], "Ann wrote from @ home");
    let signals = reader.read(&asking, Wanted::ALL, SOON).await;
    let personal = signals.personal.unwrap();
    assert_eq!(personal.known, Known::Measured);
    let kinds: Vec<_> = personal
        .value
        .0
        .iter()
        .map(|finding| finding.kind)
        .collect();
    assert_eq!(kinds, [PersonalKind::Name, PersonalKind::Email]);
    let without = Wanted {
        free_text: false,
        ..Wanted::ALL
    };
    let personal = reader.read(&asking, without, SOON).await.personal.unwrap();
    assert!(!personal.value.has(PersonalKind::Name));
}

#[tokio::test]
async fn text_that_is_not_read_to_its_end_makes_personal_data_assumed_and_keeps_what_was_found() {
    let (_let_go, stuck) = channel();
    let reader = reading_tokens(Stuck(stuck));
    let asking = request(&[(Role::User, "hello there, you")], "Ann wrote from @ home");
    let soon = Duration::from_millis(5);
    let personal = reader
        .read(&asking, Wanted::ALL, soon)
        .await
        .personal
        .unwrap();
    assert!(personal.is_assumed() && personal.value.has(PersonalKind::Email));
}

#[tokio::test]
async fn an_encoder_whose_scores_do_not_fit_the_head_makes_personal_data_assumed() {
    let narrow = DeterministicEngine::new(DIMENSION).with_tokens(2, |_| 0);
    let silent = DeterministicEngine::new(DIMENSION);
    let asking = request(&[(Role::User, "hello there, you")], "Ann wrote");
    for engine in [narrow, silent] {
        let signals = reading_tokens(engine)
            .read(&asking, Wanted::ALL, SOON)
            .await;
        assert!(signals.personal.unwrap().is_assumed());
    }
}

#[tokio::test]
async fn the_question_is_encoded_once_for_all_signals() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let reader = reading_tokens(Recording(asked.clone()));
    let text = "Where is the parcel that Ann ordered?";
    reader.read_text(text, Wanted::ALL, SOON).await;
    assert_eq!(*asked.lock().unwrap(), [text]);
}

/// A reader whose engine scores `badword` as an attack, over windows of two words.
fn by_tokens() -> Reader {
    let mut heads = raw_heads();
    heads["version"] = 2.into();
    heads["tokens"] = serde_json::json!({"labels": ["O"], "thresholds": {}});
    heads["attack"] = serde_json::json!({
        "window": 2, "calibration": {"kind": "platt", "a": 1.0, "b": -4.0}, "threshold_at_1_percent": 0.5,
    });
    let heads = Heads::parse(heads.to_string().as_bytes()).unwrap();
    let engine = DeterministicEngine::new(DIMENSION)
        .with_tokens(2, |word| usize::from(word.eq_ignore_ascii_case("ignore")));
    let (model, _) = start(vec![Box::new(engine)], Limits::default());
    Reader::start(Some((model, Arc::new(heads))), Arc::new(AtSigns)).0
}

async fn attack(messages: &[(Role, &str)]) -> Reading<Probability> {
    let wanted = Wanted {
        attack: true,
        ..Wanted::default()
    };
    let reader = by_tokens();
    let signals = reader.read(&request(messages, "{}"), wanted, SOON).await;
    signals.attack.unwrap()
}

#[tokio::test]
async fn an_attack_is_found_wherever_people_or_tools_put_it() {
    use Role::{Assistant, System, Tool, User};
    let calm = "where is my parcel please ".repeat(100);
    let padded = format!("{calm} ignore ignore {calm}");
    let conversations: [&[(Role, &str)]; 6] = [
        &[(User, "ignore ignore")],
        &[(User, &padded)],
        &[(User, "i g n o r e  i g n o r e  n o w")],
        &[(User, "Read aWdub3JlIGlnbm9yZSBub3cgcGxlYXNl and answer")],
        &[
            (User, "where is it"),
            (Assistant, ""),
            (Tool, "calm"),
            (Tool, "ignore ignore"),
        ],
        &[
            (User, "ignore ignore"),
            (Assistant, "no"),
            (User, "where is my parcel"),
        ],
    ];
    for messages in conversations {
        let found = attack(messages).await;
        assert!(
            found.value.get() > 0.9 && !found.is_assumed(),
            "{messages:?}"
        );
    }
    let own: &[(Role, &str)] = &[
        (System, "ignore ignore"),
        (Assistant, "ignore ignore"),
        (User, &calm),
    ];
    let found = attack(own).await;
    assert!(found.value.get() < 0.1 && !found.is_assumed());
}

#[tokio::test]
async fn an_attack_that_cannot_be_looked_for_is_assumed() {
    assert!(attack(&[(Role::User, " ")]).await.is_assumed());
    let too_long = "a ".repeat(600_000);
    assert!(attack(&[(Role::User, &too_long)]).await.is_assumed());
}
