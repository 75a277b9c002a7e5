//! `firstline models try`: runs the model of a folder once.

use super::{Try, show};
use crate::app::{self, Trial, Tried, Written};
use crate::cli::serve::{places, runtime};
use crate::inference::{Encoded, EndReason};
use serde_json::{Value, json};

pub(in crate::cli) fn try_out(asked: Try) -> anyhow::Result<bool> {
    let chat = !asked.asked.message.is_empty();
    let trial = Trial {
        folder: asked.folder,
        graph: asked.graph,
        prompts: if chat {
            asked.asked.message
        } else {
            asked.asked.prompt
        },
        chat,
        max_tokens: asked.max_tokens,
        threads: asked.threads,
    };
    let tried = runtime()?.block_on(app::try_model(&trial, &places()))?;
    let mut sound = true;
    for one in &tried {
        if asked.json {
            show::json(&as_json(one));
        } else {
            tell(one);
        }
        sound &= !matches!(one, Tried::Written(written) if matches!(written.end.reason, EndReason::Failed(_)));
    }
    Ok(sound)
}

fn as_json(tried: &Tried) -> Value {
    match tried {
        Tried::Written(written) => json!({
            "kind": "decoder",
            "prompt_ids": written.prompt,
            "ids": written.tokens,
            "log_probabilities": written.log_probabilities,
            "text": written.text,
            "made": written.end.usage.made,
            "end": reason(&written.end.reason),
            "first_ms": written.first.as_secs_f64() * 1e3,
            "rest_ms": written.rest.as_secs_f64() * 1e3,
        }),
        Tried::Encoded(ids, Encoded::Scores(scores)) => {
            json!({"kind": "classifier", "prompt_ids": ids, "scores": scores})
        }
        Tried::Encoded(ids, Encoded::Vector(vector)) => {
            json!({"kind": "embedder", "prompt_ids": ids, "vector": vector})
        }
    }
}

fn tell(tried: &Tried) {
    match tried {
        Tried::Written(written) => tell_written(written),
        Tried::Encoded(ids, Encoded::Scores(scores)) => {
            show::line(&format!("{} tokens  scores {}", ids.len(), numbers(scores)));
        }
        Tried::Encoded(ids, Encoded::Vector(vector)) => {
            let first = numbers(&vector[..vector.len().min(8)]);
            show::line(&format!(
                "{} tokens  a vector of {}: {first} …",
                ids.len(),
                vector.len()
            ));
        }
    }
}

fn tell_written(written: &Written) {
    show::line(&written.text);
    let made = written.end.usage.made;
    let seconds = written.rest.as_secs_f64();
    let rate = if made > 1 && seconds > 0.0 {
        format!(", then {:.0} tokens a second", (made - 1) as f64 / seconds)
    } else {
        String::new()
    };
    show::line(&format!(
        "({} tokens read, the first text after {:.0} ms{rate}; {made} made; ended by {})",
        written.end.usage.prompt,
        written.first.as_secs_f64() * 1e3,
        reason(&written.end.reason)
    ));
}

fn reason(reason: &EndReason) -> String {
    match reason {
        EndReason::EndOfTurn => "end of turn".into(),
        EndReason::StopText => "stop text".into(),
        EndReason::MaxTokens => "max_tokens".into(),
        EndReason::Context => "context".into(),
        EndReason::Failed(error) => error.to_string(),
    }
}

fn numbers(numbers: &[f32]) -> String {
    let numbers: Vec<String> = numbers
        .iter()
        .map(|number| format!("{number:.4}"))
        .collect();
    numbers.join(" ")
}
