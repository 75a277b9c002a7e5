//! Leave to send a request to one endpoint.

use crate::domain::{Counted, Endpoint};
use std::sync::Arc;

/// Leave to send one request to one endpoint. Only policy can make one, and sending spends it.
///
/// Its fields are private to this room, so code elsewhere cannot write one down:
///
/// ```compile_fail,E0451
/// fn forge(endpoint: std::sync::Arc<firstline::domain::Endpoint>) -> firstline::policy::Egress {
///     firstline::policy::Egress { endpoint, rule: "because I say so".into(), disguise: None }
/// }
/// ```
///
/// Taking one that policy made is all that others can do:
///
/// ```
/// fn look(egress: &firstline::policy::Egress) -> &str {
///     &egress.endpoint().name
/// }
/// ```
#[derive(Debug, PartialEq)]
pub struct Egress {
    endpoint: Arc<Endpoint>,
    rule: Arc<str>,
    disguise: Option<Arc<Counted>>,
}

impl Egress {
    /// Called where the eligible set has just been worked out, and nowhere else.
    pub(super) fn grant(
        endpoint: Arc<Endpoint>,
        rule: Arc<str>,
        disguise: Option<Arc<Counted>>,
    ) -> Self {
        Self {
            endpoint,
            rule,
            disguise,
        }
    }

    /// Where the request may go.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The rule that gave leave.
    pub fn rule(&self) -> &Arc<str> {
        &self.rule
    }

    /// The personal data that must be replaced by stand-ins before anything is sent; `None` where the request may go as
    /// it is. `privacy::release` holds to it.
    pub fn disguise(&self) -> Option<&Arc<Counted>> {
        self.disguise.as_ref()
    }
}

#[cfg(test)]
impl Egress {
    /// Leave for tests of rooms that need one; shipped code has no way to call this.
    pub(crate) fn for_tests(endpoint: Arc<Endpoint>) -> Self {
        Self::grant(endpoint, "test".into(), None)
    }

    /// Leave that carries the duty to replace personal data.
    pub(crate) fn disguised_for_tests(endpoint: Arc<Endpoint>, counted: Arc<Counted>) -> Self {
        Self::grant(endpoint, "test".into(), Some(counted))
    }
}
