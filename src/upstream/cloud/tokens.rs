//! Tokens of a service account: fetched by one at a time, kept until shortly before they end, renewed before that.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>. What goes there is the signed word
//! and nothing of any request.

use super::jwt;
use crate::domain::{Form, Secret, ServiceAccount};
use crate::upstream::error::{ErrorReply, Lost, UpstreamError};
use crate::upstream::line::{Asking, Response};
use crate::upstream::pool::{Connections, Way};
use crate::upstream::transport;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use ring::signature::RsaKeyPair;
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// The whole exchange takes no longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is said of a token is no longer, in bytes.
const LONGEST: usize = 64 << 10;
/// So long before its end a token is renewed while another is at hand: at most, and as a part of its life.
const AHEAD: Duration = Duration::from_secs(300);
/// So long before its end nobody sets out with it any more.
const MARGIN: Duration = Duration::from_secs(30);
/// A token this young that is refused has not ended: something else is wrong.
const YOUNG: Duration = Duration::from_secs(60);
/// For so long after a failure nobody asks again, and all get that answer.
const REST: Duration = Duration::from_secs(1);

/// The tokens of one account, one at a time.
pub(in crate::upstream) struct Tokens {
    account: ServiceAccount,
    key: RsaKeyPair,
    path: Uri,
    host: HeaderValue,
    way: Way,
    held: Mutex<Held>,
    /// Whose turn it is to fetch. Given back when its holder leaves, so that the next one does it. No data is behind it.
    turn: Semaphore,
}

#[derive(Default)]
struct Held {
    token: Option<Arc<Token>>,
    /// It was used since it was fetched.
    was_used: bool,
    failed: Option<(Instant, Fault)>,
}

/// A token as it is sent.
pub(in crate::upstream) struct Token {
    pub(super) header: HeaderValue,
    secret: Secret,
    since: Instant,
    life: Duration,
    was_good: AtomicBool,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The account is refused.
    Refused,
    /// Nobody answered, or not with sense.
    Unreachable(String),
    /// It took too long.
    TimedOut,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

impl Tokens {
    pub(super) fn new(
        account: &ServiceAccount,
        connections: &Connections,
        connect: Duration,
    ) -> Result<Self, &'static str> {
        let url = transport::parsed(&account.token_uri).map_err(|_| "its token_uri is no URL")?;
        let origin = transport::origin(&url).map_err(|_| "its token_uri is no URL")?;
        let host = origin.authority().map_or("", |host| host.as_str());
        Ok(Self {
            key: jwt::key_of(account)?,
            path: url.path().parse().map_err(|_| "its token_uri is no URL")?,
            host: HeaderValue::from_str(host).map_err(|_| "its token_uri is no URL")?,
            way: connections.to(origin, connect),
            held: Mutex::default(),
            turn: Semaphore::new(1),
            account: account.clone(),
        })
    }

    /// A token that does not end within a moment: the one there is, or, after whoever is fetching one has it, the next.
    pub(super) async fn token(&self) -> Result<Arc<Token>, Fault> {
        if let Some(token) = self.usable() {
            return token;
        }
        // Nobody closes it, so there is a turn for everyone.
        let _turn = self.turn.acquire().await;
        match self.usable() {
            Some(token) => token,
            None => self.fetch().await,
        }
    }

    /// Fetches the next one, where the one there is was used, ends soon, and nobody is fetching one. It stays in use
    /// until then, and where this fails.
    pub(super) async fn renew(&self, now: Instant) {
        let ends_soon = {
            let held = self.lock();
            let token = held.token.as_ref().filter(|_| held.was_used);
            token.is_some_and(|token| token.left(now) < token.life.min(4 * AHEAD) / 4)
        };
        if let Some(_turn) = self.turn.try_acquire().ok().filter(|_| ends_soon)
            && let Err(fault) = self.fetch().await
        {
            tracing::warn!(account = %self.account.email, ?fault, "a token could not be renewed");
        }
    }

    /// A request was refused with this token. True where the next try will have another one.
    pub(super) fn refused(&self, token: &Arc<Token>, now: Instant) -> bool {
        let mut held = self.lock();
        if held
            .token
            .as_ref()
            .is_some_and(|it| !Arc::ptr_eq(it, token))
        {
            return true;
        }
        let is_young = now.duration_since(token.since) < YOUNG;
        if is_young && !token.was_good.load(Ordering::Relaxed) {
            return false;
        }
        held.token = None;
        true
    }

