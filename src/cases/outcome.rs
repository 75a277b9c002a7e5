//! What came of a case, and what must.

use super::Failed;
use super::case::{Line, lines};
use crate::policy::{Decision, Refused, Rejected, SetBack};

/// What came of a case, or what must come of it. Of what must, `None` says nothing.
#[derive(Default)]
pub(super) struct Outcome {
    class: Option<String>,
    plan: Option<String>,
    rule: Option<String>,
    kept: Option<bool>,
    refused: Option<String>,
    /// `MODEL REASON` each; of what must come, a beginning of the reason is enough.
    rejected: Vec<String>,
    /// `MODEL REASON` each, of those that come after others because of time; looked at where one is written.
    behind: Vec<String>,
    /// `after 800ms: MODEL, MODEL`.
    hedge: Option<String>,
}

/// What must come of a case, with the line of each word.
#[derive(Default)]
pub(super) struct Expected {
    outcome: Outcome,
    /// The line of `---`, for what is not written and should be.
    begins: usize,
    keys: Vec<(String, usize)>,
}

impl Expected {
    /// Reads what stands below `---`, which is on line `begins`.
    pub(super) fn parse(text: &str, begins: usize) -> Result<Self, Failed> {
        let mut expected = Self {
            begins,
            ..Self::default()
        };
        for Line { number, key, value } in lines(text, begins)? {
            expected
                .outcome
                .take(key, value)
                .map_err(|why| Failed::at(number, why))?;
            expected.keys.push((key.to_owned(), number));
        }
        if expected.outcome.plan.is_some() == expected.outcome.refused.is_some() {
            let why = "a case expects either `plan:` or `refused:`";
            return Err(Failed::at(begins, why));
        }
        Ok(expected)
    }

    /// Whether the actual outcome is what this one says; if not, both, and the line that does not hold.
    pub(super) fn compare(&self, actual: &Outcome) -> Result<(), Failed> {
        let Some(key) = self.outcome.differs(actual) else {
            return Ok(());
        };
        let line = self.keys.iter().find(|(written, _)| written == key);
        let line = line.map_or(self.begins, |(_, line)| *line);
        let both = [self.outcome.tell("expected"), actual.tell("actual")].concat();
        Err(Failed::at(
            line,
            format!("it does not end so\n{}", both.join("\n")),
        ))
    }
}

impl Outcome {
    /// What came of a plan.
    pub(super) fn planned(class: String, decision: &Decision) -> Self {
        let models: Vec<&str> = decision.plan.iter().map(|step| &**step.model()).collect();
        Self {
            class: Some(class),
            plan: Some(models.join(", ")),
            rule: Some(decision.rule.to_string()),
            kept: Some(decision.may_keep),
            refused: None,
            rejected: told(&decision.rejected),
            behind: decision.set_back.iter().map(behind).collect(),
            hedge: decision.hedge.as_ref().map(ToString::to_string),
        }
    }

    /// What came of a refusal.
    pub(super) fn refused(class: String, refused: &Refused, rejected: &[Rejected]) -> Self {
        Self {
            class: Some(class),
            refused: Some(format!("{} {}", refused.code.as_str(), refused.rule)),
            rejected: told(rejected),
            ..Self::default()
        }
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (key, value) {
            ("class", _) => self.class = Some(value.into()),
            ("plan", _) => self.plan = Some(value.into()),
            ("rule", _) => self.rule = Some(value.into()),
            ("kept", "yes" | "no") => self.kept = Some(value == "yes"),
            ("kept", _) => return Err(format!("kept: {value}: write `yes` or `no`")),
            ("refused", _) => self.refused = Some(value.into()),
            ("rejected", _) => self.rejected.push(value.into()),
            ("behind", _) => self.behind.push(value.into()),
            ("hedge", _) => self.hedge = Some(value.into()),
            _ => {
                return Err(format!(
                    "{key}: nothing of that name can be expected; there is class, plan, rule, kept, refused, rejected, behind, hedge"
                ));
            }
        }
        Ok(())
    }

    /// The first word that does not hold.
    fn differs(&self, actual: &Self) -> Option<&'static str> {
        let says = |expected: &Option<String>, actual: &Option<String>| {
            expected.is_none() || expected == actual
        };
        let rejected = begin_so(&self.rejected, &actual.rejected);
        let behind = self.behind.is_empty() || begin_so(&self.behind, &actual.behind);
        let holds = [
            ("class", says(&self.class, &actual.class)),
            ("plan", self.plan == actual.plan),
            ("refused", self.refused == actual.refused),
            ("rule", says(&self.rule, &actual.rule)),
            ("kept", self.kept.is_none() || self.kept == actual.kept),
            ("rejected", rejected),
            ("behind", behind),
            ("hedge", says(&self.hedge, &actual.hedge)),
        ];
        let wrong = |(key, holds): (&'static str, bool)| (!holds).then_some(key);
        holds.into_iter().find_map(wrong)
    }

    fn tell(&self, side: &str) -> Vec<String> {
        let kept = self.kept.map(|kept| if kept { "yes" } else { "no" });
        let words = [
            ("class", self.class.as_deref()),
            ("rule", self.rule.as_deref()),
            ("plan", self.plan.as_deref()),
            ("kept", kept),
            ("refused", self.refused.as_deref()),
            ("hedge", self.hedge.as_deref()),
        ];
        let said = words
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        let rejected = self.rejected.iter().map(|one| ("rejected", &**one));
        let behind = self.behind.iter().map(|one| ("behind", &**one));
        said.chain(rejected)
            .chain(behind)
            .map(|(key, value)| format!("  {side:<9} {key}: {value}"))
            .collect()
    }
}

fn begin_so(expected: &[String], actual: &[String]) -> bool {
    let mut pairs = expected.iter().zip(actual);
    expected.len() == actual.len() && pairs.all(|(expected, actual)| actual.starts_with(expected))
}

fn behind(one: &SetBack) -> String {
    format!("{} {one}", one.model)
}

fn told(rejected: &[Rejected]) -> Vec<String> {
    let told = |one: &Rejected| format!("{} {}", one.model, one.reason);
    rejected.iter().map(told).collect()
}
