//! A look at a server of the operator's own: is it there, and which models does it have?
//!
//! `GET /models` below its address, as Ollama, LM Studio, llama.cpp, vLLM and Triton's front serve it. Nothing of any request
//! goes with it.

use super::error::UpstreamError;
use super::line::Response;
use super::transport::Address;
use http::StatusCode;
use serde::Deserialize;
use std::time::Duration;

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there, and these are its models.
    Models(Vec<String>),
    /// It is there and does not say which models it has.
    Silent,
    /// There is nobody; the cause, for the log.
    Nobody(String),
}

#[derive(Deserialize)]
struct List {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
}

/// A server that takes longer is busy, not away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ollama's name for the version of a model that is meant where none is said.
const USUAL_VERSION: &str = ":latest";

impl Found {
    /// False where the server is there and its list lacks the model; without a list nobody can tell.
    pub fn has(&self, model: &str) -> bool {
        let Self::Models(models) = self else {
            return true;
        };
        let bare = |name: &str| name.strip_suffix(USUAL_VERSION).unwrap_or(name).to_owned();
        models.iter().any(|listed| bare(listed) == bare(model))
    }
}

pub(super) async fn look(address: &Address, max_bytes: usize) -> Found {
    let answer = tokio::time::timeout(PATIENCE, async {
        let response = address.list_models().await?;
        Ok::<_, UpstreamError>(models(response, max_bytes).await)
    });
    match answer.await {
        Ok(Ok(Some(models))) => Found::Models(models),
        Ok(Ok(None)) | Err(_) => Found::Silent,
        Ok(Err(failure)) if failure.found_nobody() => Found::Nobody(failure.to_string()),
        Ok(Err(_)) => Found::Silent,
    }
}

async fn models(mut response: Response, max_bytes: usize) -> Option<Vec<String>> {
    if response.status() != StatusCode::OK {
        return None;
    }
    let mut text = Vec::new();
    while let Some(piece) = response.chunk().await.ok()? {
        if text.len() + piece.len() > max_bytes {
            return None;
        }
        text.extend_from_slice(&piece);
    }
    let list: List = serde_json::from_slice(&text).ok()?;
    Some(list.data.into_iter().map(|model| model.id).collect())
}

#[cfg(test)]
mod tests {
    use super::Found;

    #[test]
    fn a_model_is_known_with_and_without_its_usual_version() {
        let found = Found::Models(vec!["llama3:latest".into(), "qwen2.5:0.5b".into()]);
        assert!(found.has("llama3") && found.has("llama3:latest") && found.has("qwen2.5:0.5b"));
        assert!(!found.has("qwen2.5") && !found.has("llama"));
        assert!(Found::Silent.has("anything"));
    }
}
