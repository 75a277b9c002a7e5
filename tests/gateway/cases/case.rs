//! One case as written: `key: value` lines, `---`, and what must come of it.

use firstline::domain::{
    ChatRequest, Findings, PersonalKind, Probability, Reading, Sentiment, Shape, Signals,
    Tightening, Topic, Usd,
};
use firstline::policy::{BudgetStanding, LatencySeen, Policy, Settings, Standing};
use firstline::privacy::{Detector, Unreadable};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

/// A case, read.
pub(super) struct Case {
    pub(super) policy: String,
    pub(super) caller: Option<String>,
    pub(super) tightening: Tightening,
    pub(super) expected: Outcome,
    model: String,
    message: String,
    extras: Vec<(String, Value)>,
    signals: Written,
    spent: Vec<(String, Usd)>,
    seen: Vec<LatencySeen>,
    records_ok: bool,
    lot: Option<f64>,
}

/// What came of a case, or what must come of it. Of what must, `None` says nothing.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) class: Option<String>,
    pub(super) plan: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) kept: Option<bool>,
    pub(super) refused: Option<String>,
    /// `MODEL REASON` each; of what must come, a beginning of the reason is enough.
    pub(super) rejected: Vec<String>,
}

/// The signals as a case writes them: those of a calm request, except where it says otherwise.
struct Written {
    complexity: Reading<Probability>,
    topic: Reading<Topic>,
    attack: Reading<Probability>,
    language: Option<&'static str>,
    tokens: Option<u64>,
    wants_human: bool,
    repeats: bool,
    sentiment: Sentiment,
    unreadable: bool,
}

impl Case {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (given, expected) = text
            .split_once("\n---\n")
            .ok_or("there is no line `---` between what is given and what is expected")?;
        let mut case = Self::blank();
        for (key, value) in lines(given)? {
            case.take(key, value)
                .map_err(|why| format!("{key}: {value}: {why}"))?;
        }
        case.expected = Outcome::parse(expected)?;
        if case.policy.is_empty() {
            return Err("there is no `policy:`".into());
        }
        Ok(case)
    }

    /// The request as a client would send it.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "model": self.model,
            "messages": [{"role": "user", "content": self.message}],
        });
        for (key, value) in &self.extras {
            body[key] = value.clone();
        }
        body
    }

    /// The written signals, where the policy looks at them, and the personal data that is really found.
    pub(super) fn signals(&self, policy: &Policy, request: &ChatRequest) -> Signals {
        let (wanted, written) = (policy.wanted(), &self.signals);
        let personal = || match find(policy, request) {
            Ok(found) if !written.unreadable => Reading::measured(found),
            Ok(_) | Err(_) => Reading::assumed(Findings::default()),
        };
        Signals {
            complexity: wanted.complexity.then(|| written.complexity.clone()),
            topic: wanted.topic.then(|| written.topic.clone()),
            attack: wanted.attack.then(|| written.attack.clone()),
            personal: wanted.personal.then(personal),
            language: wanted.language.then(|| Reading::measured(written.language)),
            shape: Shape {
                tokens: written.tokens.unwrap_or(request.estimated_input_tokens()),
                messages: 1,
                wants_human: written.wants_human,
                repeats: written.repeats,
                sentiment: written.sentiment,
                ..Shape::default()
            },
            embedding: None,
        }
    }

    /// Every budget of the policy, spent as far as the case says.
    pub(super) fn standing(&self, settings: &Settings) -> Result<Standing, String> {
        let budgets = &settings.cost.budgets;
        for (name, _) in &self.spent {
            if !budgets.iter().any(|budget| *budget.name == **name) {
                return Err(format!("spent: the policy has no budget `{name}`"));
            }
        }
        let standing = |budget: &firstline::policy::BudgetRule| {
            let spent = self.spent.iter().find(|(name, _)| **name == *budget.name);
            BudgetStanding {
                name: budget.name.clone(),
                limit: budget.limit,
                used: spent.map_or(Usd::ZERO, |(_, used)| *used),
            }
        };
        Ok(Standing {
            budgets: budgets.iter().map(standing).collect(),
            latencies: self.seen.clone().into(),
            records_ok: self.records_ok,
            lot: self.lot,
        })
    }

    fn blank() -> Self {
        Self {
            policy: String::new(),
            caller: None,
            tightening: Tightening::default(),
            expected: Outcome::default(),
            model: "auto".into(),
            message: "hello".into(),
            extras: Vec::new(),
            signals: Written::calm(),
            spent: Vec::new(),
            seen: Vec::new(),
            records_ok: true,
            lot: None,
        }
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "policy" => self.policy = value.into(),
            "message" => self.message = value.into(),
            "model" => self.model = value.into(),
            "caller" => self.caller = Some(value.into()),
            "signals" => self.signals.take(value)?,
            "at least" => self.tightening.data_class = Some(value.into()),
            "within ms" => {
                self.tightening.max_latency = Some(Duration::from_millis(number(value)?))
            }
            "asks for" => self.ask_for(value)?,
            "max tokens" => {
                let most: u64 = number(value)?;
                self.extras.push(("max_tokens".into(), json!(most)));
            }
            "spent" => self.spent.push(amount(value)?),
            "seen" => self.seen.push(latency(value)?),
            "lot" => self.lot = Some(number(value)?),
            "records" if value == "failing" => self.records_ok = false,
            _ => return Err("there is no such line".into()),
        }
        Ok(())
    }

    fn ask_for(&mut self, what: &str) -> Result<(), String> {
        let (key, value) = match what {
            "tools" => (
                "tools",
                json!([{"type": "function", "function": {"name": "look_up", "parameters": {}}}]),
            ),
            "images" => {
                let image =
                    json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}});
                let text = json!({"type": "text", "text": self.message});
                (
                    "messages",
                    json!([{"role": "user", "content": [text, image]}]),
                )
            }
            "json" => ("response_format", json!({"type": "json_object"})),
            _ => return Err("one can ask for tools, images or json".into()),
        };
        self.extras.push((key.into(), value));
        Ok(())
    }
}

