//! Clients: an ordinary one, and one that sends and sees raw bytes.

use super::Gateway;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer, whole.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error's code.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A chat completion request with one user message.
pub(crate) fn chat_body(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// Asks one question of model `auto`.
pub(crate) async fn chat(gateway: &Gateway, text: &str) -> Reply {
    ask(gateway, &[], chat_body("auto", text).to_string()).await
}

/// Sends a body to the chat completions and reads the whole answer.
pub(crate) async fn ask(
    gateway: &Gateway,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Reply {
    ask_at(gateway, "/v1/chat/completions", headers, body).await
}

/// Sends a body to this path and reads the whole answer.
pub(crate) async fn ask_at(
    gateway: &Gateway,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Reply {
    // Fails only where one is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let mut request = client
        .post(gateway.url(path))
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request
        .body(body)
        .timeout(Duration::from_secs(60))
        .send()
        .await
        .unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply {
        status,
        headers,
        body: response.bytes().await.unwrap().to_vec(),
    }
}

/// Sends raw bytes on a new connection and reads until the other side closes or is silent for two seconds.
pub(crate) async fn raw(gateway: &Gateway, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    // A gateway that refuses early may close before all is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    while let Ok(Ok(count)) =
        tokio::time::timeout(Duration::from_secs(2), stream.read_buf(&mut answer)).await
    {
        if count == 0 {
            break;
        }
    }
    answer
}
