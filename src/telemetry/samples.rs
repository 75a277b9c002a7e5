//! Records as requests full of canaries leave them, for the tests of this room.

use crate::domain::{
    Certainty, Dialect, Endpoint, Finding, Findings, FinishReason, Message, PersonalKind,
    Probability, Reading, Residency, Role, Signals, Tier, Timeouts, Usage, Usd,
};
use crate::ledger::samples::{ledger, request};
use crate::ledger::{CacheOutcome, Entry, Outcome, Record, Route};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const CANARY: &str = "canary-DE89370400440532013000";
pub(super) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The record of a streamed remote answer after one failed try, whose request and answer hold the canary.
pub(super) fn remote() -> Record {
    recorded(|entry| {
        entry.note_attempt(
            "gpt-us",
            "upstream_overloaded",
            Instant::now(),
            Duration::from_millis(2),
        );
        entry.note_attempt("gpt", "ok", Instant::now(), Duration::from_millis(30));
        entry.note_answer(Route::Remote, "gpt");
        entry.note_first_byte();
        entry.note_usage(&Usage {
            input: 100,
            cached_input: 40,
            output: 20,
            ..Usage::default()
        });
        entry.note_cost(Usd(300), Usd(450));
        entry.note_finish(FinishReason::Stop);
    })
}

/// The record of an answer out of the cache.
pub(super) fn cached() -> Record {
    recorded(|entry| {
        entry.note_cache(CacheOutcome::Hit, None);
        entry.note_answer(Route::Cache, "gpt");
    })
}

pub(super) fn endpoint() -> Endpoint {
    Endpoint {
        name: "gpt".into(),
        tier: Tier::Remote,
        dialect: Dialect::OpenAi,
        also: std::collections::BTreeSet::new(),
        auth: crate::domain::AuthHeader::Bearer,
        base_url: "https://eu.api.openai.com/v1".into(),
        upstream_model: "gpt-4o".into(),
        cloud: None,
        credential: None,
        residency: Residency::default(),
        price: crate::domain::Price::default(),
        limits: crate::domain::TokenLimits::default(),
        timeouts: Timeouts::default(),
        parallel: None,
    }
}

fn recorded(note: impl FnOnce(&mut Entry)) -> Record {
    let (ledger, keeper, records) = ledger(Vec::new(), None);
    let mut request = request("decision-1");
    request.body = format!("{{\"messages\":\"{CANARY}\"}}").into();
    request.traceparent = Some(TRACEPARENT.into());
    request.messages.push(Message {
        role: Role::User,
        text: CANARY.to_owned(),
    });
    let mut entry = ledger.open(&request, Instant::now());
    entry.note_signals(&signals());
    entry.note_policy("support@abc");
    entry.note_plan("hard-ones-up", ["remote gpt".into()]);
    entry.note_data_class(&Arc::from("internal"));
    note(&mut entry);
    entry.close(Outcome::Served);
    keeper.finish();
    records.recv().unwrap()
}

fn signals() -> Signals {
    let finding = Finding {
        kind: PersonalKind::Iban,
        start: 7,
        end: 29,
        score: 1.0,
        certainty: Certainty::Certain,
        country: Some("de"),
    };
    Signals {
        personal: Some(Reading::measured(Findings(vec![finding]))),
        complexity: Some(Reading::assumed(Probability::clamped(1.0))),
        ..Signals::default()
    }
}
