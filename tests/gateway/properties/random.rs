//! Policies, requests, signals and how things stand, made at random. Seeded, so a failure comes again.

mod money;

use super::TODAY;
use firstline::config;
use firstline::domain::{
    Agreement, Caller, Certainty, ChatRequest, DataClass, Day, DecisionId, Dialect, Endpoint,
    Finding, Findings, PersonalKind, Price, Probability, Reading, Region, Residency, Retention,
    Signals, Tier, Timeouts, Topic,
};
use firstline::policy::{
    Balance, Bar, ClassRule, Condition, Hedge, HumanRule, InFlight, LatencySeen, Model, Objective,
    Offer, OnViolation, Pool, PrivacyRule, Requirement, RouteLatency, RouteRule, Settings,
    Standing,
};
use money::TOPICS;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const REGIONS: [&str; 3] = ["eu", "us", "uk"];
/// Kinds of personal data that come up: few, so that rules and findings meet.
pub(super) const KINDS: usize = 6;
/// Classes of every policy.
pub(super) const CLASSES: u8 = 4;

/// What a file says that says nothing; the random parts are put in its place.
static BASE: LazyLock<Settings> = LazyLock::new(|| {
    let text = "version: 1\nname: random\nmodels: [{name: desk, tier: local, knowledge: []}]\n";
    let settings = config::parse(text, Path::new("random.yaml"), &|_| None);
    settings.unwrap().policy
});

