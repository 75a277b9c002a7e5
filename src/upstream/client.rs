//! The one door to remote models: [`Client::send`].

use super::body::{self, Reading};
use super::breaker::{Breaker, BreakerSettings};
use super::deadline::{Alarm, Deadline};
use super::dialect::{self, Speech};
use super::error::{Lost, StartError, UpstreamError};
use super::line::Response;
use super::look::{self, Found};
use super::pool::Connections;
use super::rest::Rest;
use super::retry::{self, Again, RetryBudget, RetrySettings};
use super::transport::{self, Address, Asked};
use crate::domain::{
    AnswerBody, AuthHeader, Cloud, Dialect, Endpoint, Form, Secret, Tier, Timeouts,
};
use crate::privacy::Outbound;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

/// Sends requests to endpoints. A handle: clones share connections, breakers and retry budgets.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// One look may come while a server restarts.
const LOOKS_IN_VAIN: u32 = 2;

/// Much less than the time for which a token is renewed ahead of its end.
const LOOK_AT_TOKENS_EVERY: Duration = Duration::from_secs(15);

/// Who pays for calls.
pub trait Purse: Send {
    /// A call may be billed though nothing came of it, and nobody says what it cost: counts it, and says whether there is
    /// money for one more.
    fn lost(&mut self) -> impl Future<Output = bool> + Send;
}

/// How the client behaves towards all endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// When a request is sent again.
    pub retry: RetrySettings,
    /// When an endpoint is left alone.
    pub breaker: BreakerSettings,
    /// The longest event of a stream, and the longest error body, in bytes.
    pub max_event_bytes: usize,
    /// The longest whole answer, in bytes.
    pub max_whole_bytes: usize,
}

/// An answer that has begun well.
pub struct Reply {
    /// Headers of the upstream's answer that a client may rely on (rate limits and its request id).
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The answer; dropping it closes the connection.
    pub body: AnswerBody,
    /// Calls made to the endpoint, retries included.
    pub attempts: u32,
}

struct Shared {
    settings: Settings,
    routes: RwLock<HashMap<Arc<str>, Arc<Route>>>,
    connections: Connections,
}

/// What is kept of an endpoint from one request to the next.
struct Route {
    base_url: Arc<str>,
    credential: Option<Secret>,
    spoken: Spoken,
    connect: Duration,
    is_local: bool,
    address: Result<Address, &'static str>,
    health: Arc<Health>,
}

/// Survives a change of key or time limits, but not a change of address.
struct Health {
    breaker: Breaker,
    budget: RetryBudget,
    rest: Rest,
    /// It has answered since it was last found unreachable.
    is_warm: AtomicBool,
    /// Looks in a row that found nobody.
    looks_in_vain: AtomicU32,
}

