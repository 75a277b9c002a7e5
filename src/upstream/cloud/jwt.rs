//! The word that a service account signs for itself: a JSON Web Token (RFC 7519) with RS256, as RFC 7523 wants it.

use crate::domain::ServiceAccount;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a token is wanted for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long the signed word holds, in seconds: Google's most.
const HOLDS: u64 = 3600;

/// The key of an account.
///
/// # Errors
/// What is wrong with it, without any of it.
pub(super) fn key_of(account: &ServiceAccount) -> Result<RsaKeyPair, &'static str> {
    let pem = account.private_key.reveal().as_bytes();
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem)
        .map_err(|_| "its private_key is no PKCS #8 key in PEM")?;
    RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
        .map_err(|_| "its private_key is no RSA key of 2048 to 4096 bits")
}

/// The word, signed; `None` where the system has no randomness to sign with.
pub(super) fn signed(
    account: &ServiceAccount,
    key: &RsaKeyPair,
    now: SystemTime,
) -> Option<String> {
    let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = &account.key_id {
        header["kid"] = Value::from(&**id);
    }
    let claims = json!({
        "iss": &*account.email,
        "scope": SCOPE,
        "aud": &*account.token_uri,
        "iat": now,
        "exp": now + HOLDS,
    });
    let [header, claims] =
        [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string().as_bytes()));
    let word = format!("{header}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    let random = SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, word.as_bytes(), &mut signature)
        .ok()?;
    Some(format!("{word}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
