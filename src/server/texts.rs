//! `POST /v1/embeddings` and `POST /v1/moderations`: what callers ask of the local encoder itself.

use super::body::{self, ResponseBody};
use super::errors::{self, Told};
use super::headers;
use super::routes::{Site, json};
use crate::domain::{
    BodyLayout, ChatRequest, DecisionId, Form, Message, Needs, RequestId, Role, Surface, Tightening,
};
use crate::pipeline::{ENCODER, Examined, Fault, Measured, Unmeasured, Visit};
use crate::policy::AUTO;
use crate::signals::Embedded;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Texts of one request at most, as OpenAI takes.
const MOST_TEXTS: usize = 2_048;

/// Which of the two is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Embeddings,
    Moderations,
}

/// A request for either, read.
struct Wanted {
    texts: Vec<String>,
    /// Vectors as base64 of their numbers, little-endian.
    base64: bool,
}

impl Site {
    /// Takes texts and gives what the encoder makes of them, or says why not.
    pub(super) async fn texts(
        &self,
        page: Page,
        request: Request<Incoming>,
        began: Instant,
    ) -> Response<ResponseBody> {
        let decision = DecisionId::new(uuid::Uuid::now_v7().to_string());
        let (head, mut body) = request.into_parts();
        let asked_as = headers::request_id(&head.headers);
        // The key is looked at before the body is read, so that a stranger's 100 MB are never kept.
        let key = super::auth::key_digest(&head.headers);
        let mut response = match self.pipeline.enter(key.as_ref()) {
            Err(refused) => errors::response(Fault::Policy(refused), Form::Chat),
            Ok(visit) => {
                let named = (asked_as.clone(), decision.clone());
                let asked = self.measured(page, &visit, (&head.headers, &mut body), named, began);
                asked.await.unwrap_or_else(Told::into_response)
            }
        };
        if !body.is_end_stream() && !head.headers.contains_key(http::header::EXPECT) {
            body::pass_over(&mut body).await;
        }
        headers::name(response.headers_mut(), asked_as, &decision);
        response
    }

    async fn measured(
        &self,
        page: Page,
        visit: &Visit,
        (head, body): (&HeaderMap, &mut Incoming),
        (id, decision): (Option<RequestId>, DecisionId),
        began: Instant,
    ) -> Result<Response<ResponseBody>, Told> {
        let _place = self.gate.enter().await.ok_or_else(errors::overloaded)?;
        super::chat::uncompressed(head)?;
        let limit = self.limits.max_body_bytes;
        let bytes = body::read(body, limit, self.limits.body_timeout).await;
        let bytes = bytes.map_err(|error| errors::body_error(error, limit))?;
        let wanted = read(page, &bytes)?;
        let request = ChatRequest {
            id: id.unwrap_or_else(|| RequestId::of(&decision)),
            traceparent: headers::traceparent(head),
            ..request(visit, decision, &wanted.texts, bytes)
        };
        let answered = match page {
            Page::Embeddings => {
                let measured = visit.embed(&request, began).await;
                measured.map(|measured| (embeddings(&measured, wanted.base64), measured.told))
            }
            Page::Moderations => {
                let measured = visit.examine(&request, began).await;
                measured.map(|measured| (moderations(&measured, visit), measured.told))
            }
        };
        let (mut response, told) = match answered {
            Ok((value, told)) => (json(StatusCode::OK, value.to_string()), told),
            Err(Unmeasured::Refused(refusal)) => {
                (errors::response(refusal.fault, Form::Chat), refusal.told)
            }
            Err(Unmeasured::TooLong(index, told)) => (too_long(index).into_response(), *told),
        };
        headers::tell(response.headers_mut(), &told, self.limits.debug_headers);
        Ok(response)
    }
}

/// The texts as a conversation of one person, which is what limits, records and signals know of.
fn request(visit: &Visit, decision: DecisionId, texts: &[String], body: Bytes) -> ChatRequest {
    let message = |text: &String| Message {
        role: Role::User,
        text: text.clone(),
    };
    ChatRequest {
        id: RequestId::of(&decision),
        decision,
        caller: visit.caller().clone(),
        model: AUTO.into(),
        messages: texts.iter().map(message).collect(),
        stream: false,
        include_usage: false,
        max_output_tokens: None,
        needs: Needs::default(),
        wishes: None,
        tightening: Tightening::default(),
        body,
        surface: Surface::default(),
        layout: BodyLayout::default(),
        traceparent: None,
    }
}

fn read(page: Page, bytes: &[u8]) -> Result<Wanted, Told> {
    let body: Value =
        serde_json::from_slice(bytes).map_err(|_| invalid("the body is no JSON", None))?;
    let Value::Object(body) = body else {
        return Err(invalid("the body has to be a JSON object", None));
    };
    let stated = |name: &str| body.get(name).filter(|value| !value.is_null());
    match stated("model").map(Value::as_str) {
        None if page == Page::Moderations => {}
        Some(Some(AUTO | ENCODER)) => {}
        Some(Some(_)) => return Err(no_such_model()),
        Some(None) | None => return Err(invalid("`model` has to be a text", Some("model"))),
    }
    if page == Page::Embeddings && stated("dimensions").is_some() {
        let message = "`dimensions` is not taken: shortened vectors of this encoder were never measured; leave it out for all 384";
        return Err(invalid(message, Some("dimensions")));
    }
    let base64 = match stated("encoding_format").map(Value::as_str) {
        None | Some(Some("float")) => false,
        Some(Some("base64")) => true,
        Some(_) => {
            let message = "`encoding_format` has to be `float` or `base64`";
            return Err(invalid(message, Some("encoding_format")));
        }
    };
    let texts = texts(page, body.get("input").unwrap_or(&Value::Null))?;
    Ok(Wanted { texts, base64 })
}

