//! The key that seals the ids of responses which endpoints keep.

use crate::config::ServerSettings;
use crate::domain::SealKey;
use anyhow::anyhow;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

/// What the secret is digested with, so that the same secret used elsewhere gives no key of this kind.
const USE: &[u8] = b"firstline, ids of kept responses, 1\0";

/// The key of the operator's secret, or one that is this process's alone.
pub(super) fn key(settings: &ServerSettings) -> anyhow::Result<SealKey> {
    if let Some(secret) = &settings.response_key {
        let digest = Sha256::new_with_prefix(USE).chain_update(secret.reveal());
        return Ok(SealKey::new(digest.finalize().into()));
    }
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| anyhow!("the system gives no random bytes to seal ids with"))?;
    Ok(SealKey::new(bytes))
}
