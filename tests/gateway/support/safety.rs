//! What the tests of data safety share: a client that is made once, a tap that keeps every byte, and waiting.

use super::{Act, Gateway, Reply, StandIn, chat_body, completion};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A client for many requests to one gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender {
    client: reqwest::Client,
    base: String,
}

impl Sender {
    pub(crate) fn to(gateway: &Gateway) -> Self {
        // Fails only where one is installed already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // An idle connection is let go before the gateway closes it, or a request could be sent on one just closed.
        let client = reqwest::Client::builder()
            .no_proxy()
            .pool_idle_timeout(Duration::from_secs(2))
            .build()
            .unwrap();
        let base = gateway.url("");
        Self { client, base }
    }

    /// Posts to the chat completions. A body that breaks off is given as far as it came.
    pub(crate) async fn chat(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Reply {
        self.try_chat(headers, body).await.unwrap()
    }

    /// The same to a gateway that may be gone.
    pub(crate) async fn try_chat(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Result<Reply> {
        let url = format!("{}/v1/chat/completions", self.base);
        let mut request = self.client.post(url);
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).timeout(Duration::from_secs(60));
        Ok(whole(request.send().await?).await)
    }

    /// Gets a page.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let url = format!("{}{path}", self.base);
        whole(self.client.get(url).send().await.unwrap()).await
    }
}

async fn whole(mut response: reqwest::Response) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
    }
    Reply {
        status,
        headers,
        body,
    }
}

/// A wire with a listener on it: passes bytes on to an address and keeps all that came from the near side, those of
/// requests that never became whole included.
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    _tasks: JoinSet<()>,
}

impl Tap {
    pub(crate) async fn before(far: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let mut tasks = JoinSet::new();
        let kept = heard.clone();
        tasks.spawn(async move {
            let mut wires = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                wires.spawn(pass_on(near, far, kept.clone()));
            }
        });
        Self {
            address,
            heard,
            _tasks: tasks,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every byte so far.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}

async fn pass_on(near: TcpStream, far: SocketAddr, heard: Arc<Mutex<Vec<u8>>>) {
    let far = TcpStream::connect(far).await.unwrap();
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) =
        (near.into_split(), far.into_split());
    let there = async {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_near.read(&mut piece).await {
            heard.lock().unwrap().extend_from_slice(&piece[..count]);
            if to_far.write_all(&piece[..count]).await.is_err() {
                break;
            }
        }
        let _ = to_far.shutdown().await;
    };
    let back = async {
        let _ = tokio::io::copy(&mut from_far, &mut to_near).await;
        let _ = to_near.shutdown().await;
    };
    tokio::join!(there, back);
}

/// True when the bytes hold this text.
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Waits until something is so; fails after ten seconds.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "still not so after ten seconds: {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Puts another configuration in place and waits until it holds; gives the stamp of the policy that now holds.
pub(crate) async fn reloaded(gateway: &Gateway, rest: &str) {
    let times = |log: &str| log.matches("reloaded").count();
    let before = times(&gateway.log());
    gateway.reload(rest);
    until("the new configuration holds", || {
        times(&gateway.log()) > before
    })
    .await;
}

/// The status of a raw answer's first response; `None` where there was none.
pub(crate) fn status_of(answer: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(answer);
    text.strip_prefix("HTTP/1.1 ")
        .or_else(|| text.strip_prefix("HTTP/1.0 "))?
        .get(..3)?
        .parse()
        .ok()
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// One remote model with these timeouts, and more of a configuration.
pub(crate) fn one(stand_in: &StandIn, timeouts: &str, more: &str) -> String {
    let url = stand_in.base_url();
    format!(
        r#"models:
  - {{name: remote, tier: remote, upstream: {{base_url: "{url}", model: m}}, timeouts: {{{timeouts}}}}}
{more}
"#
    )
}

/// Two remote models, the first at one stand-in and the second at another.
pub(crate) fn two(first: &StandIn, second: &StandIn, timeouts: &str, more: &str) -> String {
    let (first, second) = (first.base_url(), second.base_url());
    format!(
        r#"models:
  - {{name: first, tier: remote, upstream: {{base_url: "{first}", model: m}}, timeouts: {{{timeouts}}}}}
  - {{name: second, tier: remote, upstream: {{base_url: "{second}", model: m}}}}
{more}
"#
    )
}

pub(crate) fn hello() -> String {
    chat_body("auto", "hello").to_string()
}

pub(crate) async fn answering() -> StandIn {
    StandIn::always(Act::Answer(200, "", completion("yes"))).await
}

/// A request written by hand: its head after the request line and `host`, and its body.
pub(crate) fn by_hand(head: &str, body: &str) -> Vec<u8> {
    format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{head}\r\n{body}").into_bytes()
}