/// All that one decision is made from.
#[derive(Clone)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) request: ChatRequest,
    pub(super) signals: Signals,
    pub(super) standing: Standing,
}

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn chance(&mut self, of_ten: u64) -> bool {
        self.below(10) < of_ten
    }

    fn sometimes<T>(&mut self, of_ten: u64, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(of_ten).then(|| make(self))
    }

    fn several<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|_| make(self)).collect()
    }

    /// A policy, a request of one of its callers, the request's signals, and how things stand.
    pub(super) fn world(&mut self) -> World {
        let settings = self.settings();
        World {
            request: self.request(&settings),
            signals: self.signals(),
            standing: self.standing(&settings),
            settings,
        }
    }

    fn request(&mut self, settings: &Settings) -> ChatRequest {
        let models = &settings.models;
        let model = match self.below(3) {
            0 => &*models[self.below(models.len() as u64) as usize].name,
            _ => "auto",
        };
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
        if let Some(most) = self.sometimes(4, |random| 1 + random.below(10_000)) {
            body["max_tokens"] = most.into();
        }
        if let Some(answers) = self.sometimes(1, |random| 1 + random.below(4)) {
            body["n"] = answers.into();
        }
        let callers = &settings.callers;
        let name = match callers.len() {
            0 => "anonymous".into(),
            count => callers[self.below(count as u64) as usize].name.clone(),
        };
        let (caller, decision) = (Caller { name }, DecisionId::new("property"));
        firstline::server::chat_request(body.to_string().into(), caller, decision).unwrap()
    }

    /// How all budgets stand, those of other callers too; and what was seen of the endpoints.
    fn standing(&mut self, settings: &Settings) -> Standing {
        let names = settings.models.iter().map(|model| model.name.clone());
        let seen = |endpoint| LatencySeen {
            endpoint,
            first_token: Duration::from_millis(self.below(8_000)),
            per_token: Duration::from_millis(self.below(30)),
            samples: self.below(20) as u32,
        };
        let latencies = names.clone().map(seen).collect();
        let busy = |endpoint| InFlight {
            endpoint,
            requests: self.below(9) as u32,
        };
        Standing {
            latencies,
            in_flight: names.map(busy).collect(),
            budgets: self.budgets(&settings.cost),
            elapsed: Duration::from_millis(self.below(2_000)),
            lot: self.sometimes(5, |random| random.below(1_000) as f64 / 1_000.0),
            today: TODAY,
            ..Standing::default()
        }
    }

    fn settings(&mut self) -> Settings {
        let mut settings = BASE.clone();
        let count = 1 + self.below(5);
        settings.models = (0..count).map(|number| self.model(number)).collect();
        settings.callers = self.callers(&settings.models);
        settings.cost = self.cost(&settings.callers);
        settings.quality.bar = Bar::Threshold(self.probability());
        settings.quality.explore = self.below(6) as f64 / 10.0;
        settings.latency.deadline_stated = self.chance(2);
        settings.deadline = Duration::from_secs(1 + self.below(30));
        if self.chance(2) {
            settings.quality.always_remote = BTreeSet::from(["legal".into()]);
        }
        if self.chance(2) {
            settings.quality.always_human = BTreeSet::from(["legal".into()]);
        }
        let webhook = self.sometimes(7, |random| Arc::new(random.webhook()));
        settings.human = self.sometimes(5, |_| HumanRule {
            answer: "A colleague takes over.".into(),
            conversation_to: webhook,
        });
        settings.routes = self.several(2, |random| random.route(count as usize));
        let privacy = &mut settings.privacy;
        privacy.classes = (0..CLASSES).map(class).collect();
        privacy.default_class = class(self.below(2) as u8);
        privacy.on_error = class(3);
        privacy.raises = self.several(4, Self::raise);
        privacy.rules = self.several(4, Self::rule);
        number(&mut privacy.rules);
        settings
    }

    fn model(&mut self, number: u64) -> Model {
        let name: Arc<str> = format!("model-{number}").into();
        let offer = match self.below(10) {
            0 | 1 => Offer::Desk,
            2 => Offer::Engine,
            _ => Offer::Endpoint(Arc::new(self.endpoint(name.clone()))),
        };
        // One of several endpoints of a model: they change places, and none goes where it may not.
        let is_endpoint = matches!(offer, Offer::Endpoint(_));
        let pool = self.sometimes(3, |random| Pool {
            name: "pool".into(),
            balance: match random.below(3) {
                0 => Balance::Weighted,
                1 => Balance::LeastBusy,
                _ => Balance::Fastest,
            },
            weight: 1.0 + random.below(9) as f64,
        });
        Model {
            aliases: vec![name.clone()],
            name,
            offer,
            fallback: (0..self.below(3)).map(|_| self.below(6) as usize).collect(),
            pool: pool.filter(|_| is_endpoint),
        }
    }

    fn endpoint(&mut self, name: Arc<str>) -> Endpoint {
        let tier = match self.chance(3) {
            true => Tier::Local,
            false => Tier::Remote,
        };
        Endpoint {
            name,
            tier,
            dialect: Dialect::OpenAi,
            also: std::collections::BTreeSet::new(),
            auth: firstline::domain::AuthHeader::Bearer,
            base_url: "https://model.example/v1".into(),
            upstream_model: "model".into(),
            cloud: None,
            credential: None,
            residency: self.residency(),
            price: self.price(tier),
            limits: self.token_limits(),
            timeouts: Timeouts::default(),
            parallel: None,
        }
    }

    /// Where people are told; that costs nothing.
    fn webhook(&mut self) -> Endpoint {
        Endpoint {
            price: Price::default(),
            ..self.endpoint("webhook".into())
        }
    }

    fn residency(&mut self) -> Residency {
        Residency {
            processing: self.sometimes(8, Self::regions),
            storage: self.sometimes(8, Self::region),
            jurisdiction: self.sometimes(8, Self::region),
            retention: self.sometimes(8, Self::retention),
            trains_on_data: self.sometimes(8, |random| random.chance(3)),
            agreements: self.agreements(),
            subprocessors: self.sometimes(8, Self::regions),
            valid_until: self.sometimes(2, |random| Day(random.below(2) as u32)),
        }
    }

    pub(super) fn rule(&mut self) -> PrivacyRule {
        let class = class(self.below(u64::from(CLASSES)) as u8);
        let on_violation = match self.below(4) {
            0 | 1 => OnViolation::Local,
            2 => OnViolation::Pseudonymise,
            _ => OnViolation::Refuse,
        };
        PrivacyRule {
            id: "".into(),
            class,
            require: self.requirement(),
            on_violation,
        }
    }

    fn requirement(&mut self) -> Requirement {
        Requirement {
            local: self.chance(1),
            processing_within: self.sometimes(4, Self::regions),
            storage_within: self.sometimes(2, Self::regions),
            jurisdiction_within: self.sometimes(2, Self::regions),
            retention_at_most: self.sometimes(2, Self::retention),
            trains_on_data: self.sometimes(2, |random| random.chance(2)),
            agreements: match self.chance(2) {
                true => self.agreements(),
                false => BTreeSet::new(),
            },
            subprocessors_within: self.sometimes(2, Self::regions),
        }
    }

    fn raise(&mut self) -> ClassRule {
        ClassRule {
            class: class(self.below(u64::from(CLASSES)) as u8),
            any: self.several(6, Self::kind).into_iter().collect(),
            at_least: self.certainty(),
        }
    }

    fn route(&mut self, models: usize) -> RouteRule {
        let mut when = Condition::default();
        if self.chance(5) {
            when.complexity_from = Some(self.probability());
        }
        let count = 1 + self.below(3);
        RouteRule {
            id: "routes[0]".into(),
            when,
            models: (0..count)
                .map(|_| self.below(models as u64) as usize)
                .collect(),
            latency: self.latency(models),
            human: self.chance(2),
        }
    }

    fn latency(&mut self, models: usize) -> RouteLatency {
        let objective = self.sometimes(3, |random| Objective {
            first_token: None,
            total: Some(Duration::from_secs(random.below(20))),
        });
        let hedge = self.sometimes(2, |random| {
            Some(Hedge {
                after: Duration::from_millis(random.below(1_000)),
                to: (0..models).collect(),
                at_most: None,
            })
        });
        RouteLatency { objective, hedge }
    }

    fn signals(&mut self) -> Signals {
        let findings = Findings(self.several(3, |random| {
            let kind = random.kind();
            random.finding(kind)
        }));
        let unreadable = self.chance(1);
        Signals {
            complexity: Some(Reading::measured(self.probability())),
            topic: self.sometimes(9, Self::topic),
            personal: Some(match unreadable {
                true => Reading::assumed(Findings::default()),
                false => Reading::measured(findings),
            }),
            ..Signals::default()
        }
    }

    /// A topic, or none of those there are, or that it could not be measured.
    fn topic(&mut self) -> Reading<Topic> {
        let label = self.sometimes(6, |random| random.one_of(&TOPICS));
        match self.chance(1) {
            true => Reading::assumed(Topic {
                label: None,
                confidence: 0.0,
            }),
            false => Reading::measured(Topic {
                label,
                confidence: 0.9,
            }),
        }
    }

    pub(super) fn finding(&mut self, kind: PersonalKind) -> Finding {
        Finding {
            kind,
            start: 0,
            end: 1,
            score: 1.0,
            certainty: self.certainty(),
            country: None,
        }
    }

    fn kind(&mut self) -> PersonalKind {
        PersonalKind::ALL[self.below(KINDS as u64) as usize]
    }

    fn certainty(&mut self) -> Certainty {
        match self.chance(5) {
            true => Certainty::Certain,
            false => Certainty::Probable,
        }
    }

    fn probability(&mut self) -> Probability {
        Probability::clamped(self.below(1001) as f32 / 1000.0)
    }

    fn region(&mut self) -> Region {
        Region::parse(REGIONS[self.below(3) as usize]).unwrap()
    }

    fn regions(&mut self) -> BTreeSet<Region> {
        let more = self.several(2, Self::region);
        more.into_iter().chain([self.region()]).collect()
    }

    fn retention(&mut self) -> Retention {
        Retention {
            days: [0, 0, 30][self.below(3) as usize],
        }
    }

    fn agreements(&mut self) -> BTreeSet<Agreement> {
        let one =
            |random: &mut Self| Agreement::parse(["dpa", "scc"][random.below(2) as usize]).unwrap();
        self.several(2, one).into_iter().collect()
    }
}

/// Gives each rule the id of its place, as `config` does.
pub(super) fn number(rules: &mut [PrivacyRule]) {
    for (index, rule) in rules.iter_mut().enumerate() {
        rule.id = format!("privacy.rules[{index}]").into();
    }
}

fn class(rank: u8) -> DataClass {
    let names = ["public", "internal", "personal", "restricted"];
    DataClass {
        rank,
        name: names[usize::from(rank)].into(),
    }
}
