use super::*;

fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
    let mut matcher = StopMatcher::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
    let mut text = String::new();
    for piece in pieces {
        let passed = matcher.push(piece);
        text += &passed.text;
        if passed.stopped {
            return (text, true);
        }
    }
    (text + &matcher.finish(), false)
}

#[test]
fn a_stop_text_is_found_however_the_text_is_cut() {
    let text = "Grüße 🎁 – done.\n\nUser: next";
    let stops = ["\n\nUser:", "🎁🎁"];
    for first in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
        for second in (first..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let pieces = [&text[..first], &text[first..second], &text[second..]];
            assert_eq!(
                run(&stops, &pieces),
                ("Grüße 🎁 – done.".to_owned(), true),
                "{first}, {second}"
            );
        }
    }
}

#[test]
fn text_that_only_begins_like_a_stop_text_comes_out_whole() {
    assert_eq!(
        run(&["stop!", "stand"], &["no s", "t", "op", " st", "and"]),
        ("no stop ".to_owned(), true)
    );
    assert_eq!(run(&["stop!"], &["sto", "p"]), ("stop".to_owned(), false));
    assert_eq!(
        run(&["aab"], &["a", "a", "a", "b", "c"]),
        ("a".to_owned(), true)
    );
}

#[test]
fn only_what_may_become_a_stop_text_is_held() {
    let mut matcher = StopMatcher::new(vec!["END".to_owned()]);
    assert_eq!(
        matcher.push("the E"),
        Passed {
            text: "the ".to_owned(),
            stopped: false
        }
    );
    assert_eq!(
        matcher.push("gg"),
        Passed {
            text: "Egg".to_owned(),
            stopped: false
        }
    );
}

#[test]
fn the_first_of_several_stop_texts_counts_and_an_empty_one_does_not() {
    assert_eq!(run(&["", "bc", "b"], &["abcd"]), ("a".to_owned(), true));
    assert_eq!(run(&[""], &["abcd"]), ("abcd".to_owned(), false));
}
