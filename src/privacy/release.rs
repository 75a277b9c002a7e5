//! The one way out: a request becomes fit to leave by spending the leave that policy gave.

use super::pseudonym::Disguised;
use crate::domain::{BodyLayout, ChatRequest, Endpoint, Surface};
use crate::policy::Egress;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// A request that may leave, bound to the one endpoint it may go to. Only [`release`] makes one, and `upstream`
/// accepts nothing else.
///
/// ```compile_fail,E0451
/// fn smuggle(
///     endpoint: std::sync::Arc<firstline::domain::Endpoint>,
///     payload: firstline::privacy::Payload,
/// ) -> firstline::privacy::Outbound {
///     firstline::privacy::Outbound { endpoint, payload }
/// }
/// ```
///
/// ```
/// fn look(outbound: &firstline::privacy::Outbound) -> &str {
///     &outbound.endpoint().name
/// }
/// ```
#[derive(Debug)]
pub struct Outbound {
    endpoint: Arc<Endpoint>,
    payload: Payload,
}

/// What leaves: the caller's own bytes, and where in them the endpoint's dialect has to make its edits.
///
/// `Debug` tells the body's length only.
#[derive(Clone)]
pub struct Payload {
    /// The body as it came from the caller, or with stand-ins in the place of personal data.
    pub body: Bytes,
    /// Where edits go.
    pub layout: BodyLayout,
    /// The form of the body.
    pub surface: Surface,
    /// The answer is wanted as a stream.
    pub stream: bool,
    /// The caller itself asked for the usage chunk.
    pub include_usage: bool,
    /// The output tokens that the endpoint has to be told as its limit; `None` leaves what the caller said.
    pub output_limit: Option<u64>,
}

/// The leave was given for a request whose personal data is replaced, and this one's is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("personal data must be replaced before the request may leave")]
pub struct InPlainWords;

/// Spends policy's leave and makes the request fit to go where the leave says: as it came, or, where the leave carries
/// the duty to replace personal data, as `disguised`. Without the duty `disguised` is not looked at.
///
/// # Errors
/// The leave carries the duty, and `disguised` is missing or replaces less than the leave demands. Nothing left.
pub fn release(
    egress: Egress,
    request: &ChatRequest,
    disguised: Option<&Disguised>,
) -> Result<Outbound, InPlainWords> {
    let payload = match egress.disguise() {
        None => Payload::of(request),
        Some(counted) => disguised
            .filter(|disguised| disguised.covers(counted))
            .map(|disguised| disguised.payload().clone())
            .ok_or(InPlainWords)?,
    };
    Ok(Outbound {
        endpoint: egress.endpoint().clone(),
        payload,
    })
}

impl Payload {
    /// The request as it came.
    pub(super) fn of(request: &ChatRequest) -> Self {
        Self {
            body: request.body.clone(),
            layout: request.layout.clone(),
            surface: request.surface.clone(),
            stream: request.stream,
            include_usage: request.include_usage,
            output_limit: None,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Payload({} bytes, stream: {})",
            self.body.len(),
            self.stream
        )
    }
}

impl Outbound {
    /// Where it goes.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The same, with a limit on the output tokens that the endpoint is told.
    pub fn limited_to(mut self, output_tokens: Option<u64>) -> Self {
        self.payload.output_limit = output_tokens;
        self
    }

    /// What goes.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }
}