impl Client {
    /// Makes a client that has no connections yet.
    pub fn new(settings: Settings) -> Result<Self, StartError> {
        // Fails only where one is installed already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                routes: RwLock::default(),
                // Made here, so that a machine without usable certificates is known at start-up, not at the first request.
                connections: Connections::new()?,
            }),
        })
    }

    /// Sends, and waits for the first content (or the whole) of the answer. `limit` is what is left of the request's
    /// own time; the endpoint's limits hold too. The purse is asked after each call that may be billed though nothing came
    /// of it.
    ///
    /// # Errors
    ///
    /// Nothing of an answer was handed out: another endpoint may be asked, where
    /// [`may_try_next`](UpstreamError::may_try_next) says so.
    pub async fn send(
        &self,
        outbound: Outbound,
        limit: Duration,
        mut purse: impl Purse,
    ) -> Result<Reply, UpstreamError> {
        let start = Instant::now();
        let endpoint = outbound.endpoint();
        let body = dialect::request_body(endpoint, outbound.payload())?;
        let route = self.shared.route(endpoint);
        if !route.health.breaker.pass(start) {
            return Err(UpstreamError::Open);
        }
        let deadline = Deadline::after(start, limit, "deadline");
        let total = Deadline::after(start, endpoint.timeouts.total, "total").or_sooner(deadline);
        let mut calls = 0;
        route.health.budget.deposit();
        let outcome = loop {
            let before = calls;
            let attempt = self.attempt(&outbound, &route, body.clone(), total, &mut calls);
            let error = match attempt.await {
                Ok(reply) => break Ok(reply),
                Err(error) => error,
            };
            route.health.note(&error, before == 0);
            let mut paid = true;
            for _ in 0..error.calls_in_doubt(calls - before) {
                paid &= purse.lost().await;
            }
            let again = paid.then(|| self.wait_before_again(&route, &error, calls, total));
            let Some(wait) = again.flatten() else {
                break Err(error);
            };
            sleep(wait).await;
        };
        finished(endpoint, calls, outcome)
    }

    /// Lets connections go that nobody used for a minute or that their server has closed, and renews tokens that end soon,
    /// for as long as it is polled. Nobody else does: a connection is driven only by the request that uses it.
    pub async fn tend(&self) {
        tokio::join!(self.shared.connections.tend(), self.shared.renew_tokens());
    }

    /// True while the endpoint is left alone because it failed again and again: sending to it would be refused.
    pub fn is_open(&self, endpoint: &Endpoint) -> bool {
        self.shared
            .known(endpoint)
            .is_some_and(|route| route.health.breaker.is_open(Instant::now()))
    }

    /// True while others are better asked: its breaker is open, it said when to come again, or it refused our key. It may
    /// still be asked, where there is nobody else.
    pub fn rests(&self, endpoint: &Endpoint) -> bool {
        let known = self.shared.known(endpoint);
        known.is_some_and(|route| {
            let now = Instant::now();
            route.health.breaker.is_open(now) || route.health.rest.holds(now)
        })
    }

    async fn attempt(
        &self,
        outbound: &Outbound,
        route: &Route,
        body: Bytes,
        total: Deadline,
        calls: &mut u32,
    ) -> Result<Reply, UpstreamError> {
        let endpoint = outbound.endpoint();
        let payload = outbound.payload();
        let address = route
            .address
            .as_ref()
            .map_err(|wrong| UpstreamError::unreachable(Lost::Connecting, *wrong))?;
        let patience = route.health.patience(&endpoint.timeouts);
        let first = Deadline::after(Instant::now(), patience, "first_token").or_sooner(total);
        let speech = Speech::of(endpoint, payload);
        let asked = Asked {
            form: speech.spoken(),
            stream: payload.stream,
            betas: payload.surface.betas.as_deref(),
        };
        let mut alarm = Alarm::new();
        let answer = alarm.wait(first, address.post(body, asked, calls)).await;
        let response = answer.map_err(UpstreamError::timed_out)??;
        let settings = &self.shared.settings;
        if let Some(error) = refusal(&response) {
            let (most, form) = (settings.max_event_bytes, speech.spoken());
            let read = transport::error_reply(response, form, most, endpoint);
            return Err(match error {
                Some(garbled) => garbled,
                None => match alarm.wait(first, read).await {
                    Ok(reply) => {
                        let reply = transport::guarded(reply, &secrets(endpoint, address));
                        UpstreamError::Answered(Box::new(reply))
                    }
                    Err(which) => UpstreamError::timed_out(which),
                },
            });
        }
        let reading = Reading {
            max_event_bytes: settings.max_event_bytes,
            max_whole_bytes: settings.max_whole_bytes,
            in_frames: transport::in_frames(endpoint),
            first,
            between: endpoint.timeouts.between_tokens,
            total,
        };
        let mut headers = transport::kept_headers(response.headers(), SystemTime::now());
        if reading.in_frames {
            // What is handed out are events, not frames.
            headers.retain(|(name, _)| name != CONTENT_TYPE);
        }
        let body = if payload.stream && !is_json(&response) {
            body::streamed(response, alarm, reading, speech).await
        } else {
            body::whole(response, alarm, reading, speech).await
        };
        let body = body.map_err(|error| guarded(error, &secrets(endpoint, address)))?;
        route.health.succeeded();
        Ok(Reply {
            headers,
            body,
            attempts: *calls,
        })
    }

    /// Looks whether a server is there and which models it has, in the background: no request waits for this.
    pub async fn look(&self, endpoint: &Endpoint) -> Found {
        let route = self.shared.route(endpoint);
        let found = match &route.address {
            Ok(address) => look::look(address, self.shared.settings.max_event_bytes).await,
            Err(wrong) => Found::Nobody((*wrong).to_owned()),
        };
        route.health.looked(!matches!(found, Found::Nobody(_)));
        found
    }

    /// How long to wait before the same request goes again; `None` when it should not.
    fn wait_before_again(
        &self,
        route: &Route,
        error: &UpstreamError,
        calls: u32,
        total: Deadline,
    ) -> Option<Duration> {
        let settings = &self.shared.settings.retry;
        let now = Instant::now();
        if calls >= settings.max_attempts || route.address.is_err() {
            return None;
        }
        // Nobody listens on this machine: that does not change within a moment, and the next step is waiting.
        if route.is_local && error.found_nobody() {
            return None;
        }
        let wait = match retry::again(error, settings) {
            Again::No => return None,
            Again::Soon => route.health.budget.jittered_wait(),
            Again::After(wait) => wait,
        };
        let in_time = now + wait < total.at;
        let may = in_time && !route.health.breaker.is_open(now) && route.health.budget.withdraw();
        may.then_some(wait)
    }
}