impl Written {
    fn calm() -> Self {
        Self {
            complexity: Reading::measured(Probability::clamped(0.1)),
            topic: Reading::measured(topic(None)),
            attack: Reading::measured(Probability::clamped(0.01)),
            language: Some("eng"),
            tokens: None,
            wants_human: false,
            repeats: false,
            sentiment: Sentiment::Neutral,
            unreadable: false,
        }
    }

    /// `complexity 0.9, topic refund, attack assumed, …`
    fn take(&mut self, text: &str) -> Result<(), String> {
        for signal in text.split(',').map(str::trim) {
            let (name, value) = signal.split_once(' ').unwrap_or((signal, ""));
            match (name, value) {
                ("complexity", value) => self.complexity = probability(value)?,
                ("attack", value) => self.attack = probability(value)?,
                ("topic", "assumed") => self.topic = Reading::assumed(topic(None)),
                ("topic", "none") => self.topic = Reading::measured(topic(None)),
                ("topic", label) => self.topic = Reading::measured(topic(Some(label))),
                ("language", "eng") => self.language = Some("eng"),
                ("language", "deu") => self.language = Some("deu"),
                ("language", "unknown") => self.language = None,
                ("tokens", value) => self.tokens = Some(number(value)?),
                ("wants", "human") => self.wants_human = true,
                ("asks", "again") => self.repeats = true,
                ("sentiment", "negative") => self.sentiment = Sentiment::Negative,
                ("sentiment", "positive") => self.sentiment = Sentiment::Positive,
                ("personal", "assumed") => self.unreadable = true,
                _ => return Err(format!("there is no signal `{signal}`")),
            }
        }
        Ok(())
    }
}

impl Outcome {
    fn parse(text: &str) -> Result<Self, String> {
        let mut outcome = Self::default();
        for (key, value) in lines(text)? {
            match key {
                "class" => outcome.class = Some(value.into()),
                "plan" => outcome.plan = Some(value.into()),
                "rule" => outcome.rule = Some(value.into()),
                "kept" => outcome.kept = Some(value == "yes"),
                "refused" => outcome.refused = Some(value.into()),
                "rejected" => outcome.rejected.push(value.into()),
                _ => return Err(format!("{key}: nothing of that name can be expected")),
            }
        }
        if outcome.plan.is_some() == outcome.refused.is_some() {
            return Err("a case expects either `plan:` or `refused:`".into());
        }
        Ok(outcome)
    }

