use super::*;
use crate::domain::{Chunk, Usage, Usd};
use crate::similar::test_head::by_cosine;

const HOUR: Duration = Duration::from_secs(3_600);

fn settings() -> SimilarSettings {
    SimilarSettings {
        threshold: 0.9,
        ttl: HOUR,
        max_entries: 100,
        max_bytes: 1 << 20,
        max_entry_bytes: 1 << 16,
    }
}

fn cache(settings: SimilarSettings) -> SimilarCache {
    SimilarCache::new(Arc::new(by_cosine()), settings)
}

fn key(number: u8) -> Key {
    Key::numbered(number)
}

fn place(cache: &SimilarCache, scope: &str, text: &str, vector: [f32; 2]) -> Place {
    Place {
        scope: CacheScope(scope.into()),
        key: key(1),
        question: Arc::new(
            cache
                .head()
                .question(text, Arc::new(vector), Some("eng"), false),
        ),
        asked: Instant::now(),
    }
}

fn answer(text: &str) -> Recorded {
    Recorded {
        decision: crate::domain::DecisionId::new("d"),
        model: "gpt".into(),
        class: "public".into(),
        chunks: vec![Chunk::Text(text.into())].into(),
        cost: Usd(5),
        usage: Usage::default(),
    }
}

#[test]
fn a_similar_question_is_answered_and_an_unlike_one_is_not() {
    let cache = cache(settings());
    let asked = place(&cache, "a", "where is my parcel", [1.0, 0.0]);
    cache.keep(&asked, answer("on its way"));
    let again = place(
        &cache,
        "a",
        "tell me the whereabouts of the package",
        [1.0, 0.0],
    );
    let found = cache.look_up(&again, |_| true).unwrap();
    assert_eq!(found.recorded, answer("on its way"));
    assert!(found.similarity > 0.9 && found.similarity < 1.0);
    let other = place(&cache, "a", "tell me about the weather", [0.0, 1.0]);
    assert!(cache.look_up(&other, |_| true).is_none());
    assert!(
        cache.look_up(&again, |model| model != "gpt").is_none(),
        "the model may not answer this one"
    );
}

#[test]
fn of_many_that_may_serve_the_most_alike_does() {
    let cache = cache(settings());
    for (text, vector) in [
        ("where is the box", [0.98, 0.199]),
        ("where is the parcel", [1.0, 0.0]),
        ("whither the crate", [0.99, 0.141]),
    ] {
        cache.keep(&place(&cache, "a", text, vector), answer(text));
    }
    let found = cache.look_up(
        &place(&cache, "a", "tell me where it all is", [1.0, 0.0]),
        |_| true,
    );
    assert_eq!(found.unwrap().recorded, answer("where is the parcel"));
}

#[test]
fn check_03_no_likeness_reaches_into_another_scope_or_under_another_key() {
    let cache = cache(settings());
    let asked = place(&cache, "a", "where is my parcel", [1.0, 0.0]);
    cache.keep(&asked, answer("for a"));
    for other in 0..1_000 {
        let foreign = place(
            &cache,
            &format!("b{other}"),
            "where is my parcel",
            [1.0, 0.0],
        );
        assert!(cache.look_up(&foreign, |_| true).is_none());
    }
    let around = Place {
        key: key(2),
        ..asked.clone()
    };
    assert!(cache.look_up(&around, |_| true).is_none());
    assert!(cache.look_up(&asked, |_| true).is_some());
}

/// Random words, scopes, keys and vectors, half of them alike: whatever comes back is one's own.
#[test]
fn check_03_of_a_hundred_thousand_random_pairs_none_crosses() {
    let cache = cache(SimilarSettings {
        max_entries: 64,
        ..settings()
    });
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut hits = 0;
    let words = ["parcel", "invoice", "refund", "address"];
    let prepared: Vec<Place> = (0..8)
        .flat_map(|at| words.map(|word| (at, word)))
        .map(|(at, word)| {
            place(
                &cache,
                "",
                &format!("{} my {word}", ["where is", "tell me about"][at % 2]),
                [1.0, 0.0],
            )
        })
        .collect();
    for _ in 0..100_000 {
        let scope = format!("caller-{}", random(20));
        let number = u8::try_from(random(3)).unwrap();
        let at = usize::try_from(random(prepared.len() as u64)).unwrap();
        let mine = Place {
            scope: CacheScope(scope.as_str().into()),
            key: key(number),
            ..prepared[at].clone()
        };
        if random(2) == 0 {
            cache.keep(&mine, answer(&format!("{scope}/{number}")));
        } else if let Some(found) = cache.look_up(&mine, |_| true) {
            hits += 1;
            assert_eq!(found.recorded, answer(&format!("{scope}/{number}")));
        }
    }
    assert!(hits > 10_000, "the test compared nothing: {hits} hits");
}

#[test]
fn guards_hold_at_any_likeness() {
    let cache = cache(SimilarSettings {
        threshold: 0.0,
        ..settings()
    });
    for (kept, asked) in [
        ("turn on dark mode", "turn off dark mode"),
        ("where is order 4711", "where is order 4712"),
        ("cancel my order", "do not cancel my order"),
        (
            "book a flight from london to paris",
            "book a flight from paris to london",
        ),
    ] {
        let kept = Place {
            key: key(9),
            ..place(&cache, "a", kept, [1.0, 0.0])
        };
        cache.keep(&kept, answer("no"));
        let asked = Place {
            key: kept.key,
            ..place(&cache, "a", asked, [1.0, 0.0])
        };
        assert!(cache.look_up(&asked, |_| true).is_none());
    }
}

#[test]
fn an_answer_past_its_age_is_not_given_and_makes_room() {
    let cache = cache(settings());
    let asked = place(&cache, "a", "where is my parcel", [1.0, 0.0]);
    cache.keep(&asked, answer("old"));
    let later = Place {
        asked: asked.asked + HOUR,
        ..asked.clone()
    };
    assert!(cache.look_up(&later, |_| true).is_none());
    cache.keep(&later, answer("new"));
    assert_eq!(cache.size().0, 1);
    assert_eq!(
        cache.look_up(&later, |_| true).unwrap().recorded,
        answer("new")
    );
}

#[test]
fn a_scope_holds_no_more_than_its_entries_and_all_no_more_than_the_bytes() {
    let cache = cache(SimilarSettings {
        max_entries: 10,
        max_bytes: 20_000,
        ..settings()
    });
    for number in 0..50 {
        cache.keep(
            &place(&cache, "a", &format!("where is order {number}"), [1.0, 0.0]),
            answer("x"),
        );
    }
    assert_eq!(cache.size().0, 10);
    for number in 0..50 {
        cache.keep(
            &place(
                &cache,
                &format!("scope {number}"),
                "where is it",
                [1.0, 0.0],
            ),
            answer(&"x".repeat(500)),
        );
        assert!(cache.size().1 <= 20_000);
    }
    assert!(cache.size().0 > 5);
    cache.keep(
        &place(&cache, "a", "where is it", [1.0, 0.0]),
        answer(&"x".repeat(1 << 17)),
    );
    assert!(
        cache.size().1 <= 20_000,
        "an answer over the limit was kept"
    );
}
