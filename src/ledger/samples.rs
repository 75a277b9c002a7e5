//! Requests, records and folders for the tests of this room and of those that look at its records.

use super::{
    Budget, JournalSettings, Keeper, Ledger, Proof, Record, Replicas, Seen, Settings, audit, start,
};
use crate::domain::{
    BodyLayout, Caller, ChatRequest, DecisionId, Needs, RequestId, Tightening, Usd,
};
use crate::policy::{BudgetRule, Period};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A folder that goes when the test ends.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "firstline-ledger-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn settings(&self) -> JournalSettings {
        JournalSettings::new(&self.0)
    }

    pub(super) fn file(&self, number: u32) -> PathBuf {
        self.0.join(format!("journal-{number:06}.flj"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the journal in this folder is, which is as it was written.
pub(super) fn proved(folder: &Path) -> Proof {
    let proof = audit(folder, &[]).unwrap();
    assert!(proof.holds(), "{:#?}", proof.findings);
    proof
}

pub(crate) fn request(decision: &str) -> ChatRequest {
    ChatRequest {
        id: RequestId::parse("req-1").unwrap(),
        decision: DecisionId::new(decision),
        caller: Caller {
            name: "shop".into(),
        },
        model: "auto".into(),
        messages: Vec::new(),
        stream: true,
        include_usage: false,
        max_output_tokens: None,
        needs: Needs::default(),
        wishes: None,
        tightening: Tightening::default(),
        body: bytes::Bytes::new(),
        layout: BodyLayout::default(),
        surface: crate::domain::Surface::default(),
        traceparent: None,
    }
}

/// A budget for a month that everybody shares.
pub(super) fn budget(name: &str, limit: u64) -> BudgetRule {
    BudgetRule {
        name: name.into(),
        caller: None,
        tenant: None,
        topic: None,
        limit: Usd(limit),
        per: Period::Month,
        near: None,
    }
}

/// What is used of a budget now.
pub(super) fn used(ledger: &Ledger, budget: &BudgetRule) -> u64 {
    ledger.standing(std::iter::once(budget)).budgets[0].used.0
}

/// Sets money aside as the way of a request does.
pub(super) fn reserve(
    ledger: &Ledger,
    entry: &mut super::Entry,
    budget: &BudgetRule,
    amount: u64,
) -> Result<(), super::NotReserved> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(ledger.reserve(entry, std::slice::from_ref(budget), Usd(amount)))
}

/// A ledger whose records come out of a channel.
pub(crate) fn ledger(
    budgets: Vec<Budget>,
    journal: Option<JournalSettings>,
) -> (Ledger, Keeper, Receiver<Record>) {
    shared_ledger(budgets, journal, None)
}

/// The same, with budgets that replicas share.
pub(super) fn shared_ledger(
    budgets: Vec<Budget>,
    journal: Option<JournalSettings>,
    replicas: Option<Replicas>,
) -> (Ledger, Keeper, Receiver<Record>) {
    let (seen, records) = channel();
    let settings = Settings {
        budgets,
        replicas,
        journal,
        queue_records: 1024,
    };
    let observe = Box::new(move |happened: Seen<'_>| {
        if let Seen::Record(record) = happened {
            let _ = seen.send(record.clone());
        }
    });
    let (ledger, keeper) = start(settings, observe).unwrap();
    (ledger, keeper, records)
}

/// A record with this decision id and nothing noted.
pub(crate) fn record(decision: &str) -> Record {
    super::entry::blank(&request(decision), Duration::from_millis(1_750_000_000_000))
}
