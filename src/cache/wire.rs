//! An answer as it stands in a store that replicas share.
//!
//! JSON behind a BLAKE3 digest over the key and the JSON, so that what was torn, changed by accident or put under another
//! key is no answer. Whoever may write to the store can still put answers there: it is part of the trusted machinery.

use super::{Key, Recorded};
use crate::domain::{self, Chunk, DecisionId, FinishReason, Seen, TokenSaid, Usage, Usd, Verbatim};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

const DIGEST: usize = blake3::OUT_LEN;

#[derive(Serialize, Deserialize)]
struct Answer {
    version: u32,
    /// Milliseconds since 1970.
    until: u64,
    decision: String,
    model: String,
    class: String,
    cost_micro_usd: u64,
    usage: Used,
    pieces: Vec<Piece>,
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    Text(String),
    Tokens {
        text: String,
        tokens: Vec<(String, f32)>,
    },
    Finish {
        reason: String,
        usage: Used,
    },
    Thought(String),
    Refusal(String),
    Call {
        call: usize,
        id: String,
        name: String,
    },
    Arguments {
        call: usize,
        json: String,
    },
    Verbatim {
        wire: String,
        seen: What,
    },
}

#[derive(Serialize, Deserialize)]
struct Used {
    input: u64,
    cached_input: u64,
    output: u64,
    reasoning: u64,
    estimated: bool,
}

#[derive(Serialize, Deserialize)]
struct What {
    content: bool,
    content_bytes: usize,
    finish: Option<String>,
    usage: Option<Used>,
    last: bool,
    usage_only: bool,
}

/// The bytes of an answer that may be given until then (milliseconds since 1970); `None` for one that is not text.
pub(super) fn write(key: &Key, answer: &Recorded, until: u64) -> Option<Vec<u8>> {
    let pieces: Option<Vec<Piece>> = answer.chunks.iter().map(piece).collect();
    let answer = Answer {
        version: VERSION,
        until,
        decision: answer.decision.as_str().to_owned(),
        model: answer.model.to_string(),
        class: answer.class.to_string(),
        cost_micro_usd: answer.cost.0,
        usage: used(answer.usage),
        pieces: pieces?,
    };
    let json = serde_json::to_vec(&answer).ok()?;
    Some([&digest(key, &json)[..], &json].concat())
}

/// The answer, and until when it may be given; `None` for bytes that are none under this key.
pub(super) fn read(key: &Key, bytes: &[u8]) -> Option<(Recorded, u64)> {
    let (sum, json) = bytes.split_at_checked(DIGEST)?;
    if digest(key, json) != sum {
        return None;
    }
    let answer: Answer = serde_json::from_slice(json).ok()?;
    if answer.version != VERSION {
        return None;
    }
    let chunks: Option<Vec<Chunk>> = answer.pieces.into_iter().map(chunk).collect();
    let recorded = Recorded {
        decision: DecisionId::new(answer.decision),
        model: answer.model.into(),
        class: answer.class.into(),
        chunks: chunks?.into(),
        cost: Usd(answer.cost_micro_usd),
        usage: usage(answer.usage),
    };
    Some((recorded, answer.until))
}

fn digest(key: &Key, json: &[u8]) -> [u8; DIGEST] {
    let mut hash = blake3::Hasher::new();
    hash.update(b"firstline shared answer 1");
    hash.update(key.bytes());
    hash.update(json);
    hash.finalize().into()
}

fn piece(chunk: &Chunk) -> Option<Piece> {
    Some(match chunk {
        Chunk::Text(text) => Piece::Text(text.clone()),
        Chunk::Tokens { text, tokens } => Piece::Tokens {
            text: text.clone(),
            tokens: tokens
                .iter()
                .map(|token| (token.text.clone(), token.log_probability))
                .collect(),
        },
        Chunk::Finish { reason, usage } => Piece::Finish {
            reason: reason.as_str().to_owned(),
            usage: used(*usage),
        },
        Chunk::Piece(piece) => said(piece),
        Chunk::Verbatim(Verbatim { wire, seen }) => Piece::Verbatim {
            wire: std::str::from_utf8(wire).ok()?.to_owned(),
            seen: What {
                content: seen.content,
                content_bytes: seen.content_bytes,
                finish: seen.finish.map(|reason| reason.as_str().to_owned()),
                usage: seen.usage.map(used),
                last: seen.last,
                usage_only: seen.usage_only,
            },
        },
    })
}

fn said(piece: &domain::Piece) -> Piece {
    match piece.clone() {
        domain::Piece::Thought(text) => Piece::Thought(text),
        domain::Piece::Refusal(text) => Piece::Refusal(text),
        domain::Piece::Call { call, id, name } => Piece::Call { call, id, name },
        domain::Piece::Arguments { call, json } => Piece::Arguments { call, json },
    }
}

fn chunk(piece: Piece) -> Option<Chunk> {
    Some(match piece {
        Piece::Text(text) => Chunk::Text(text),
        Piece::Tokens { text, tokens } => Chunk::Tokens {
            text,
            tokens: tokens
                .into_iter()
                .map(|(text, log_probability)| TokenSaid {
                    text,
                    log_probability,
                })
                .collect(),
        },
        Piece::Finish {
            reason,
            usage: used,
        } => Chunk::Finish {
            reason: finish(&reason)?,
            usage: usage(used),
        },
        Piece::Thought(text) => Chunk::Piece(domain::Piece::Thought(text)),
        Piece::Refusal(text) => Chunk::Piece(domain::Piece::Refusal(text)),
        Piece::Call { call, id, name } => Chunk::Piece(domain::Piece::Call { call, id, name }),
        Piece::Arguments { call, json } => Chunk::Piece(domain::Piece::Arguments { call, json }),
        Piece::Verbatim { wire, seen } => Chunk::Verbatim(Verbatim {
            wire: Bytes::from(wire),
            seen: Seen {
                content: seen.content,
                content_bytes: seen.content_bytes,
                finish: match seen.finish {
                    Some(reason) => Some(finish(&reason)?),
                    None => None,
                },
                usage: seen.usage.map(usage),
                last: seen.last,
                usage_only: seen.usage_only,
            },
        }),
    })
}

/// Only answers that ended well are kept.
fn finish(reason: &str) -> Option<FinishReason> {
    [FinishReason::Stop, FinishReason::ToolCalls]
        .into_iter()
        .find(|known| known.as_str() == reason)
}

fn used(usage: Usage) -> Used {
    Used {
        input: usage.input,
        cached_input: usage.cached_input,
        output: usage.output,
        reasoning: usage.reasoning,
        estimated: usage.estimated,
    }
}

fn usage(used: Used) -> Usage {
    Usage {
        input: used.input,
        cached_input: used.cached_input,
        output: used.output,
        reasoning: used.reasoning,
        estimated: used.estimated,
    }
}
