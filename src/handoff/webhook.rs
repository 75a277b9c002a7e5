//! The webhook: a notice is sent until it is taken, so many times and no more.

use super::ticket::Webhook;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::{Client, Response};
use std::time::Duration;

/// The pause before the second try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const OURS: &str = concat!("firstline/", env!("CARGO_PKG_VERSION"));

/// Why a notice was not taken. No address and no text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTaken {
    /// There was no answer.
    #[error("the webhook could not be reached in time")]
    NoAnswer,
    /// It answered something other than that it took the notice.
    #[error("the webhook answered {0}")]
    Answered(StatusCode),
}

impl NotTaken {
    /// Asking again may help. A redirect and a refusal stay what they are.
    fn may_pass(self) -> bool {
        match self {
            Self::NoAnswer => true,
            Self::Answered(status) => {
                status.is_server_error()
                    || status == StatusCode::TOO_MANY_REQUESTS
                    || status == StatusCode::REQUEST_TIMEOUT
            }
        }
    }
}

/// Sends a document until the webhook takes it. The same `idempotency-key` is on each try.
pub(super) async fn deliver(
    client: &Client,
    webhook: &Webhook,
    document: Bytes,
    key: &str,
) -> Result<(), NotTaken> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        let asked = attempt_once(client, webhook, document.clone(), key).await;
        match asked {
            Ok(()) => return Ok(()),
            Err(why) if attempt >= webhook.max_attempts || !why.may_pass() => return Err(why),
            Err(_) => tokio::time::sleep(pause).await,
        }
        attempt += 1;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn attempt_once(
    client: &Client,
    webhook: &Webhook,
    document: Bytes,
    key: &str,
) -> Result<(), NotTaken> {
    let mut request = client
        .post(&*webhook.endpoint.base_url)
        .timeout(webhook.timeout)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, OURS)
        .header("idempotency-key", key)
        .body(document);
    if let Some(credential) = &webhook.endpoint.credential {
        request = request.bearer_auth(credential.reveal());
    }
    let response: Response = request.send().await.map_err(|_| NotTaken::NoAnswer)?;
    if response.status().is_success() {
        return Ok(());
    }
    Err(NotTaken::Answered(response.status()))
}
