//! What callers ask of the local encoder itself: vectors, and what it finds in texts. Nothing leaves this process.
//!
//! Such a request comes in like any other: by its key, within its caller's limits, with a record. There is nothing to
//! decide about it, so its record has no plan; and no text of it is kept.

use super::carry::Journey;
use super::handle::Visit;
use super::told::{Fault, GatewayFault, Refusal, Told};
use crate::domain::{ChatRequest, Message, PersonalKind, Role, Usage, Usd, Wanted};
use crate::ledger::{self, Outcome, Phase, Route};
use crate::limits::Weight;
use crate::policy::{RefusalCode, Refused, Standing};
use crate::signals::{Embedded, NotEmbedded};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// The encoder, by the name under which it is listed.
pub const ENCODER: &str = "firstline-encoder";

/// What was measured, and what may be told about it.
pub struct Measured<T> {
    /// What may be told.
    pub told: Told,
    /// One for each text, in order.
    pub each: Vec<T>,
    /// Tokens of all texts.
    pub tokens: u64,
}

/// Why a text could not be measured, by the caller's doing.
#[derive(Debug)]
pub enum Unmeasured {
    /// It is refused.
    Refused(Box<Refusal>),
    /// This text, counted from 0, is longer than the encoder reads.
    TooLong(usize, Box<Told>),
}

/// What was found in one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// P(prompt injection or jailbreak), 0 to 1.
    pub attack: f32,
    /// From which on it counts as one.
    pub attack_from: f32,
    /// Kinds of personal data in it, each with the score of the surest finding, 0 to 1.
    pub personal: Vec<(PersonalKind, f32)>,
}

impl Visit {
    /// The vector of each message of this request.
    pub async fn embed(
        &self,
        request: &ChatRequest,
        began: Instant,
    ) -> Result<Measured<Embedded>, Unmeasured> {
        let mut journey = self.begin(request, began)?;
        let vectors = self.vectors(request);
        let Ok(vectors) = tokio::time::timeout(journey.time_left(), vectors).await else {
            return Err(late(journey));
        };
        journey.passed(Phase::Signals, began.elapsed());
        let fault = match vectors {
            Ok(each) => {
                let tokens = each.iter().map(|one| one.tokens).sum();
                let told = journey.measured_here(ENCODER, tokens);
                return Ok(Measured { told, each, tokens });
            }
            Err((index, NotEmbedded::TooLong)) => {
                let told = journey.given_back("caller_text_too_long");
                return Err(Unmeasured::TooLong(index, Box::new(told)));
            }
            Err((_, NotEmbedded::NoEncoder)) => GatewayFault::NoEncoder,
            Err((_, NotEmbedded::Busy)) => GatewayFault::EncoderBusy,
            Err((_, NotEmbedded::Failed)) => GatewayFault::EncoderFailed,
        };
        Err(refused(journey, fault))
    }

    /// What is found in each message of this request: attempts to override instructions, and personal data of the kinds
    /// that the policy looks for.
    pub async fn examine(
        &self,
        request: &ChatRequest,
        began: Instant,
    ) -> Result<Measured<Examined>, Unmeasured> {
        let mut journey = self.begin(request, began)?;
        let reader = &self.generation.signals;
        let guard = self.settings().guard.map(|guard| guard.refuse_from);
        let Some(attack_from) = guard.or(reader.attack_threshold()) else {
            return Err(refused(journey, GatewayFault::NoEncoder));
        };
        let wanted = Wanted {
            attack: true,
            personal: true,
            free_text: true,
            ..Wanted::default()
        };
        let mut each = Vec::with_capacity(request.messages.len());
        for message in &request.messages {
            let one = alone(request, &message.text);
            let signals = reader.read(&one, wanted, journey.time_left()).await;
            let (Some(attack), Some(personal)) = (signals.attack, signals.personal) else {
                return Err(refused(journey, GatewayFault::NoEncoder));
            };
            // What was not read to its end is not said to be harmless.
            if attack.is_assumed() || personal.is_assumed() {
                return Err(late(journey));
            }
            let kinds: BTreeSet<PersonalKind> = personal
                .value
                .0
                .iter()
                .map(|finding| finding.kind)
                .collect();
            let surest = |kind: PersonalKind| {
                let found = personal.value.0.iter().filter(|one| one.kind == kind);
                (kind, found.map(|one| one.score).fold(0.0, f32::max))
            };
            each.push(Examined {
                attack: attack.value.get(),
                attack_from: attack_from.get(),
                personal: kinds.into_iter().map(surest).collect(),
            });
        }
        journey.passed(Phase::Signals, began.elapsed());
        let tokens = request.estimated_input_tokens();
        let told = journey.measured_here(ENCODER, tokens);
        Ok(Measured { told, each, tokens })
    }

