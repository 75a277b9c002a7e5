//! A stable share of callers, for a policy that is tried on some of them first.

use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A share of callers, chosen by a digest of each name: the same ones in every process, for as long as the salt stays.
/// A larger share takes all that a smaller one with the same salt took.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    part: f64,
    salt: Arc<str>,
}

impl Share {
    /// This part of all callers, 0 to 1; another salt takes other ones.
    pub fn new(part: f64, salt: impl Into<Arc<str>>) -> Self {
        Self {
            part,
            salt: salt.into(),
        }
    }

    /// True when this caller is in the share.
    pub fn takes(&self, caller: &str) -> bool {
        let digest = Sha256::new()
            .chain_update(self.salt.as_bytes())
            // No name holds it, so that no salt and name run into another pair of them.
            .chain_update([0])
            .chain_update(caller)
            .finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        (u64::from_be_bytes(first) as f64) < self.part * u64::MAX as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(share: &Share) -> Vec<String> {
        let names = (0..10_000).map(|number| format!("caller-{number}"));
        names.filter(|name| share.takes(name)).collect()
    }

    #[test]
    fn about_the_share_is_taken_and_the_same_each_time() {
        let share = Share::new(0.1, "autumn");
        let callers = taken(&share);
        // Five standard deviations of a fair draw.
        assert!((850..=1150).contains(&callers.len()), "{}", callers.len());
        assert_eq!(callers, taken(&share));
    }

    #[test]
    fn a_larger_share_keeps_whom_the_smaller_had() {
        let (small, large) = (Share::new(0.05, "a"), Share::new(0.5, "a"));
        assert!(taken(&small).iter().all(|name| large.takes(name)));
    }

    #[test]
    fn another_salt_takes_others() {
        let (one, other) = (Share::new(0.1, "a"), Share::new(0.1, "b"));
        let both = taken(&one).iter().filter(|name| other.takes(name)).count();
        assert!(both < 200, "{both} in both");
    }

    #[test]
    fn nobody_and_everybody_can_be_meant() {
        assert!(taken(&Share::new(0.0, "a")).is_empty());
        assert_eq!(taken(&Share::new(1.0, "a")).len(), 10_000);
    }
}
