//! What if: a journal through its own policy changes nothing; through another it shows what was planted, and no more.

mod time;

use crate::isolation::digest;
use crate::support::{
    Act, Gateway, Reply, Seeded, StandIn, ask, completion, events, new_folder, repository, run,
};
use firstline::domain::{
    BodyLayout, Caller as Asker, Certainty, ChatRequest, DecisionId, Finding, Findings, Needs,
    PersonalKind, Probability, Reading, RequestId, Shape, Signals, Tightening, Topic, Usage, Usd,
    Wanted,
};
use firstline::ledger::{self, Asked, Outcome, Record, Route};
use firstline::policy::Standing;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const IBAN: &str = "DE89 3704 0044 0532 0130 00";
const MAIL: &str = "anna.schmidt@posteo.de";

/// The far ends: one on this machine, one in the EU, one in the US.
struct World {
    own: StandIn,
    european: StandIn,
    american: StandIn,
}

impl World {
    async fn new() -> Self {
        let answering = || StandIn::always(Act::Answer(200, "", completion("an answer")));
        Self {
            own: answering().await,
            european: answering().await,
            american: answering().await,
        }
    }

    /// The models and kinds of `policies/eu-residency.yaml` and an American one, with rules that let everything leave.
    fn lax(&self) -> String {
        let knowledge = repository("demo/knowledge/shop.yaml");
        format!(
            r#"models:
  - {{name: desk, tier: local, knowledge: ["{knowledge}"]}}
  - {{name: own, tier: local, upstream: {{base_url: "{own}", model: m}}, residency: {{processing: [eu]}}}}
  - {{name: european, tier: remote, upstream: {{base_url: "{european}", model: m}}, residency: {{processing: [eu]}}, price: {{input_per_mtok: 2.50, output_per_mtok: 10.00}}}}
  - {{name: american, tier: remote, upstream: {{base_url: "{american}", model: m}}, residency: {{processing: [us]}}, price: {{input_per_mtok: 1.00, output_per_mtok: 4.00}}}}
callers:
  - {{name: shop, key_sha256: "{shop}", models: [auto], budget: {{usd: 0.01, per: day}}}}
  - {{name: wiki, key_sha256: "{wiki}"}}
privacy:
  default_class: public
  on_error: restricted
  raise:
    - {{class: restricted, any: [card, iban, bank_account, national_id, tax_id, passport, health_id, secret]}}
    - {{class: personal, any: [email, phone, name, address, date_of_birth, ip]}}
  rules:
    - {{class: restricted, require: {{processing: {{within: [eu, us]}}}}, on_violation: refuse}}
    - {{class: personal, require: {{processing: {{within: [eu, us]}}}}, on_violation: refuse}}
routes:
  - {{name: far, when: {{caller: [wiki]}}, use: [european, american]}}
  - {{name: tools, when: {{tools: true}}, use: [european]}}
cost:
  max_usd_per_request: 0.05
  budgets: [{{name: total, usd: 1, per: month, near: {{at: 0.001, threshold: 0.9}}}}]
cache: {{exact: {{}}}}
upstream: {{breaker: {{failures: 1000}}}}
"#,
            knowledge = knowledge.display(),
            own = self.own.base_url(),
            european = self.european.base_url(),
            american = self.american.base_url(),
            shop = digest("shop-key"),
            wiki = digest("wiki-key"),
        )
    }
}

/// One caller of a gateway.
struct Caller<'a>(&'a Gateway, &'static str);

impl Caller<'_> {
    async fn send(&self, headers: &[(&str, &str)], body: &Value) -> Reply {
        let key = format!("Bearer {}", self.1);
        let mut all = vec![("authorization", &*key)];
        all.extend(headers);
        ask(self.0, &all, body.to_string()).await
    }

    /// Asks a model, and gives the decision's id.
    async fn asks(&self, model: &str, text: &str) -> String {
        let reply = self.send(&[], &body(model, text, &json!({}))).await;
        reply.header("x-firstline-decision-id").to_owned()
    }
}

fn body(model: &str, text: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
    for (key, value) in more.as_object().unwrap() {
        body[key.as_str()] = value.clone();
    }
    body
}