    /// The token that is held.
    pub(super) fn held(&self) -> Option<Secret> {
        self.lock().token.as_ref().map(|token| token.secret.clone())
    }

    /// The token that is held and can be used, or the failure that has just been.
    fn usable(&self) -> Option<Result<Arc<Token>, Fault>> {
        let now = Instant::now();
        let mut held = self.lock();
        if let Some(token) = held.token.clone().filter(|token| token.holds(now)) {
            held.was_used = true;
            return Some(Ok(token));
        }
        let (at, fault) = held.failed.as_ref()?;
        (now.duration_since(*at) < REST).then(|| Err(fault.clone()))
    }

    async fn fetch(&self) -> Result<Arc<Token>, Fault> {
        let given = match timeout(PATIENCE, self.exchange()).await {
            Ok(given) => given,
            Err(_) => Err(Fault::TimedOut),
        };
        let now = Instant::now();
        let mut held = self.lock();
        match given.and_then(|given| Token::new(&given, now)) {
            Ok(token) => {
                let token = Arc::new(token);
                *held = Held {
                    token: Some(token.clone()),
                    ..Held::default()
                };
                Ok(token)
            }
            Err(fault) => {
                held.failed = Some((now, fault.clone()));
                Err(fault)
            }
        }
    }

    async fn exchange(&self) -> Result<Given, Fault> {
        let word = jwt::signed(&self.account, &self.key, SystemTime::now());
        let word = word.ok_or_else(|| Fault::Unreachable("nothing could be signed".into()))?;
        let line = Box::pin(self.way.open()).await;
        let line = line.map_err(|broken| Fault::Unreachable(broken.to_string()))?;
        let mut response = self
            .way
            .ask(line, self.request(&word))
            .await
            .map_err(|broken| Fault::Unreachable(broken.to_string()))?;
        match response.status() {
            StatusCode::OK => given(&mut response).await,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(Fault::Unreachable("it gives no token now".into()))
            }
            status if status.is_client_error() => Err(Fault::Refused),
            status => Err(Fault::Unreachable(format!("it answered {status}"))),
        }
    }

    fn request(&self, word: &str) -> Asking {
        // A JSON Web Token is letters of base64 for URLs and points, which a form takes as they are.
        let body = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={word}"
        );
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        request
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn given(response: &mut Response) -> Result<Given, Fault> {
    let nonsense = || Fault::Unreachable("what it answered is no token".into());
    let mut text = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|_| nonsense())? {
        if text.len() + piece.len() > LONGEST {
            return Err(nonsense());
        }
        text.extend_from_slice(&piece);
    }
    serde_json::from_slice(&text).map_err(|_| nonsense())
}

impl Token {
    fn new(given: &Given, now: Instant) -> Result<Self, Fault> {
        let value = format!("Bearer {}", given.access_token);
        let mut header = HeaderValue::from_str(&value)
            .map_err(|_| Fault::Unreachable("what it answered is no token".into()))?;
        header.set_sensitive(true);
        Ok(Self {
            header,
            secret: Secret::new(given.access_token.as_str()),
            since: now,
            life: Duration::from_secs(given.expires_in.min(24 * 3600)),
            was_good: AtomicBool::new(false),
        })
    }

    /// An endpoint took it.
    pub(super) fn was_taken(&self) {
        self.was_good.store(true, Ordering::Relaxed);
    }

    fn left(&self, now: Instant) -> Duration {
        self.life.saturating_sub(now.duration_since(self.since))
    }

    /// It does not end within a moment; a short one is used up to its last tenth.
    fn holds(&self, now: Instant) -> bool {
        self.left(now) > MARGIN.min(self.life / 10)
    }
}

impl Fault {
    /// What it means for a request: an account that is refused is a bad key, and without a token nothing was sent.
    pub(super) fn into_error(self, form: Form) -> UpstreamError {
        match self {
            Self::Refused => UpstreamError::Answered(Box::new(ErrorReply {
                status: StatusCode::UNAUTHORIZED,
                form,
                headers: Vec::new(),
                body: Bytes::new(),
                why: Some("no token is given for this service account"),
                attempts: 1,
            })),
            Self::Unreachable(detail) => {
                UpstreamError::unreachable(Lost::Connecting, format!("no token: {detail}"))
            }
            Self::TimedOut => UpstreamError::timed_out("connect"),
        }
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
