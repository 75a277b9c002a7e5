//! How an endpoint in a cloud knows us, where that is no key in a header.

use super::Secret;
use std::sync::Arc;

/// The cloud in which an endpoint stands, where it wants the requests of its own kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon Bedrock. Without keys every request bears the endpoint's credential, a Bedrock API key.
    Bedrock(Option<AwsKeys>),
    /// Google Vertex AI.
    Vertex(ServiceAccount),
}

/// What signs requests to AWS (Signature Version 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// The region that is signed for: `eu-central-1`.
    pub region: Arc<str>,
    /// Says whose signature it is. It is sent, and no secret to AWS, but nothing to print either.
    pub access_key_id: Secret,
    /// Signs, and is never sent.
    pub secret_access_key: Secret,
    /// Belongs to keys that end: it is sent beside the signature.
    pub session_token: Option<Secret>,
}

/// A service account of Google's: it signs for itself, and is given tokens that end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its name, an address of electronic mail.
    pub email: Arc<str>,
    /// Which of its keys this is, where its file says.
    pub key_id: Option<Arc<str>>,
    /// The RSA key in PKCS #8, as PEM.
    pub private_key: Secret,
    /// Where a signed word is exchanged for a token.
    pub token_uri: Arc<str>,
}

impl Cloud {
    /// Every secret in it.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let (signs, goes_along) = match self {
            Self::Bedrock(Some(keys)) => {
                (Some(&keys.secret_access_key), keys.session_token.as_ref())
            }
            Self::Vertex(account) => (Some(&account.private_key), None),
            Self::Bedrock(None) => (None, None),
        };
        signs.into_iter().chain(goes_along)
    }

    /// Bedrock, in whichever way it knows us.
    pub fn is_bedrock(&self) -> bool {
        matches!(self, Self::Bedrock(_))
    }
}