fn texts(page: Page, input: &Value) -> Result<Vec<String>, Told> {
    let bad = |message: &str| Err(invalid(message, Some("input")));
    let items = input.as_array();
    let is_token = |item: &Value| item.is_number() || item.is_array();
    if items.is_some_and(|items| items.iter().any(is_token)) {
        return bad("`input` holds tokens, which are those of another model; send the text itself");
    }
    let items = items.map_or(std::slice::from_ref(input), Vec::as_slice);
    let texts: Option<Vec<String>> = items.iter().map(|item| text_of(page, item)).collect();
    let Some(texts) = texts else {
        return bad(match page {
            Page::Embeddings => "`input` has to be a text or a list of texts",
            Page::Moderations => {
                "`input` has to be texts or parts of text; pictures cannot be read here"
            }
        });
    };
    if texts.is_empty() || texts.len() > MOST_TEXTS {
        return bad(&format!("`input` has to hold 1 to {MOST_TEXTS} texts"));
    }
    if texts.iter().any(|text| text.trim().is_empty()) {
        return bad("`input` holds an empty text");
    }
    Ok(texts)
}

/// A text, or for moderation a part that is one.
fn text_of(page: Page, item: &Value) -> Option<String> {
    if let Some(text) = item.as_str() {
        return Some(text.to_owned());
    }
    let part = item.as_object().filter(|_| page == Page::Moderations)?;
    let text = part
        .get("text")
        .filter(|_| part.get("type").is_some_and(|kind| kind == "text"));
    text?.as_str().map(str::to_owned)
}

fn embeddings(measured: &Measured<Embedded>, base64: bool) -> Value {
    let vector = |one: &Embedded| match base64 {
        true => {
            let bytes: Vec<u8> = one
                .vector
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect();
            Value::from(BASE64_STANDARD.encode(bytes))
        }
        false => Value::from(one.vector.to_vec()),
    };
    let each = measured.each.iter().enumerate();
    let data: Vec<Value> = each
        .map(
            |(index, one)| json!({"object": "embedding", "index": index, "embedding": vector(one)}),
        )
        .collect();
    let usage = json!({"prompt_tokens": measured.tokens, "total_tokens": measured.tokens});
    json!({"object": "list", "data": data, "model": ENCODER, "usage": usage})
}

/// OpenAI's categories, none of which anything here can measure: they are `null`, which claims nothing.
const UNMEASURED: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

fn moderations(measured: &Measured<Examined>, visit: &Visit) -> Value {
    let results: Vec<Value> = measured
        .each
        .iter()
        .map(|one| moderation(one, visit))
        .collect();
    json!({"id": format!("modr-{}", measured.told.decision.as_str()), "model": ENCODER, "results": results})
}

fn moderation(one: &Examined, visit: &Visit) -> Value {
    let (mut categories, mut scores, mut applied) = (Map::new(), Map::new(), Map::new());
    for name in UNMEASURED {
        categories.insert(name.into(), Value::Null);
        scores.insert(name.into(), Value::Null);
        applied.insert(name.into(), json!([]));
    }
    let mut say = |name: String, found: bool, score: f32| {
        categories.insert(name.clone(), found.into());
        scores.insert(name.clone(), score.into());
        applied.insert(name, json!(["text"]));
    };
    let is_attack = one.attack >= one.attack_from;
    say("attack".into(), is_attack, one.attack);
    for kind in visit.kinds() {
        let found = one.personal.iter().find(|(found, _)| found == kind);
        let score = found.map_or(0.0, |(_, score)| *score);
        say(
            format!("personal_data/{}", kind.as_str()),
            found.is_some(),
            score,
        );
    }
    json!({
        "flagged": is_attack || !one.personal.is_empty(),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": applied,
    })
}

fn no_such_model() -> Told {
    let message =
        format!("there is no model of that name for this; there is {ENCODER}, and {AUTO}");
    let mut told = errors::caller(StatusCode::NOT_FOUND, "caller_model_not_found", message);
    told.param = Some("model");
    told
}

fn too_long(index: usize) -> Told {
    let message = format!(
        "text {index} of `input` (from 0) is longer than the 254 tokens that this encoder reads at once; send it in parts"
    );
    let mut told = invalid(&message, Some("input"));
    told.code = "caller_text_too_long";
    told
}

fn invalid(message: &str, param: Option<&'static str>) -> Told {
    let code = "caller_invalid_request";
    let mut told = errors::caller(StatusCode::BAD_REQUEST, code, message.to_owned());
    told.param = param;
    told
}