    /// One text after the other, so that signals of other requests need not wait for all of them.
    async fn vectors(&self, request: &ChatRequest) -> Result<Vec<Embedded>, (usize, NotEmbedded)> {
        let reader = &self.generation.signals;
        let mut each = Vec::with_capacity(request.messages.len());
        for (index, message) in request.messages.iter().enumerate() {
            let embedded = reader.embed(&message.text).await;
            each.push(embedded.map_err(|error| (index, error))?);
        }
        Ok(each)
    }

    /// The kinds of personal data that are looked for.
    pub fn kinds(&self) -> &BTreeSet<PersonalKind> {
        self.generation.signals.kinds()
    }

    /// In by the same rules as a chat: records, the key's and the caller's rights to `auto`, limits.
    fn begin<'a>(
        &'a self,
        request: &'a ChatRequest,
        began: Instant,
    ) -> Result<Journey<'a>, Unmeasured> {
        let mut journey = Journey::open(self, request, began);
        let standing = Standing {
            lot: Some(ledger::lot(&request.decision)),
            ..self.standing(request)
        };
        let policy = &self.generation.policy;
        let admitted = policy.admit_demand(&request.demand(), &standing);
        let admitted = admitted.and_then(|admission| {
            self.key_allows(&request.model)?;
            journey.weigh()?;
            Ok(admission)
        });
        match admitted {
            Ok(admission) => {
                journey.admitted(&admission);
                Ok(journey)
            }
            Err(refused) => {
                let refusal = journey.refuse(Fault::Policy(refused));
                Err(Unmeasured::Refused(Box::new(refusal)))
            }
        }
    }
}

impl Journey<'_> {
    /// Takes the request from what its caller may ask for at most.
    pub(super) fn weigh(&mut self) -> Result<(), Refused> {
        let caller = self.visit.caller();
        let limits = self.visit.limits;
        let weight = Weight {
            input: self.request.estimated_input_tokens(),
            output: self.request.max_output_tokens.unwrap_or_default(),
        };
        let desk = &self.visit.rooms.limits;
        let (entered, left) = desk.enter(caller, &limits, weight, Instant::now());
        self.told.left = left;
        let met = match entered {
            Ok(pass) => {
                self.pass = pass;
                return Ok(());
            }
            Err(met) => met,
        };
        Err(Refused {
            code: RefusalCode::PolicyRateLimited,
            rule: "callers".into(),
            message: met.in_words(&limits),
        })
    }

    /// Closes the record of a request that the encoder itself answered.
    pub(super) fn measured_here(mut self, model: &str, tokens: u64) -> Told {
        let model: Arc<str> = model.into();
        self.told.route = Route::Local;
        self.told.model = Some(model.clone());
        self.entry.note_answer(Route::Local, &model);
        self.entry.note_usage(&Usage {
            input: tokens,
            ..Usage::default()
        });
        self.entry.note_cost(Usd::ZERO, Usd::ZERO);
        self.entry.note_first_byte();
        self.told.phases.own = self.own_time();
        if let Some(pass) = &mut self.pass {
            pass.charge(tokens);
        }
        self.entry.close(Outcome::Served);
        self.told
    }

    /// Closes the record of a request that the encoder cannot answer, by the caller's own doing.
    pub(super) fn given_back(mut self, code: &'static str) -> Told {
        self.told.phases.own = self.own_time();
        self.entry.refuse(code);
        self.told
    }
}

fn late(journey: Journey<'_>) -> Unmeasured {
    refused(journey, GatewayFault::DeadlinePassed)
}

fn refused(journey: Journey<'_>, fault: GatewayFault) -> Unmeasured {
    Unmeasured::Refused(Box::new(journey.refuse(Fault::Gateway(fault))))
}

/// A request that holds this text and nothing else, of the same caller.
fn alone(request: &ChatRequest, text: &str) -> ChatRequest {
    let body = serde_json::json!({"messages": [{"role": "user", "content": text}]});
    ChatRequest {
        messages: vec![Message {
            role: Role::User,
            text: text.to_owned(),
        }],
        body: Bytes::from(body.to_string()),
        ..request.clone()
    }
}
