//! One case as written: `key: value` lines, `---`, and what must come of it.

use super::outcome::Expected;
use super::signals::Written;
use super::{Failed, number};
use crate::domain::{Day, Tier, Tightening, Usd};
use crate::policy::{self, AUTO, BudgetStanding, InFlight, LatencySeen, Standing};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A case, read.
pub(super) struct Case {
    /// The config file, as written, and its line; `None` leaves it to whoever runs the cases.
    pub(super) policy: Option<(String, usize)>,
    /// Who asks; `None` is the policy's first caller.
    pub(super) caller: Option<String>,
    /// What the caller asks to be stricter.
    pub(super) tightening: Tightening,
    /// What must come of it.
    pub(super) expected: Expected,
    /// What the encoder would have measured.
    pub(super) signals: Written,
    model: String,
    message: String,
    extras: Vec<(String, Value)>,
    spent: Vec<(String, Usd, usize)>,
    seen: Vec<LatencySeen>,
    in_flight: Vec<InFlight>,
    resting: Vec<Arc<str>>,
    elapsed: Duration,
    records_ok: bool,
    higher_tier_answered: bool,
    today: Option<Day>,
    lot: Option<f64>,
}

/// A line `key: value`.
pub(super) struct Line<'a> {
    /// Its number in the file, from 1.
    pub(super) number: usize,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

impl Case {
    /// Reads a case.
    pub(super) fn parse(text: &str) -> Result<Self, Failed> {
        let Some(begins) = text.lines().position(|line| line.trim_end() == "---") else {
            let why = "there is no line `---` between what is given and what is expected";
            return Err(Failed::whole(why));
        };
        let rows: Vec<&str> = text.lines().collect();
        let mut case = Self::blank(Expected::parse(&rows[begins + 1..].join("\n"), begins + 1)?);
        for line in lines(&rows[..begins].join("\n"), 0)? {
            case.take(&line).map_err(|why| {
                Failed::at(line.number, format!("{}: {}: {why}", line.key, line.value))
            })?;
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

    /// Every budget of the policy, spent as far as the case says.
    pub(super) fn standing(
        &self,
        settings: &policy::Settings,
        today: Day,
    ) -> Result<Standing, Failed> {
        let budgets = &settings.cost.budgets;
        for (name, _, line) in &self.spent {
            if !budgets.iter().any(|budget| *budget.name == **name) {
                let why = format!("spent: the policy has no budget `{name}`");
                return Err(Failed::at(*line, why));
            }
        }
        let standing = |budget: &policy::BudgetRule| {
            let spent = self.spent.iter().find(|(name, ..)| **name == *budget.name);
            BudgetStanding {
                name: budget.name.clone(),
                limit: budget.limit,
                used: spent.map_or(Usd::ZERO, |(_, used, _)| *used),
            }
        };
        Ok(Standing {
            budgets: budgets.iter().map(standing).collect(),
            latencies: self.seen.clone().into(),
            in_flight: self.in_flight.clone(),
            resting: self.resting.clone(),
            elapsed: self.elapsed,
            floor: self.higher_tier_answered.then_some(Tier::Remote),
            records_ok: self.records_ok,
            today: self.today.unwrap_or(today),
            lot: self.lot,
        })
    }

    fn blank(expected: Expected) -> Self {
        Self {
            policy: None,
            caller: None,
            tightening: Tightening::default(),
            expected,
            model: AUTO.into(),
            message: "hello".into(),
            extras: Vec::new(),
            signals: Written::calm(),
            spent: Vec::new(),
            seen: Vec::new(),
            in_flight: Vec::new(),
            resting: Vec::new(),
            elapsed: Duration::ZERO,
            records_ok: true,
            higher_tier_answered: false,
            today: None,
            lot: None,
        }
    }

    fn take(&mut self, line: &Line<'_>) -> Result<(), String> {
        let value = line.value;
        match line.key {
            "policy" => self.policy = Some((value.into(), line.number)),
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
            "spent" => {
                let (name, used) = amount(value)?;
                self.spent.push((name, used, line.number));
            }
            "seen" => self.seen.push(latency(value)?),
            "in flight" => self.in_flight.push(in_flight(value)?),
            "resting" => self.resting.push(value.into()),
            "after ms" => self.elapsed = Duration::from_millis(number(value)?),
            "before" if value == "answered by the higher tier" => self.higher_tier_answered = true,
            "records" if value == "failing" => self.records_ok = false,
            "lot" => self.lot = Some(number(value)?),
            "today" => self.today = Some(Day::parse(value).ok_or("write a day: `2027-03-31`")?),
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

/// `key: value`, without blank lines and lines that begin with `#`; `before` lines stand above.
pub(super) fn lines(text: &str, before: usize) -> Result<Vec<Line<'_>>, Failed> {
    let written = text.lines().map(str::trim).enumerate();
    let written = written.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    written
        .map(|(index, line)| {
            let number = before + index + 1;
            let pair = line.split_once(": ");
            pair.map(|(key, value)| Line {
                number,
                key,
                value: value.trim(),
            })
            .ok_or_else(|| Failed::at(number, format!("`{line}` is not `key: value`")))
        })
        .collect()
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

/// `gpt 12`: requests under way at an endpoint.
fn in_flight(text: &str) -> Result<InFlight, String> {
    let (endpoint, requests) = text.rsplit_once(' ').ok_or("write `MODEL REQUESTS`")?;
    Ok(InFlight {
        endpoint: endpoint.into(),
        requests: number(requests)?,
    })
}
