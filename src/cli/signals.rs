//! `firstline signals`: every signal of every line, in order.

use super::serve::{places, runtime, settings};
use super::{Signals, show};
use crate::app::{self, Measuring};
use crate::domain::{
    Caller, ChatRequest, DecisionId, Finding, Reading, Signals as Measured, Wanted,
};
use crate::local::Answerer;
use crate::policy::Policy;
use anyhow::{Context, anyhow, bail};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::time::Duration;

/// Lines measured side by side: enough to keep every worker busy.
const AT_ONCE: usize = 32;

/// A batch is not in a hurry.
const PATIENCE: Duration = Duration::from_secs(60);

/// One line as it came.
struct Line {
    id: Value,
    request: ChatRequest,
}

struct Bench {
    measuring: Measuring,
    policy: Policy,
    desk: Option<Answerer>,
}

pub(super) fn signals(asked: Signals) -> anyhow::Result<bool> {
    let settings = settings(asked.config.as_deref())?;
    let everything = &settings.policy.privacy.detectors;
    let measuring = app::measuring(&settings.encoder, everything, true, &places())?
        .with_own(&settings.topics)?
        .with_desk_model(&settings, &places())?;
    let desks = app::desks(&settings.desks, &measuring.models)?;
    let bench = Bench {
        measuring,
        policy: Policy::new(settings.policy),
        desk: desks.into_values().next(),
    };
    let sound = runtime()?.block_on(bench.measure_all())?;
    bench.measuring.join();
    Ok(sound)
}

impl Bench {
    async fn measure_all(&self) -> anyhow::Result<bool> {
        let lines = std::io::stdin().lock().lines().enumerate();
        let parsed = lines
            .map(|(number, line)| parse(&line?).with_context(|| format!("line {}", number + 1)));
        let mut rows = stream::iter(parsed)
            .map(|line| self.measure(line))
            .buffered(AT_ONCE);
        let mut sound = true;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        while let Some(row) = rows.next().await {
            match row {
                Ok(row) => writeln!(out, "{row}")?,
                Err(error) => {
                    sound = false;
                    out.flush()?;
                    show::error(&format!("{error:#}"));
                }
            }
        }
        out.flush()?;
        Ok(sound)
    }

    async fn measure(&self, line: anyhow::Result<Line>) -> anyhow::Result<Value> {
        let Line { id, request } = line?;
        let measured = self
            .measuring
            .reader
            .read(&request, Wanted::ALL, PATIENCE)
            .await;
        let measured = self
            .measuring
            .reader
            .read_closely(&request, measured, PATIENCE)
            .await;
        let class = self.policy.data_class(&request, &measured);
        let found = self
            .desk
            .as_ref()
            .and_then(|desk| desk.closest(&request, &measured, crate::pipeline::today()));
        let knowledge =
            found.map(|found| json!({"id": &*found.entry, "score": round(found.score), "margin": round(found.margin)}));
        Ok(row(id, &measured, &class.name, knowledge))
    }
}

fn row(id: Value, signals: &Measured, class: &str, knowledge: Option<Value>) -> Value {
    let number = |reading: &Option<Reading<crate::domain::Probability>>| {
        reading
            .as_ref()
            .filter(|reading| !reading.is_assumed())
            .map(|reading| round(reading.value.get()))
    };
    let topic = signals
        .topic
        .as_ref()
        .filter(|reading| !reading.is_assumed())
        .map(|reading| &reading.value);
    let findings = signals
        .personal
        .as_ref()
        .map_or(&[][..], |reading| &reading.value.0);
    json!({
        "id": id,
        "complexity": number(&signals.complexity),
        "topic": topic.map(|topic| json!({"label": topic.label.as_deref(), "confidence": round(topic.confidence)})),
        "language": signals.language.as_ref().and_then(|reading| reading.value),
        "attack": number(&signals.attack),
        "personal_data": findings.iter().map(finding).collect::<Vec<_>>(),
        "data_class": class,
        "knowledge": knowledge,
        "shape": {
            "tokens": signals.shape.tokens,
            "code": signals.shape.code,
            "question": signals.shape.question,
            "wants_human": signals.shape.wants_human,
            "repeats": signals.shape.repeats,
            "sentiment": signals.shape.sentiment.as_str(),
            "tools": signals.shape.tools,
            "images": signals.shape.images,
            "json": signals.shape.json,
        },
    })
}

fn finding(finding: &Finding) -> Value {
    json!({"type": finding.kind.as_str(), "start": finding.start, "end": finding.end, "score": round(finding.score)})
}

fn round(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

/// A line is `{"id", "text"}` or `{"id", "messages"}`; it is read as the request a client would have sent.
fn parse(line: &str) -> anyhow::Result<Line> {
    let mut line: Value = serde_json::from_str(line)
        .map_err(|error| anyhow!("not JSON (column {})", error.column()))?;
    if !line.is_object() {
        bail!("a line has to be an object such as {{\"id\": 1, \"text\": \"…\"}}");
    }
    let id = line["id"].take();
    let messages = match (
        line.get_mut("text").map(Value::take),
        line.get_mut("messages").map(Value::take),
    ) {
        (Some(Value::String(text)), None) => json!([{"role": "user", "content": text}]),
        (None, Some(messages)) => messages,
        (Some(_), _) | (None, None) => bail!("a line needs either `text` or `messages`"),
    };
    let body = json!({"model": crate::policy::AUTO, "messages": messages}).to_string();
    Ok(Line {
        id,
        request: request(body, "anonymous")?,
    })
}

/// The request that a client would have sent with this body.
pub(super) fn request(body: String, caller: &str) -> anyhow::Result<ChatRequest> {
    let caller = Caller {
        name: caller.into(),
    };
    crate::server::chat_request(body.into(), caller, DecisionId::new("offline"))
        .map_err(|message| anyhow!("{message}"))
}