/// Requests that go every way there is.
async fn traffic(world: &World, gateway: &Gateway) {
    let (shop, wiki) = (Caller(gateway, "shop-key"), Caller(gateway, "wiki-key"));
    shop.asks("auto", "What are your opening hours?").await;
    for _ in 0..2 {
        shop.asks(
            "auto",
            "Write a sonnet about the grey sea at dawn and explain its metre",
        )
        .await;
        shop.asks("auto", &format!("Where is my parcel? I am {MAIL}"))
            .await;
        wiki.asks("auto", "How deep is the sea?").await;
    }
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f"}}]});
    shop.send(&[], &body("auto", "use it", &tools)).await;
    wiki.asks("no-such-model", "hello").await;
    shop.asks("american", "not mine to ask").await;
    wiki.asks("american", "how high is the sky?").await;
    let hello = |more| body("european", "hello there", &more);
    for headers in [
        [("x-firstline-data-class", "no-such-class")],
        [("x-firstline-data-class", "personal")],
        [("x-firstline-cache", "off")],
        [("x-firstline-cache", "read")],
        [("x-firstline-max-latency-ms", "30000")],
    ] {
        wiki.send(&headers, &hello(json!({}))).await;
    }
    wiki.send(&[], &hello(json!({"max_tokens": 100_000}))).await;
    wiki.send(
        &[],
        &hello(json!({"n": 2, "response_format": {"type": "json_object"}})),
    )
    .await;
    failures(world, &wiki).await;
    // Many at once, against a budget that holds a few of them.
    let dear = json!({"max_tokens": 300});
    let dear: Vec<Value> = (0..12)
        .map(|number| {
            body(
                "auto",
                &format!("use number {number}"),
                &json!({"tools": tools["tools"], "max_tokens": dear["max_tokens"]}),
            )
        })
        .collect();
    futures_util::future::join_all(dear.iter().map(|body| shop.send(&[], body))).await;
}

/// Endpoints that fail, break off, and refuse the request itself.
async fn failures(world: &World, wiki: &Caller<'_>) {
    let error = |status| {
        Act::Answer(
            status,
            "",
            json!({"error": {"message": "no", "code": "no"}}).to_string(),
        )
    };
    world.european.now(error(500));
    wiki.asks("auto", "and the lake?").await;
    world.american.now(error(500));
    wiki.asks("auto", "and the pond?").await;
    world.european.now(error(400));
    wiki.asks("auto", "and the well?").await;
    let pieces = events(&["one", "two"], true);
    world
        .european
        .now(Act::StreamAndCut(pieces[..2].to_vec(), Duration::ZERO));
    wiki.send(
        &[],
        &body("european", "stream it", &json!({"stream": true})),
    )
    .await;
    for end in [&world.european, &world.american] {
        end.now(Act::Answer(200, "", completion("an answer")));
    }
}

/// What `replay` says of a journal under a policy.
pub(crate) fn replayed(folder: &Path, policy: &Path, more: &[&str]) -> Value {
    let policy = policy.display().to_string();
    let mut arguments = vec!["replay", "--policy", &*policy, "journal", "--json"];
    arguments.extend(more);
    let ran = run(folder, &arguments).ended(0);
    serde_json::from_str(&ran.out).unwrap()
}

#[tokio::test]
async fn a_journal_under_its_own_policy_changes_nothing() {
    let world = World::new().await;
    let gateway = Gateway::start_in(new_folder(), &world.lax(), |_| {});
    traffic(&world, &gateway).await;
    let folder = gateway.folder.clone();
    let records = gateway.stop();
    goes_every_way(&records);
    let report = replayed(&folder, &folder.join("firstline.yaml"), &[]);
    assert_eq!(report["records"], records.len(), "{report:#}");
    assert_eq!(report["replayed"], records.len(), "{report:#}");
    for nothing in ["routes_changed", "plans_changed", "not_judged"] {
        assert_eq!(report[nothing], 0, "{report:#}");
    }
    assert_eq!(report["violations"], json!([]));
    let cost = &report["cost"];
    let spent: u64 = records.iter().map(|record| record.cost_micro_usd).sum();
    for kind in [
        "before_micro_usd",
        "after_from_micro_usd",
        "after_to_micro_usd",
    ] {
        assert_eq!(cost[kind], spent, "{report:#}");
    }
    assert_eq!(report["latency"]["before"], report["latency"]["after"]);
    let text = std::fs::read_to_string(folder.join("firstline.yaml")).unwrap();
    changes_are_seen(&folder, &text);
}

