//! The run: records taken in, put in the order of their time, and put to the policy one by one.

use super::latency::Latency;
use super::money::Money;
use super::origin::OwnChoice;
use super::promise::LocalAnswers;
use super::quality::Counter;
use super::recorded::{Gap, Recorded};
use super::report::{Changed, Report, Uncovered};
use super::residency::Found;
use super::way::{self, Way, Would};
use crate::calibration::Promise;
use crate::domain::{CacheScope, Signals};
use crate::ledger::{Record, Word};
use crate::policy::{Admission, Decision, Lot, Policy, RefusalCode, Refused, Standing, Step};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Decisions shown of each change.
const EXAMPLES: usize = 3;

/// A journal on its way through a policy. Takes every record, those outside the time asked for as well: they may hold the
/// first answer to a question of it, and what a budget had spent.
#[derive(Debug)]
pub struct Replay<'a> {
    policy: &'a Policy,
    /// Milliseconds since 1970.
    within: RangeInclusive<u64>,
    taken: Vec<Recorded>,
    by_decision: HashMap<Arc<str>, usize>,
    kept: HashSet<(Arc<str>, CacheScope)>,
    found: Found,
    money: Money,
    latency: Latency,
    quality: Counter,
    promise: Option<Promise>,
    local: LocalAnswers,
    decided_by: BTreeMap<String, u64>,
    callers_not_named: BTreeMap<String, u64>,
    gaps: BTreeMap<Gap, u64>,
    changes: BTreeMap<(Way, Would), (u64, Vec<String>)>,
    records: u64,
    replayed: u64,
    plans_changed: u64,
    not_judged: u64,
}

/// What the policy says of a record.
struct Verdict {
    would: Would,
    /// The same without a lot of this policy's.
    own: OwnChoice,
    decision: Option<Decision>,
    class: Option<Arc<str>>,
    refused: Option<Refused>,
}

impl<'a> Replay<'a> {
    /// A replay under this policy, and with what it promises of local answers, of the requests that came within this time
    /// (milliseconds since 1970).
    pub fn new(policy: &'a Policy, promise: Option<Promise>, within: RangeInclusive<u64>) -> Self {
        Self {
            policy,
            within,
            taken: Vec::new(),
            by_decision: HashMap::new(),
            kept: HashSet::new(),
            found: Found::default(),
            money: Money::default(),
            latency: Latency::default(),
            quality: Counter::default(),
            promise,
            local: LocalAnswers::default(),
            decided_by: BTreeMap::new(),
            callers_not_named: BTreeMap::new(),
            gaps: BTreeMap::new(),
            changes: BTreeMap::new(),
            records: 0,
            replayed: 0,
            plans_changed: 0,
            not_judged: 0,
        }
    }

    /// Takes the next record of the journal.
    pub fn take(&mut self, record: &Record) {
        let counts = self.within.contains(&record.started_at);
        if counts {
            self.records += 1;
            let policy = record.policy.as_ref().map_or("none", Word::as_str);
            match self.decided_by.get_mut(policy) {
                Some(records) => *records += 1,
                None => drop(self.decided_by.insert(policy.to_owned(), 1)),
            }
        }
        self.found.learn(record);
        match Recorded::of(record, self.policy) {
            Ok(recorded) => {
                self.latency.sample(&recorded.way, recorded.first_byte);
                self.money.sample(&recorded.way, recorded.usage);
                self.by_decision
                    .insert(recorded.decision.clone(), self.taken.len());
                self.taken.push(recorded);
            }
            Err(gap) if counts => {
                self.money.report.not_replayed_micro_usd += record.cost_micro_usd;
                self.missed(gap, !record.attempts.is_empty());
            }
            Err(_) => {}
        }
    }

    /// Puts all that was taken to the policy. `verdicts` says of a decision whether its answer was good, where somebody
    /// said; `progress` is told how many are done.
    pub fn finish(
        mut self,
        verdicts: &HashMap<String, bool>,
        mut progress: impl FnMut(usize),
    ) -> Report {
        let taken = std::mem::take(&mut self.taken);
        for (done, index) in self.in_order(&taken).into_iter().enumerate() {
            let verdict = verdicts.get(&*taken[index].decision).copied();
            self.put(&taken[index], &taken, verdict);
            progress(done + 1);
        }
        self.report()
    }