    /// Whether the actual outcome is what this one says; if not, both.
    pub(super) fn compare(&self, actual: &Self) -> Result<(), String> {
        let says = |expected: &Option<String>, actual: &Option<String>| {
            expected.is_none() || expected == actual
        };
        let same = says(&self.class, &actual.class)
            && self.plan == actual.plan
            && says(&self.rule, &actual.rule)
            && self.refused == actual.refused
            && (self.kept.is_none() || self.kept == actual.kept)
            && self.rejected.len() == actual.rejected.len()
            && self
                .rejected
                .iter()
                .zip(&actual.rejected)
                .all(|(expected, actual)| actual.starts_with(expected));
        if same {
            return Ok(());
        }
        Err(format!(
            "{}{}",
            self.tell("expected"),
            actual.tell("actual")
        ))
    }

    fn tell(&self, side: &str) -> String {
        let mut text = String::new();
        let mut say = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                writeln!(text, "  {side:<9} {key}: {value}").unwrap();
            }
        };
        let kept = self.kept.map(|kept| if kept { "yes" } else { "no" });
        say("class", self.class.as_deref());
        say("rule", self.rule.as_deref());
        say("plan", self.plan.as_deref());
        say("kept", kept);
        say("refused", self.refused.as_deref());
        for rejected in &self.rejected {
            say("rejected", Some(rejected));
        }
        text
    }
}

/// Building a detector takes longer than all else in a case, and most policies look for every kind.
static OF_EVERY_KIND: LazyLock<Detector> =
    LazyLock::new(|| Detector::new(&PersonalKind::ALL.into()));

fn find(policy: &Policy, request: &ChatRequest) -> Result<Findings, Unreadable> {
    let wanted = &policy.settings().privacy.detectors;
    if *wanted == PersonalKind::ALL.into() {
        return OF_EVERY_KIND.find_in_request(&request.body);
    }
    Detector::new(wanted).find_in_request(&request.body)
}

/// `key: value`, without blank lines and lines that begin with `#`.
fn lines(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let written = text.lines().map(str::trim);
    let written = written.filter(|line| !line.is_empty() && !line.starts_with('#'));
    written
        .map(|line| {
            let pair = line.split_once(": ");
            pair.map(|(key, value)| (key, value.trim()))
                .ok_or_else(|| format!("`{line}` is not `key: value`"))
        })
        .collect()
}

fn probability(text: &str) -> Result<Reading<Probability>, String> {
    if text == "assumed" {
        return Ok(Reading::assumed(Probability::clamped(1.0)));
    }
    Ok(Reading::measured(Probability::clamped(number(text)?)))
}

fn topic(label: Option<&str>) -> Topic {
    Topic {
        label: label.map(Into::into),
        confidence: 0.9,
    }
}

/// `total 200`: dollars spent of a budget.
fn amount(text: &str) -> Result<(String, Usd), String> {
    let (name, dollars) = text.rsplit_once(' ').ok_or("write `BUDGET DOLLARS`")?;
    let spent = Usd::from_dollars(number(dollars)?).ok_or("this is no amount")?;
    Ok((name.into(), spent))
}

/// `gpt 900 10 20`: first token and each token in milliseconds, and how many answers that rests on.
fn latency(text: &str) -> Result<LatencySeen, String> {
    let [endpoint, first, each, samples] = text.split(' ').collect::<Vec<_>>()[..] else {
        return Err("write `MODEL FIRST_TOKEN_MS PER_TOKEN_MS ANSWERS`".into());
    };
    Ok(LatencySeen {
        endpoint: endpoint.into(),
        first_token: Duration::from_millis(number(first)?),
        per_token: Duration::from_millis(number(each)?),
        samples: number(samples)?,
    })
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}
