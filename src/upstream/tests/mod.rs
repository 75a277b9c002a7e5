//! The client over real sockets, against a stand-in for a provider.

mod connections;
mod failures;
mod limits;
mod requests;
pub(super) mod stand_in;
mod streams;

use super::{Client, Purse, Reply, Settings, UpstreamError};
use crate::domain::{
    BodyLayout, BrokenOff, Caller, ChatRequest, Chunk, DecisionId, Dialect, Endpoint, Needs, Price,
    RequestId, Residency, Secret, Tier, Tightening, Timeouts, Verbatim,
};
use crate::policy::Egress;
use crate::privacy::{Outbound, release};
use bytes::Bytes;
use futures_util::StreamExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for anything that these tests wait for.
const AMPLE: Duration = Duration::from_secs(30);

/// The provider's key; it must turn up in the authorization header and nowhere else.
const KEY: &str = "sk-canary-7f3a";

/// A recorded stream: role, two pieces of text (one with a letter of two bytes, one escaped), finish, usage, end.
const RECORDED: &str = concat!(
    ": connected\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"caf\u{e9}\"}}],\"x\":9007199254740993}\n\n",
    "event: message\r\nid: 7\r\ndata: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\n\"}}]}\r\n\r\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

/// A recorded whole answer.
const WHOLE: &str = "{ \"id\":\"c1\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"four\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1},\"n\":1.0 }\n";

/// Money enough for anything that gets lost.
struct Freely;

impl Purse for Freely {
    async fn lost(&mut self) -> bool {
        true
    }
}

fn client() -> Client {
    Client::new(Settings::default()).unwrap()
}

fn endpoint(address: SocketAddr, timeouts: Timeouts) -> Endpoint {
    Endpoint {
        name: "far".into(),
        tier: Tier::Remote,
        dialect: Dialect::OpenAi,
        also: std::collections::BTreeSet::new(),
        auth: crate::domain::AuthHeader::Bearer,
        base_url: format!("http://{address}/v1").into(),
        upstream_model: "gpt-4o".into(),
        cloud: None,
        credential: Some(Secret::new(KEY)),
        residency: Residency::default(),
        price: Price::default(),
        limits: crate::domain::TokenLimits::default(),
        timeouts,
        parallel: None,
    }
}

fn asking(body: &str, endpoint: Endpoint) -> Outbound {
    let model = body.find("\"auto\"").unwrap();
    let request = ChatRequest {
        id: RequestId::parse("r1").unwrap(),
        decision: DecisionId::new("d1"),
        caller: Caller {
            name: "anonymous".into(),
        },
        model: "auto".into(),
        messages: Vec::new(),
        stream: body.contains("\"stream\":true"),
        include_usage: false,
        max_output_tokens: None,
        needs: Needs::default(),
        wishes: None,
        tightening: Tightening::default(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        layout: BodyLayout {
            question: None,
            model: model..model + 6,
            stream_options: None,
            output_limits: Vec::new(),
            previous_response: None,
            metadata: None,
            end: body.rfind('}').unwrap(),
        },
        surface: crate::domain::Surface::default(),
        traceparent: Some("00-canary-trace".into()),
    };
    release(Egress::for_tests(Arc::new(endpoint)), &request, None).unwrap()
}

/// A request for a stream.
fn stream_to(address: SocketAddr) -> Outbound {
    stream_with(address, Timeouts::default())
}

fn stream_with(address: SocketAddr, timeouts: Timeouts) -> Outbound {
    let body = r#"{"model":"auto","stream":true,"messages":[]}"#;
    asking(body, endpoint(address, timeouts))
}

/// A request for a whole answer.
fn whole_to(address: SocketAddr) -> Outbound {
    whole_with(address, Timeouts::default())
}

fn whole_with(address: SocketAddr, timeouts: Timeouts) -> Outbound {
    asking(
        r#"{"model":"auto","messages":[]}"#,
        endpoint(address, timeouts),
    )
}

/// All pieces of an answer, and how it ended.
async fn read(reply: Reply) -> (Vec<Verbatim>, Option<BrokenOff>) {
    let mut body = reply.body;
    let mut pieces = Vec::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(Chunk::Verbatim(piece)) => pieces.push(piece),
            Ok(other) => panic!("not an upstream's bytes: {other:?}"),
            Err(broken) => {
                assert!(body.next().await.is_none(), "nothing comes after an error");
                return (pieces, Some(broken));
            }
        }
    }
    (pieces, None)
}

fn wire(pieces: &[Verbatim]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| piece.wire.clone()).collect()
}

/// The error of a request that must not succeed (a reply has no `Debug`).
fn refused(outcome: Result<Reply, UpstreamError>) -> UpstreamError {
    match outcome {
        Ok(_) => panic!("it succeeded"),
        Err(error) => error,
    }
}
