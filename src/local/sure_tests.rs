use super::*;

const SURE: Sureness = Sureness {
    tokens: 24,
    min_confidence: 0.5,
};

/// Tokens that are all different, each of this probability.
fn tokens(probability: f32) -> Vec<(u32, f32)> {
    (0..24).map(|id| (id, probability.ln())).collect()
}

fn judged(text: &str) -> Result<f32, Unsure> {
    asked_in(None, text)
}

fn asked_in(language: Option<&'static str>, text: &str) -> Result<f32, Unsure> {
    let opening = Opening {
        text,
        tokens: &tokens(0.9),
        asked_in: language,
    };
    judge(&opening, &SURE)
}

#[test]
fn an_answer_of_likely_tokens_is_sure() {
    let confidence = judged("Your parcel leaves us on the next working day.").unwrap();
    assert!((confidence - 0.9).abs() < 1e-5);
}

#[test]
fn confidence_is_the_geometric_mean_of_the_probabilities() {
    let mixed = [(1, 0.25_f32.ln()), (2, 1.0_f32.ln())];
    let opening = Opening {
        text: "Yes.",
        tokens: &mixed,
        asked_in: None,
    };
    let half = Sureness {
        min_confidence: 0.499,
        ..SURE
    };
    assert!((judge(&opening, &half).unwrap() - 0.5).abs() < 1e-6);
    let more = Sureness {
        min_confidence: 0.501,
        ..SURE
    };
    let unsure = judge(&opening, &more).unwrap_err();
    assert!(
        matches!(unsure, Unsure::LowConfidence { confidence } if (confidence - 0.5).abs() < 1e-6)
    );
}

#[test]
fn a_confidence_that_is_no_number_is_not_enough() {
    let opening = Opening {
        text: "Yes.",
        tokens: &[(1, f32::NAN)],
        asked_in: None,
    };
    let any = Sureness {
        min_confidence: 0.0,
        ..SURE
    };
    assert!(judge(&opening, &any).is_err());
}

#[test]
fn an_answer_without_a_word_is_empty() {
    for text in ["", " \n "] {
        assert_eq!(judged(text), Err(Unsure::EmptyAnswer));
    }
}

#[test]
fn refusals_and_not_knowing_are_told_in_several_languages() {
    for text in [
        "I'm sorry, but I can't help with that.",
        "I’m not able to look into your account",
        "As an AI language model, I have no orders.",
        "Unfortunately I don't know when it arrives.",
        "Es tut mir leid, aber ich kann das nicht sehen.",
        "Je ne peux pas répondre à cette question.",
        "Lo siento, pero no tengo esa información.",
    ] {
        assert_eq!(judged(text), Err(Unsure::Refusal), "{text}");
    }
    for text in [
        "I'm sorry to hear that your parcel is late. It leaves today.",
        "You can return it within 30 days in every shop of ours, and by mail within 14 days. If somebody there says `I don't know`, show the receipt.",
    ] {
        assert!(judged(text).is_ok(), "{text}");
    }
}

#[test]
fn an_answer_that_sends_the_person_to_a_human_steps_aside() {
    for text in [
        "Please contact our customer service team",
        "Sure! I will transfer you to a colleague.",
        "Bitte wenden Sie sich an unseren Kundendienst.",
    ] {
        assert_eq!(judged(text), Err(Unsure::HandsOver), "{text}");
    }
}

#[test]
fn a_loop_is_told_from_fluent_text() {
    let opening = |ids: &[u32]| {
        let tokens: Vec<(u32, f32)> = ids.iter().map(|id| (*id, -0.1)).collect();
        let opening = Opening {
            text: "words",
            tokens: &tokens,
            asked_in: None,
        };
        judge(&opening, &SURE)
    };
    assert_eq!(opening(&[7; 24]), Err(Unsure::Repetition));
    assert_eq!(opening(&[1, 2, 3].repeat(8)), Err(Unsure::Repetition));
    // Two steps of a list begin alike.
    let list: Vec<u32> = (0..24)
        .map(|at| if at % 12 < 3 { at % 12 } else { 100 + at })
        .collect();
    assert!(opening(&list).is_ok());
    assert!(opening(&[7; 7]).is_ok(), "too few to tell");
}

#[test]
fn an_answer_in_another_language_than_the_question_steps_aside() {
    let german =
        "Ihre Bestellung verlässt unser Lager am nächsten Werktag und kommt zwei Tage später an.";
    assert_eq!(asked_in(Some("eng"), german), Err(Unsure::OtherLanguage));
    assert!(asked_in(Some("deu"), german).is_ok());
    assert!(asked_in(None, german).is_ok());
    assert!(
        asked_in(Some("eng"), "Größe M, blau").is_ok(),
        "too short to tell"
    );
}
