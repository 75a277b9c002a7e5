use super::*;

fn slot(looks: Looks, after: Announced) -> Slot {
    Slot {
        name: "order_id".into(),
        looks,
        ask: Some("What is your order number?".into()),
        metadata: None,
        after,
    }
}

fn number() -> Slot {
    slot(Looks::Number, Announced::Named(name_words("order_id")))
}

fn pattern(text: &str) -> Slot {
    slot(Looks::pattern(text).unwrap(), Announced::Anywhere)
}

fn value(text: &str) -> Said {
    Said::One(text.to_owned())
}

#[test]
fn the_built_in_kinds_can_be_read() {
    for kind in [Looks::Number, Looks::Email, Looks::Date] {
        assert!(kind.expressions().is_some(), "{kind:?}");
    }
}

#[test]
fn a_number_in_running_text_counts_only_where_it_is_announced() {
    for (text, said) in [
        ("Where is order number 4711?", value("4711")),
        ("where is my order #4711", value("4711")),
        ("Order no. 4711 please", value("4711")),
        ("my order is 4711", value("4711")),
        ("I want to order 2 tents", Said::Nothing),
        ("I have waited 3 weeks for my order", Said::Nothing),
        ("where is 4711", Said::Nothing),
        ("order number 4711 or order number 4712?", Said::Several),
        ("order number 4711, I repeat: order id 4711", value("4711")),
        ("order number A4711", Said::Nothing),
    ] {
        assert_eq!(number().said_in(text), said, "{text}");
    }
}

#[test]
fn a_reply_counts_where_it_says_the_value_and_nothing_else() {
    for (text, said) in [
        ("4711", value("4711")),
        ("It's 4711, thanks", value("4711")),
        ("my order id is 4711 I think", value("4711")),
        ("4711 or 4712", Said::Nothing),
        ("I ordered 3 weeks ago", Said::Nothing),
        ("no idea", Said::Nothing),
        ("two parcels, order number 4711", value("4711")),
    ] {
        assert_eq!(number().replied_in(text), said, "{text}");
    }
}

#[test]
fn stated_words_announce_by_themselves() {
    let stated = Announced::After(vec!["order".into(), "reference number".into()]);
    let slot = slot(Looks::Number, stated);
    assert_eq!(slot.said_in("order 4711"), value("4711"));
    assert_eq!(slot.said_in("my reference number: 4711"), value("4711"));
    assert_eq!(slot.said_in("reference 4711"), Said::Nothing);
}

#[test]
fn a_pattern_counts_wherever_it_stands_alone() {
    let slot = pattern(r"FB-\d{6}");
    assert_eq!(slot.said_in("what of FB-123456?"), value("FB-123456"));
    for none in ["FB-1234567", "XFB-123456", "fb-123456", "FB-12"] {
        assert_eq!(slot.said_in(none), Said::Nothing, "{none}");
    }
    assert_eq!(slot.said_in("FB-123456 and FB-123457"), Said::Several);
}

#[test]
fn a_pattern_that_fits_nothing_or_too_much_is_refused() {
    for wrong in ["(", r"\d*", "(?:a{500}){500}", ""] {
        assert!(Looks::pattern(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn addresses_and_days_are_found_as_people_write_them() {
    let email = slot(Looks::Email, Announced::Anywhere);
    assert_eq!(
        email.said_in("write to kari.nordmann+x@mail.example.org, please"),
        value("kari.nordmann+x@mail.example.org")
    );
    assert_eq!(email.said_in("a@b"), Said::Nothing);
    let date = slot(Looks::Date, Announced::After(vec!["on".into()]));
    for day in [
        "2026-12-24",
        "24.12.2026",
        "24 December 2026",
        "24th december",
    ] {
        assert_eq!(date.said_in(&format!("deliver it on {day}")), value(day));
    }
}

#[test]
fn what_an_application_gives_must_be_one_line_that_looks_right() {
    let slot = pattern(r"FB-\d{6}");
    assert_eq!(slot.given(" FB-123456 "), Some("FB-123456".into()));
    for wrong in ["FB-123456\nand more", "see FB-123456", "", "FB-1"] {
        assert_eq!(slot.given(wrong), None, "{wrong:?}");
    }
    let text = Slot {
        looks: Looks::Text,
        ..pattern("x")
    };
    assert_eq!(text.given("Kari Nordmann"), Some("Kari Nordmann".into()));
    assert_eq!(text.given("Kari\u{7}"), None);
    assert_eq!(text.given(&"x".repeat(201)), None);
    assert_eq!(text.said_in("Kari Nordmann"), Said::Nothing);
}
