//! Whether this gateway lives, and whether it can serve.

use super::body::ResponseBody;
use super::routes::text;
use http::{Response, StatusCode};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What `/version` says.
pub(super) const VERSION: &str = concat!(
    r#"{"name":"firstline","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

// 0, the default, is starting.
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Whether requests can be served: not before the models are loaded, not while draining. Never asks an upstream; what the
/// background knows of local servers is told beside it and changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<State>);

#[derive(Debug, Default)]
struct State {
    phase: AtomicU8,
    /// What is wrong with local servers, by the name of the model that they answer for.
    doubts: Mutex<BTreeMap<Arc<str>, String>>,
}

impl Readiness {
    /// From now on requests can be served.
    pub fn set_ready(&self) {
        self.0.phase.store(READY, Ordering::Release);
    }

    /// From now on load balancers should look elsewhere; requests that come all the same are still served.
    pub fn set_draining(&self) {
        self.0.phase.store(DRAINING, Ordering::Release);
    }

    /// From now on these are the local servers that cannot be relied on, each with what is wrong.
    pub fn set_doubts(&self, doubts: BTreeMap<Arc<str>, String>) {
        *self.0.doubts.lock().unwrap_or_else(PoisonError::into_inner) = doubts;
    }

    pub(super) fn answer(&self) -> Response<ResponseBody> {
        match self.0.phase.load(Ordering::Acquire) {
            READY => text(StatusCode::OK, self.ready()),
            DRAINING => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            _ => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        }
    }

    fn ready(&self) -> String {
        let doubts = self.0.doubts.lock();
        let doubts = doubts.unwrap_or_else(PoisonError::into_inner);
        let lines = doubts
            .iter()
            .map(|(model, doubt)| format!("{model}: {doubt}\n"));
        std::iter::once("ready\n".to_owned()).chain(lines).collect()
    }
}