fn finished(
    endpoint: &Endpoint,
    calls: u32,
    outcome: Result<Reply, UpstreamError>,
) -> Result<Reply, UpstreamError> {
    match outcome {
        Ok(reply) => {
            tracing::debug!(upstream = %endpoint.name, attempts = calls, "upstream answers");
            Ok(reply)
        }
        Err(error) => {
            tracing::warn!(upstream = %endpoint.name, code = error.code(), attempts = calls, %error, "upstream failed");
            Err(error.after(calls))
        }
    }
}

/// Whether the head of an answer refuses: with an error of its own (`Some(None)`), or by making no sense.
fn refusal(response: &Response) -> Option<Option<UpstreamError>> {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        return Some(None);
    }
    if status.is_redirection() {
        let detail = format!("it redirects ({status}), and redirects are not followed");
        return Some(Some(UpstreamError::garbled(detail)));
    }
    if status != StatusCode::OK {
        let detail = format!("its status is {status}");
        return Some(Some(UpstreamError::garbled(detail)));
    }
    let encoding = response.headers().get(CONTENT_ENCODING)?;
    (encoding != "identity").then(|| Some(UpstreamError::garbled("it is compressed, unasked")))
}

fn is_json(response: &Response) -> bool {
    let stated = response.headers().get(CONTENT_TYPE);
    stated.is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// An error that came within a stream is kept from repeating our key, like any other.
fn guarded(error: UpstreamError, secrets: &[Secret]) -> UpstreamError {
    match error {
        UpstreamError::Answered(reply) => {
            UpstreamError::Answered(Box::new(transport::guarded(*reply, secrets)))
        }
        UpstreamError::Unreachable { .. }
        | UpstreamError::TimedOut { .. }
        | UpstreamError::Open
        | UpstreamError::NotCarried(_)
        | UpstreamError::Garbled { .. } => error,
    }
}

/// What no answer may repeat.
fn secrets(endpoint: &Endpoint, address: &Address) -> Vec<Secret> {
    let own = endpoint.secrets().cloned();
    own.chain(address.pass().shown()).collect()
}

impl Shared {
    /// Fetches the next token of each endpoint whose token ends soon.
    async fn renew_tokens(&self) {
        loop {
            sleep(LOOK_AT_TOKENS_EVERY).await;
            let routes: Vec<_> = {
                let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
                routes.values().cloned().collect()
            };
            for route in routes {
                if let Ok(address) = &route.address {
                    address.pass().renew().await;
                }
            }
        }
    }

    /// The route of an endpoint that was sent to before, as it is now.
    fn known(&self, endpoint: &Endpoint) -> Option<Arc<Route>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let route = routes.get(&endpoint.name)?;
        route.leads_to(endpoint).then(|| route.clone())
    }

    fn route(&self, endpoint: &Endpoint) -> Arc<Route> {
        if let Some(route) = self.known(endpoint) {
            return route;
        }
        let address = Address::new(endpoint, &self.connections);
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let before = routes.get(&endpoint.name);
        let health = before
            .filter(|route| route.base_url == endpoint.base_url)
            .map_or_else(|| self.new_health(), |route| route.health.clone());
        let is_new_key = |route: &Arc<Route>| {
            route.credential != endpoint.credential || !is_spoken(&route.spoken, endpoint)
        };
        if before.is_some_and(is_new_key) {
            // What was said of the old key is nothing against the new one.
            health.rest.ends();
        }
        let route = Arc::new(Route {
            base_url: endpoint.base_url.clone(),
            credential: endpoint.credential.clone(),
            spoken: spoken(endpoint),
            connect: endpoint.timeouts.connect,
            is_local: endpoint.tier == Tier::Local,
            address,
            health,
        });
        routes.insert(endpoint.name.clone(), route.clone());
        route
    }

    fn new_health(&self) -> Arc<Health> {
        Arc::new(Health {
            breaker: Breaker::new(self.settings.breaker),
            budget: RetryBudget::new(self.settings.retry.budget_ratio),
            rest: Rest::default(),
            is_warm: AtomicBool::new(false),
            looks_in_vain: AtomicU32::new(0),
        })
    }
}

