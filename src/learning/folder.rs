//! What was learned, as the files and words that are left behind.

use super::complexity::{ComplexityNumbers, ComplexityScores};
use super::scores::Share;
use super::topics::TopicScores;
use crate::signals::{OWN_HEADS_VERSION, TopicNumbers};
use serde_json::{Value, json};

/// Topics with fewer texts are warned of.
const FEW: usize = 10;

/// With fewer texts the interval of a recall is wide.
const ENOUGH: usize = 20;

/// Everything that one run learned.
#[derive(Debug, Clone)]
pub struct Learned {
    /// SHA-256 of the encoder the heads belong to.
    pub encoder_sha256: String,
    /// The length of its vectors.
    pub embedding_dim: usize,
    /// The day, `YYYY-MM-DD`.
    pub made: String,
    /// The file of examples, as it was named.
    pub examples: String,
    /// SHA-256 of that file.
    pub examples_sha256: String,
    /// Texts learned from.
    pub rows: usize,
    /// What was left out or is doubtful.
    pub warnings: Vec<String>,
    /// Topics, where there were any.
    pub topics: Option<(TopicNumbers, TopicScores)>,
    /// Complexity, where there were outcomes.
    pub complexity: Option<(ComplexityNumbers, ComplexityScores)>,
}

impl Learned {
    /// Everything to be careful about: what the file had, and what the figures show.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = self.warnings.clone();
        if let Some((_, scores)) = &self.topics {
            let few = scores.topics.iter().filter(|topic| topic.rows < FEW);
            doubts.extend(few.map(|topic| {
                format!(
                    "topic `{}` has {} texts: its figures say little; add real ones until there are at least {FEW}, better {ENOUGH}",
                    topic.name, topic.rows
                )
            }));
            if scores.none.is_none() {
                doubts.push("no rows labelled `none`: what is none of these topics is told by distance alone; 50 rows of other real requests make it surer".into());
            }
        }
        doubts
    }

    /// The report for a person: figures beside their baselines.
    pub fn report(&self) -> String {
        let mut lines = vec![format!("{} texts from {}", self.rows, self.examples)];
        if let Some((_, scores)) = &self.topics {
            lines.extend(topic_lines(scores));
        }
        if let Some((_, scores)) = &self.complexity {
            lines.extend(complexity_lines(scores));
        }
        lines.extend(
            self.doubts()
                .iter()
                .map(|doubt| format!("look at: {doubt}")),
        );
        lines.join("\n")
    }

    /// The report for a program.
    pub fn scores(&self) -> Value {
        json!({
            "rows": self.rows,
            "topics": self.topics.as_ref().map(|(_, scores)| topic_scores(scores)),
            "complexity": self.complexity.as_ref().map(|(_, scores)| complexity_scores(scores)),
            "warnings": self.doubts(),
        })
    }
}

/// The file that a configuration's `topics.learned` folder holds.
pub fn heads_json(learned: &Learned) -> String {
    let mut file = json!({
        "version": OWN_HEADS_VERSION,
        "made": learned.made,
        "encoder_sha256": learned.encoder_sha256,
        "embedding_dim": learned.embedding_dim,
        "examples_sha256": learned.examples_sha256,
        "scores": learned.scores(),
    });
    if let Some((numbers, _)) = &learned.topics {
        file["topic"] = json!(numbers);
    }
    if let Some((numbers, _)) = &learned.complexity {
        file["complexity"] = json!(numbers);
    }
    format!("{file}\n")
}

/// What a person finds beside it.
pub fn card(learned: &Learned) -> String {
    format!(
        "# Heads learned from your own examples\n\n\
         Made on {} by `firstline learn`, for the encoder with SHA-256 `{}` alone: with another encoder, learn again.\n\
         The examples had SHA-256 `{}`; their texts are not kept here.\n\n\
         In the configuration: `topics: {{learned: THIS_FOLDER}}`.\n\n\
         Figures are out of fold (each text is judged by a model that was fitted without it), with 95 % intervals.\n\n\
         ```\n{}\n```\n",
        learned.made,
        learned.encoder_sha256,
        learned.examples_sha256,
        learned.report()
    )
}

fn topic_lines(scores: &TopicScores) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "topics ({}), cross-validated on {} texts",
            scores.topics.len(),
            scores.rows
        ),
        format!(
            "  best topic is right      {}   nearest centre {}, commonest topic {:.3}",
            interval(scores.accuracy),
            interval(scores.nearest_centre),
            scores.majority
        ),
        format!("  named, and right         {}", interval(scores.named)),
        format!("  macro F1                 {:.3}", scores.macro_f1),
        format!("  confidence is off by     {:.3}", scores.calibration_error),
    ];
    if let Some(none) = scores.none {
        lines.push(format!("  `none` rows kept out     {}", interval(none)));
    }
    if let Some(strangers) = scores.strangers {
        lines.push(format!(
            "  a topic left out is none {}",
            interval(strangers)
        ));
    }
    lines.push(format!("  {:<24} {:>5}  recall", "topic", "texts"));
    lines.extend(scores.topics.iter().map(|topic| {
        format!(
            "  {:<24} {:>5}  {}",
            topic.name,
            topic.rows,
            interval(topic.recall)
        )
    }));
    lines
}

fn complexity_lines(scores: &ComplexityScores) -> Vec<String> {
    vec![
        String::new(),
        format!(
            "complexity, cross-validated on {} texts, {} of them too hard for the local tier",
            scores.rows, scores.hard
        ),
        format!(
            "  area under ROC           {}   length alone {}, chance 0.500",
            interval(scores.auc),
            interval(scores.auc_of_length)
        ),
        format!(
            "  Brier score              {:.3}   always the same share {:.3} (less is better)",
            scores.brier, scores.brier_of_share
        ),
    ]
}

fn topic_scores(scores: &TopicScores) -> Value {
    let topics: Vec<Value> = scores
        .topics
        .iter()
        .map(
            |topic| json!({"topic": topic.name, "rows": topic.rows, "recall": share(topic.recall)}),
        )
        .collect();
    json!({
        "rows": scores.rows,
        "accuracy": share(scores.accuracy),
        "named_and_right": share(scores.named),
        "macro_f1": round(scores.macro_f1),
        "calibration_error": round(scores.calibration_error),
        "left_out_topics_as_none": scores.strangers.map(share),
        "none_rows_as_none": scores.none.map(share),
        "baselines": {
            "commonest_topic": round(scores.majority),
            "nearest_centre": share(scores.nearest_centre),
        },
        "strength": scores.strength,
        "topics": topics,
    })
}

fn complexity_scores(scores: &ComplexityScores) -> Value {
    json!({
        "rows": scores.rows,
        "hard": scores.hard,
        "auc": share(scores.auc),
        "brier": round(scores.brier),
        "baselines": {
            "auc_of_length": share(scores.auc_of_length),
            "brier_of_share": round(scores.brier_of_share),
        },
    })
}

fn interval(share: Share) -> String {
    format!("{:.3} [{:.3}, {:.3}]", share.value, share.low, share.high)
}

fn share(share: Share) -> Value {
    json!({"value": round(share.value), "low": round(share.low), "high": round(share.high)})
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