/// The same journal under a policy that differs in one thing: the test above can fail.
fn changes_are_seen(folder: &Path, text: &str) {
    let without = text.replace("cache: {exact: {}}", "cache: {}");
    std::fs::write(folder.join("without.yaml"), without).unwrap();
    let report = replayed(folder, &folder.join("without.yaml"), &[]);
    let from_cache = |change: &&Value| change["from"] == "cache";
    let changes = report["changes"].as_array().unwrap();
    assert!(
        changes.iter().any(|change| from_cache(&change)),
        "{report:#}"
    );
    let poor = text.replace("usd: 1, per: month", "usd: 0.0001, per: month");
    std::fs::write(folder.join("poor.yaml"), poor).unwrap();
    let report = replayed(folder, &folder.join("poor.yaml"), &[]);
    let refused = |change: &Value| change["to"] == "refused policy_budget_exceeded";
    let changes = report["changes"].as_array().unwrap();
    assert!(changes.iter().any(refused), "{report:#}");
    assert!(
        report["cost"]["after_to_micro_usd"].as_u64() < report["cost"]["before_micro_usd"].as_u64()
    );
}

fn goes_every_way(records: &[Record]) {
    let routes: BTreeSet<&str> = records
        .iter()
        .filter_map(|record| Some(record.route?.as_str()))
        .collect();
    assert_eq!(routes, ["cache", "local", "refused", "remote"].into());
    let codes: BTreeSet<&str> = records
        .iter()
        .filter_map(|record| record.error.as_deref())
        .collect();
    for code in [
        "caller_model_not_found",
        "caller_model_not_allowed",
        "caller_data_class_unknown",
        "policy_cost_cap",
        "policy_budget_exceeded",
        "upstream_broken_off",
    ] {
        assert!(codes.contains(code), "{code} is not among {codes:?}");
    }
    assert!(records.iter().any(|record| record.escalation.is_some()));
    assert!(
        records
            .iter()
            .any(|record| record.attempts.len() > 1 && record.route == Some(Route::Remote))
    );
    assert!(
        records
            .iter()
            .any(|record| record.outcome == Outcome::BrokenOff)
    );
}

#[tokio::test]
async fn under_eu_residency_exactly_the_planted_violations_are_found() {
    let world = World::new().await;
    let gateway = Gateway::start_in(new_folder(), &world.lax(), |_| {});
    let wiki = Caller(&gateway, "wiki-key");
    let mut planted = BTreeSet::new();
    for number in 0..3 {
        // Account numbers stay on this machine, and an endpoint that the policy does not name promises nothing.
        planted.insert((
            wiki.asks("european", &format!("{number}: pay from {IBAN}"))
                .await,
            "european".to_owned(),
        ));
        planted.insert((
            wiki.asks("american", &format!("{number}: write to {MAIL}"))
                .await,
            "american".to_owned(),
        ));
        // What may go where it went.
        wiki.asks("american", &format!("{number}: how deep is it?"))
            .await;
        wiki.asks("european", &format!("{number}: I am {MAIL}"))
            .await;
        wiki.asks("own", &format!("{number}: my account is {IBAN}"))
            .await;
    }
    // The first choice fails: the second had the prompt as well.
    let no = json!({"error": {"message": "no", "code": "no"}}).to_string();
    world.european.now(Act::Answer(500, "", no));
    planted.insert((
        wiki.asks("auto", &format!("again: {MAIL}")).await,
        "american".to_owned(),
    ));
    wiki.asks("auto", "again: how deep is it?").await;
    let folder = gateway.folder.clone();
    let records = gateway.stop();
    let report = replayed(&folder, &repository("policies/eu-residency.yaml"), &[]);
    assert_eq!(report["not_judged"], 0, "{report:#}");
    let found: BTreeSet<(String, String)> = report["violations"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| {
            let endpoint = one["endpoint"].as_str().unwrap().to_owned();
            let decisions = one["decisions"].as_array().unwrap().iter();
            decisions.map(move |id| (id.as_str().unwrap().to_owned(), endpoint.clone()))
        })
        .collect();
    assert_eq!(found, planted, "{report:#}");
    assert_eq!(report["records"], records.len());
    let text = run(
        &folder,
        &[
            "replay",
            "--policy",
            &repository("policies/eu-residency.yaml")
                .display()
                .to_string(),
            "journal",
        ],
    )
    .ended(0)
    .out;
    assert!(text.contains("7 went where this policy forbids"), "{text}");
    let never = replayed(
        &folder,
        &repository("policies/eu-residency.yaml"),
        &["--to", "2020-01-01"],
    );
    assert_eq!(
        (&never["records"], &never["violations"]),
        (&json!(0), &json!([]))
    );
    let lost = run(
        &folder,
        &["replay", "--policy", "firstline.yaml", "nowhere"],
    )
    .ended(1);
    lost.says(&["nowhere"]);
}