impl Route {
    fn leads_to(&self, endpoint: &Endpoint) -> bool {
        self.base_url == endpoint.base_url
            && self.credential == endpoint.credential
            && is_spoken(&self.spoken, endpoint)
            && self.connect == endpoint.timeouts.connect
            && self.is_local == (endpoint.tier == Tier::Local)
    }
}

/// Whether an endpoint is spoken to like this. Asked for every request, so nothing is copied.
fn is_spoken(spoken: &Spoken, endpoint: &Endpoint) -> bool {
    let (dialect, also, auth, cloud) = spoken;
    let in_cloud = match (cloud, &endpoint.cloud) {
        (Some((cloud, model)), Some(now)) => cloud == now && *model == endpoint.upstream_model,
        (None, None) => true,
        _ => false,
    };
    in_cloud && (*dialect, *auth) == (endpoint.dialect, endpoint.auth) && *also == endpoint.also
}

/// The API, the forms of it, the header for the key, and the cloud, where the model stands in the path: what else an
/// address is made of.
type Spoken = (
    Dialect,
    BTreeSet<Form>,
    AuthHeader,
    Option<(Cloud, Arc<str>)>,
);

fn spoken(endpoint: &Endpoint) -> Spoken {
    let cloud = endpoint.cloud.clone();
    let cloud = cloud.map(|cloud| (cloud, endpoint.upstream_model.clone()));
    (
        endpoint.dialect,
        endpoint.also.clone(),
        endpoint.auth,
        cloud,
    )
}

impl Health {
    fn succeeded(&self) {
        self.breaker.succeeded();
        self.budget.succeeded();
        self.rest.ends();
        self.is_warm.store(true, Ordering::Relaxed);
    }

    /// How long to wait for the first content.
    fn patience(&self, timeouts: &Timeouts) -> Duration {
        match timeouts.cold_start {
            Some(patience) if !self.is_warm.load(Ordering::Relaxed) => patience,
            Some(_) | None => timeouts.first_token,
        }
    }

    /// Takes in what a look found. A server that two looks in a row did not find is left alone until one finds it, so that
    /// no request waits for a machine that is switched off; one that is back is asked again at once.
    fn looked(&self, is_there: bool) {
        if is_there {
            if self.looks_in_vain.swap(0, Ordering::Relaxed) >= LOOKS_IN_VAIN {
                self.breaker.succeeded();
            }
            return;
        }
        self.is_warm.store(false, Ordering::Relaxed);
        if self.looks_in_vain.fetch_add(1, Ordering::Relaxed) + 1 >= LOOKS_IN_VAIN {
            self.breaker.trip(Instant::now());
        }
    }

    /// A refusal of this request, this key or this rate shows that the endpoint lives, so the breaker takes it as a
    /// success; the retry budget does not.
    fn note(&self, error: &UpstreamError, is_first: bool) {
        let now = Instant::now();
        self.rest.note(error, now);
        if error.is_endpoint_failing() {
            if error.found_nobody() {
                self.is_warm.store(false, Ordering::Relaxed);
            }
            self.breaker.failed(now);
        } else {
            self.breaker.succeeded();
        }
        if is_first {
            self.budget.failed();
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry: RetrySettings::default(),
            breaker: BreakerSettings::default(),
            max_event_bytes: 1 << 20,
            max_whole_bytes: 64 << 20,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}
