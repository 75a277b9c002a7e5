//! Clouds in which models stand: how they know us, where they want requests, how they frame streams and word errors.
//!
//! Promises: a signature covers the bytes that are sent, and each try has its own; a token is fetched by one request at a
//! time, ahead of its end, over connections like any other; neither is ever logged.

mod faults;
mod frames;
mod jwt;
mod paths;
mod sign;
mod tokens;

pub(super) use faults::in_our_words;
pub(super) use frames::Frames;
pub(super) use paths::paths;

use super::error::UpstreamError;
use super::line::Asking;
use super::pool::Connections;
use crate::domain::{Cloud, Endpoint, Form, Secret, ServiceAccount};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use sign::Signer;
use std::sync::Arc;
use std::time::SystemTime;
use tokens::{Token, Tokens};
use tokio::time::Instant;

/// How an endpoint knows us.
pub(super) enum Pass {
    /// By headers that never change.
    Standing,
    /// By a signature over each request.
    Signed(Box<Signer>),
    /// By a token that ends.
    Token(Box<Tokens>),
}

/// What one request bears beside its standing headers.
pub(super) enum Bearing<'a> {
    Nothing,
    /// The digest of its body, for whoever signs.
    Digest(&'a Signer, String),
    Token(Arc<Token>),
}

impl Pass {
    /// The error says what is wrong with the account's key.
    pub(super) fn new(
        endpoint: &Endpoint,
        connections: &Connections,
    ) -> Result<Self, &'static str> {
        Ok(match &endpoint.cloud {
            Some(Cloud::Bedrock(Some(keys))) => Self::Signed(Box::new(Signer::new(keys))),
            Some(Cloud::Vertex(account)) => {
                let connect = endpoint.timeouts.connect;
                Self::Token(Box::new(Tokens::new(account, connections, connect)?))
            }
            Some(Cloud::Bedrock(None)) | None => Self::Standing,
        })
    }

    /// What a request with this body is to bear: a token may have to be waited for.
    pub(super) async fn ready(
        &self,
        body: &Bytes,
        form: Form,
    ) -> Result<Bearing<'_>, UpstreamError> {
        Ok(match self {
            Self::Standing => Bearing::Nothing,
            Self::Signed(signer) => Bearing::Digest(signer, sign::digest(body).await),
            Self::Token(tokens) => {
                let token = tokens.token().await;
                Bearing::Token(token.map_err(|fault| fault.into_error(form))?)
            }
        })
    }

    /// The endpoint refused this (401). True where another one may be had and may do better: a token that was good before.
    pub(super) fn may_renew(&self, bearing: &Bearing<'_>) -> bool {
        match (self, bearing) {
            (Self::Token(tokens), Bearing::Token(token)) => tokens.refused(token, Instant::now()),
            _ => false,
        }
    }

    /// Fetches the next token, where the one there is ends soon and was used.
    pub(super) async fn renew(&self) {
        if let Self::Token(tokens) = self {
            tokens.renew(Instant::now()).await;
        }
    }

    /// The secret that was last sent, so that no answer repeats it.
    pub(super) fn shown(&self) -> Option<Secret> {
        match self {
            Self::Token(tokens) => tokens.held(),
            Self::Standing | Self::Signed(_) => None,
        }
    }
}

impl Bearing<'_> {
    /// Puts it on a request whose path and headers stand. A signature is made now, for this one alone.
    pub(super) fn put_on(&self, request: &mut Asking) -> Result<(), UpstreamError> {
        match self {
            Self::Nothing => {}
            Self::Digest(signer, digest) => signer.sign(request, digest, SystemTime::now())?,
            Self::Token(token) => {
                let value = token.header.clone();
                request.headers_mut().insert(AUTHORIZATION, value);
            }
        }
        Ok(())
    }

    /// The endpoint took it.
    pub(super) fn was_taken(&self) {
        if let Self::Token(token) = self {
            token.was_taken();
        }
    }
}

/// Whether an account's key can sign.
///
/// # Errors
/// What is wrong with it, without any of it.
pub fn check_account(account: &ServiceAccount) -> Result<(), &'static str> {
    jwt::key_of(account).map(drop)
}
