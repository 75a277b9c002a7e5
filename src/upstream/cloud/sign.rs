//! AWS Signature Version 4, by the SDK's own crate, over the digest of the very body that is sent.

use crate::domain::AwsKeys;
use crate::upstream::error::{Lost, UpstreamError};
use crate::upstream::line::Asking;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue};
use ring::digest::{Context, SHA256};
use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

/// The service's name in what is signed, for the model's answers at `bedrock-runtime` too.
const SERVICE: &str = "bedrock";

/// What is digested at a stretch, in bytes. Between two of them others on the thread have their turn.
const STRETCH: usize = 256 << 10;

/// Headers of ours that a signature covers beside its own; whatever is between may change the rest.
const COVERED: [HeaderName; 2] = [HOST, CONTENT_TYPE];

/// Signs requests with one pair of keys, for one region.
pub(in crate::upstream) struct Signer {
    credentials: Credentials,
    region: Arc<str>,
}

impl Signer {
    pub(super) fn new(keys: &AwsKeys) -> Self {
        let session = keys.session_token.as_ref();
        Self {
            credentials: Credentials::new(
                keys.access_key_id.reveal(),
                keys.secret_access_key.reveal(),
                session.map(|token| token.reveal().to_owned()),
                None,
                "firstline",
            ),
            region: keys.region.clone(),
        }
    }

    /// Puts the headers of a signature on a request. `digest` is that of its body, in hexadecimal digits.
    pub(super) fn sign(
        &self,
        request: &mut Asking,
        digest: &str,
        now: SystemTime,
    ) -> Result<(), UpstreamError> {
        let headers = self.headers(request, digest, now);
        let headers = headers.map_err(|_| {
            UpstreamError::unreachable(Lost::Connecting, "the request could not be signed")
        })?;
        for (name, value) in headers {
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }

    fn headers(
        &self,
        request: &Asking,
        digest: &str,
        now: SystemTime,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Box<dyn Error>> {
        let header = |name: &HeaderName| {
            let value = request.headers().get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value))
        };
        let covered: Vec<_> = COVERED.iter().filter_map(header).collect();
        let host = covered.first().map_or("", |(_, host)| host);
        let signable = SignableRequest::new(
            request.method().as_str(),
            // The scheme is not part of what is signed.
            format!("https://{host}{}", request.uri()),
            covered.iter().map(|(name, value)| (name.as_str(), *value)),
            SignableBody::Precomputed(digest.to_owned()),
        )?;
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(now)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut signed = Vec::with_capacity(3);
        for header in instructions.into_parts().0 {
            let mut value = HeaderValue::from_str(header.value())?;
            value.set_sensitive(true);
            signed.push((HeaderName::from_static(header.name()), value));
        }
        Ok(signed)
    }
}

/// SHA-256 of a body, in hexadecimal digits. A long one is digested bit by bit.
pub(super) async fn digest(body: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    for (number, stretch) in body.chunks(STRETCH).enumerate() {
        if number > 0 {
            tokio::task::yield_now().await;
        }
        context.update(stretch);
    }
    let digest = context.finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