/// The verdict on each answer: those of the American endpoint are good, the others are not.
fn judge(folder: &Path, records: &[Record]) -> String {
    let line = |record: &Record| {
        let good = record.endpoint.as_deref() == Some("american");
        let verdict = if good { "good" } else { "bad" };
        json!({"decision_id": record.decision.as_str(), "verdict": verdict}).to_string()
    };
    let lines: Vec<String> = records.iter().map(line).collect();
    let file = folder.join("outcomes.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    file.display().to_string()
}

/// Answers to the same kind of question, by lot from three endpoints.
async fn by_lot(world: &World) -> (Vec<Record>, PathBuf) {
    let text = world
        .lax()
        .replace(", near: {at: 0.001, threshold: 0.9}", "");
    let text = text.replace(", budget: {usd: 0.01, per: day}", "");
    let text = text + "quality: {threshold: 1, explore: 0.5}\n";
    let gateway = Gateway::start_in(new_folder(), &text, |_| {});
    let shop = Caller(&gateway, "shop-key");
    for number in 0..60 {
        shop.asks(
            "auto",
            &format!("Write sonnet number {number} about the grey sea"),
        )
        .await;
    }
    let folder = gateway.folder.clone();
    (gateway.stop(), folder)
}

#[tokio::test]
async fn lots_are_recorded_and_tell_how_good_another_endpoint_would_have_been() {
    let world = World::new().await;
    let (records, folder) = by_lot(&world).await;
    let mut sent = 0;
    for record in &records {
        let lot = record.lot.as_ref().unwrap();
        assert_eq!(
            (&*lot.own, Some(&lot.drawn)),
            ("own", record.endpoint.as_ref())
        );
        let led_away = ledger::lot(&record.decision) < 0.5;
        assert_eq!(
            (lot.drawn != lot.own, lot.propensity),
            (led_away, if led_away { 0.25 } else { 0.5 })
        );
        sent += u64::from(&*lot.drawn == "american");
    }
    // Of 60, none at one of them, or nearly none, is a matter of one in millions.
    assert!((1..40).contains(&sent), "{sent}");
    let same = replayed(&folder, &folder.join("firstline.yaml"), &[]);
    assert_eq!(
        (&same["routes_changed"], &same["plans_changed"]),
        (&json!(0), &json!(0)),
        "{same:#}"
    );
    let outcomes = judge(&folder, &records);
    let text = std::fs::read_to_string(folder.join("firstline.yaml")).unwrap();
    let by_caller = "{name: far, when: {caller: [wiki]}, use: [european, american]}";
    let all_american = text.replace(by_caller, "{name: far, use: [american]}");
    let all_american = all_american.replace(", explore: 0.5", "");
    std::fs::write(folder.join("american.yaml"), &all_american).unwrap();
    let moved = replayed(
        &folder,
        &folder.join("american.yaml"),
        &["--outcomes", &outcomes],
    );
    assert_eq!(moved["routes_changed"], 60 - sent, "{moved:#}");
    let quality = &moved["quality"];
    assert_eq!(
        (
            &quality["kept"],
            &quality["explorable"],
            &quality["explored"]
        ),
        (&json!(0), &json!(60), &json!(sent)),
        "{moved:#}"
    );
    // All of its answers were good, and of all answers there were only those.
    assert_eq!(quality["explored_judged"]["estimate"], 1.0);
    assert!(
        quality["before"]["estimate"].as_f64().unwrap() < 0.7,
        "{moved:#}"
    );
    assert!(
        quality["estimate"]["from"].as_f64().unwrap() > 0.2,
        "{moved:#}"
    );
    nothing_is_claimed_without_a_lot(&folder, &all_american, &outcomes);
}

/// The same traffic to an endpoint that no lot reached.
fn nothing_is_claimed_without_a_lot(folder: &Path, all_american: &str, outcomes: &str) {
    let elsewhere = all_american.replace("american", "antarctic");
    std::fs::write(folder.join("antarctic.yaml"), elsewhere).unwrap();
    let found = replayed(
        folder,
        &folder.join("antarctic.yaml"),
        &["--outcomes", outcomes],
    );
    assert_eq!(found["quality"]["estimate"], Value::Null, "{found:#}");
    let arguments = [
        "replay",
        "--policy",
        "antarctic.yaml",
        "--outcomes",
        outcomes,
        "journal",
    ];
    let said = run(folder, &arguments).ended(0).out;
    assert!(said.contains("60 come from elsewhere, and nothing is known of them: no lot could have sent them there"), "{said}");
}

fn busy(number: u32) -> ChatRequest {
    let decision = DecisionId::new(format!("0197a5d2-7b3c-7000-8000-{number:012}"));
    ChatRequest {
        id: RequestId::of(&decision),
        decision,
        caller: Asker {
            name: "shop".into(),
        },
        model: "auto".into(),
        messages: Vec::new(),
        stream: false,
        include_usage: false,
        max_output_tokens: Some(300),
        needs: Needs::default(),
        wishes: None,
        tightening: Tightening::default(),
        body: vec![b' '; 3_000].into(),
        layout: BodyLayout::default(),
        surface: firstline::domain::Surface::default(),
        traceparent: None,
    }
}

fn read(seeded: &mut Seeded) -> Signals {
    let mut share = || Probability::clamped(seeded.below(1_000) as f32 / 1_000.0);
    let (complexity, attack) = (share(), share());
    let kinds = [PersonalKind::Iban, PersonalKind::Email, PersonalKind::Phone];
    let found = kinds.into_iter().filter(|_| seeded.below(3) == 0);
    let found = found.map(|kind| Finding {
        kind,
        start: 0,
        end: 1,
        score: 1.0,
        certainty: Certainty::Certain,
        country: None,
    });
    Signals {
        personal: Some(Reading::measured(Findings(found.collect()))),
        complexity: Some(Reading::measured(complexity)),
        attack: Some(Reading::measured(attack)),
        topic: Some(Reading::measured(Topic {
            label: Some("billing".into()),
            confidence: 0.7,
        })),
        language: Some(Reading::measured(Some("eng"))),
        shape: Shape {
            tokens: 800,
            ..Shape::default()
        },
        embedding: None,
        ..Signals::default()
    }
}

/// Records of a busy day, through the ledger's own front door.
fn write_journal(folder: &Path, count: u32) {
    let settings = ledger::Settings {
        replicas: None,
        budgets: Vec::new(),
        journal: Some(ledger::JournalSettings::new(folder.join("journal"))),
        queue_records: 1024,
    };
    let (ledger, keeper) = ledger::start(settings, Box::new(|_| {})).unwrap();
    let mut seeded = Seeded(7);
    for number in 0..count {
        if number % 512 == 0 {
            keeper.flush();
        }
        let (request, signals) = (busy(number), read(&mut seeded));
        let mut entry = ledger.open(&request, Instant::now());
        entry.note_policy("busy@0123456789ab");
        let (demand, standing) = (request.demand(), Standing::default());
        entry.note_asked(Asked::of(&demand, &standing, &[], |_| true));
        entry.note_signals(&signals);
        entry.note_measured(Wanted::ALL, "all");
        entry.note_plan("auto", ["desk".into(), "european".into()]);
        entry.note_considered(
            "own",
            false,
            "quality.threshold: complexity 0.82 is over 0.60",
        );
        let took = Duration::from_millis(u64::from(number % 700));
        entry.note_attempt("european", "ok", Instant::now(), took);
        entry.note_answer(Route::Remote, "european");
        entry.note_usage(&Usage {
            input: 800,
            output: 200,
            ..Usage::default()
        });
        entry.note_cost(Usd(4_000), Usd(4_000));
        entry.close(Outcome::Served);
    }
    assert_eq!(keeper.finish(), 0);
}

#[test]
#[ignore = "a measurement: cargo test --release --test gateway -- --ignored --nocapture replay::a_hundred_thousand"]
fn a_hundred_thousand_records_are_replayed_in_ten_seconds() {
    let folder = new_folder();
    write_journal(&folder, 100_000);
    let bytes: u64 = std::fs::read_dir(folder.join("journal"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    let began = Instant::now();
    let report = replayed(&folder, &repository("policies/eu-residency.yaml"), &[]);
    let took = began.elapsed();
    println!(
        "{} records of {} bytes each: {took:?}",
        report["records"],
        bytes / 100_000
    );
    assert_eq!(report["records"], 100_000);
    assert!(took < Duration::from_secs(10), "{took:?}");
}
