//! Whether this gateway lives, and whether it can serve.

use super::body::ResponseBody;
use super::routes::text;
use http::{Response, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What `/version` says.
pub(super) const VERSION: &str = concat!(
    r#"{"name":"firstline","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

// 0, the default, is starting.
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Whether requests can be served: not before the models are loaded, not while draining. Never asks an upstream.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// From now on requests can be served.
    pub fn set_ready(&self) {
        self.0.store(READY, Ordering::Release);
    }

    /// From now on load balancers should look elsewhere; requests that come all the same are still served.
    pub fn set_draining(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    pub(super) fn answer(&self) -> Response<ResponseBody> {
        match self.0.load(Ordering::Acquire) {
            READY => text(StatusCode::OK, "ready\n"),
            DRAINING => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            _ => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        }
    }
}
