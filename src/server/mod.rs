//! The HTTP side: listener, routes, surfaces, errors, health.
//!
//! Promises: what cannot be read is refused with a reason and loses nothing; a stream goes out as it comes in; every
//! answer of the API names its request and its decision. Knows nothing of policy's reasons.

mod auth;
mod body;
mod calm;
mod chat;
mod count;
mod errors;
mod explain;
mod forms;
mod frames;
mod gate;
mod headers;
mod health;
mod listen;
mod outcomes;
mod routes;
mod texts;
mod tls;
mod wire;

pub use body::ResponseBody;
pub use chat::chat_request;
pub use explain::explained;
pub use gate::{Gate, GateLimits};
pub use health::Readiness;
pub use listen::{ConnectionLimits, Stop, serve};
pub use routes::{ROUTES, RequestLimits, Route, Site, Surface};
pub use tls::{Tls, TlsError, TlsPem};