    /// By time; an answer given again comes after the one that was given first, whoever was asked first.
    fn in_order(&self, taken: &[Recorded]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..taken.len()).collect();
        order.sort_by_key(|index| {
            let own = taken[*index].started_at;
            let first = self.first(&taken[*index], taken);
            let time = first.map_or(own, |first| own.max(first.started_at));
            (time, first.is_some(), *index)
        });
        order
    }

    /// The request that this one's answer was first given to.
    fn first<'r>(&self, recorded: &Recorded, taken: &'r [Recorded]) -> Option<&'r Recorded> {
        let index = self.by_decision.get(recorded.answer_of.as_ref()?)?;
        Some(&taken[*index])
    }

    fn put(&mut self, recorded: &Recorded, taken: &[Recorded], good: Option<bool>) {
        let counts = self.within.contains(&recorded.started_at);
        let standing = Standing {
            budgets: self.money.standing(recorded, self.policy),
            ..recorded.standing.clone()
        };
        if let Ok(signals) = &recorded.signals
            && counts
        {
            self.found.judge(recorded, signals, self.policy);
        }
        match self.ask(recorded, taken, &standing) {
            Ok(verdict) => self.compare(recorded, &verdict, counts, good),
            Err(gap) if counts => {
                self.money.report.not_replayed_micro_usd += recorded.cost.0;
                let unjudged = recorded.signals.is_err() && !recorded.tried.is_empty();
                self.missed(gap, unjudged);
            }
            Err(_) => {}
        }
    }

    fn missed(&mut self, gap: Gap, unjudged: bool) {
        *self.gaps.entry(gap).or_default() += 1;
        self.not_judged += u64::from(unjudged);
    }

    /// What the policy says of a request.
    fn ask(
        &mut self,
        recorded: &Recorded,
        taken: &[Recorded],
        standing: &Standing,
    ) -> Result<Verdict, Gap> {
        let admission = match self.policy.admit_demand(&recorded.demand, standing) {
            Ok(admission) => admission,
            Err(refused) => return Ok(Verdict::refused(refused, None)),
        };
        let given_again = recorded.way == Way::Cache && recorded.plan.is_empty();
        if !given_again {
            let signals = recorded
                .signals
                .as_ref()
                .map_err(|gap| match (&recorded.way, gap) {
                    (Way::Refused(code), Gap::EndedEarly) if &**code != "gateway_deadline" => {
                        Gap::RefusedUnmeasured
                    }
                    _ => gap.clone(),
                })?;
            return Ok(self.decide(recorded, recorded, signals, &admission, standing));
        }
        let first = self.first(recorded, taken).ok_or(Gap::FirstAnswerMissing)?;
        let signals = first.signals.as_ref().map_err(Clone::clone)?;
        let is_kept =
            |scope: &CacheScope| self.kept.contains(&(first.decision.clone(), scope.clone()));
        if admission.read_cache.as_ref().is_some_and(is_kept) {
            let class = recorded.class.clone();
            return Ok(Verdict {
                class,
                ..Verdict::known(Way::Cache)
            });
        }
        Ok(self.decide(recorded, first, signals, &admission, standing))
    }

    /// Decides; `as_done` is the request whose record says what each model did with these very words.
    fn decide(
        &mut self,
        recorded: &Recorded,
        as_done: &Recorded,
        signals: &Signals,
        admission: &Admission,
        standing: &Standing,
    ) -> Verdict {
        let decided = self
            .policy
            .decide_demand(&recorded.demand, signals, standing);
        let decision = match decided {
            Ok(decision) => decision,
            Err(undecided) => {
                return Verdict::refused(undecided.refused, Some(undecided.class.name));
            }
        };
        let alike = admission.read_similar.is_some() && decision.may_match;
        let follow =
            |plan: &[&Step]| way::follow(as_done, plan, decision.otherwise.as_ref(), alike);
        let would = follow(&decision.plan.iter().collect::<Vec<_>>());
        let led_away = decision.lot.as_ref().is_some_and(Lot::leads_away);
        let own = if led_away {
            follow(&decision.own_plan())
        } else {
            would.clone()
        };
        let keeps = would.at_last().model().is_some_and(|model| {
            decision.may_keep
                && decision
                    .plan
                    .iter()
                    .any(|step| matches!(step, Step::Upstream(_)) && step.model() == model)
        });
        if let Some(scope) = admission.write_cache.clone().filter(|_| keeps) {
            self.kept.insert((as_done.decision.clone(), scope));
        }
        Verdict {
            own: OwnChoice::of(&decision, own),
            would,
            class: Some(decision.class.name.clone()),
            decision: Some(decision),
            refused: None,
        }
    }

    fn compare(
        &mut self,
        recorded: &Recorded,
        verdict: &Verdict,
        counts: bool,
        good: Option<bool>,
    ) {
        let would = &verdict.would;
        let bill = self.money.bill(recorded, would, self.policy);
        self.money
            .charge(recorded, self.policy, verdict.decision.as_ref(), bill);
        if !counts {
            return;
        }
        self.replayed += 1;
        self.money.note(recorded, bill);
        self.latency.note(&recorded.way, would, recorded.first_byte);
        self.note_quality(recorded, verdict, good.filter(|_| recorded.way.answers()));
        self.note_caller(recorded);
        if let Some(refused) = &verdict.refused
            && refused.code == RefusalCode::PolicyResidency
        {
            self.found.nobody(&refused.rule, recorded);
        }
        if !(would.is_known() && *would.at_last() == recorded.way) {
            let key = (recorded.way.clone(), would.clone());
            let (requests, examples) = self.changes.entry(key).or_default();
            *requests += 1;
            if examples.len() < EXAMPLES {
                examples.push(recorded.decision.to_string());
            }
        } else if verdict.differs_from(recorded) {
            self.plans_changed += 1;
        }
    }

    fn note_quality(&mut self, recorded: &Recorded, verdict: &Verdict, good: Option<bool>) {
        let own = &verdict.own;
        if recorded.way.answers() {
            self.quality.note_then(good);
        }
        if own.would.at_last().answers() {
            self.quality.note(own.origin(recorded), good);
        }
        self.local
            .note(recorded, verdict.decision.as_ref(), own, good);
    }

    fn note_caller(&mut self, recorded: &Recorded) {
        let callers = &self.policy.settings().callers;
        let name = &recorded.demand.caller.name;
        if !callers.is_empty() && !callers.iter().any(|caller| caller.name == *name) {
            *self.callers_not_named.entry(name.to_string()).or_default() += 1;
        }
    }

    fn report(self) -> Report {
        let (violations, no_lawful_endpoint) = self.found.report();
        let mut changes: Vec<Changed> = self
            .changes
            .into_iter()
            .map(|((from, to), (requests, examples))| Changed {
                from: from.to_string(),
                to: to.to_string(),
                requests,
                examples,
            })
            .collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.requests));
        let uncovered = |(reason, records)| Uncovered { reason, records };
        Report {
            policy: self.policy.settings().stamp.text.to_string(),
            decided_by: self.decided_by,
            records: self.records,
            replayed: self.replayed,
            not_replayed: self.gaps.into_iter().map(uncovered).collect(),
            callers_not_named: self.callers_not_named,
            routes_changed: changes.iter().map(|change| change.requests).sum(),
            plans_changed: self.plans_changed,
            changes,
            violations,
            no_lawful_endpoint,
            not_judged: self.not_judged,
            cost: self.money.report,
            latency: self.latency.report(),
            quality: self.quality.report(),
            promise: self.promise.map(|promise| self.local.report(promise)),
        }
    }
}

impl Verdict {
    fn known(way: Way) -> Self {
        Self {
            own: OwnChoice::without_plan(Would::Known(way.clone())),
            would: Would::Known(way),
            decision: None,
            class: None,
            refused: None,
        }
    }

    fn refused(refused: Refused, class: Option<Arc<str>>) -> Self {
        Self {
            class,
            refused: Some(refused.clone()),
            ..Self::known(Way::Refused(refused.code.as_str().into()))
        }
    }

    /// True when the plan or the class is another, though the way is the same.
    fn differs_from(&self, recorded: &Recorded) -> bool {
        let plan = self.decision.iter().flat_map(|decision| &decision.plan);
        let same_plan = plan.map(Step::model).eq(recorded.plan.iter());
        !same_plan || self.class != recorded.class
    }
}
