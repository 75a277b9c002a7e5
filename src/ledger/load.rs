//! How many requests are under way at each endpoint.

use crate::policy::InFlight;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Requests under way by endpoint. A handle: clones share the counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Loads(Arc<RwLock<BTreeMap<Arc<str>, Arc<AtomicU32>>>>);

/// One request under way at an endpoint, until this is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<AtomicU32>);

impl Loads {
    /// Counts a request from now on.
    pub(super) fn begin(&self, endpoint: &Arc<str>) -> UnderWay {
        let count = self.count(endpoint);
        count.fetch_add(1, Ordering::Relaxed);
        UnderWay(count)
    }

    /// The endpoints that have any.
    pub(super) fn seen(&self) -> Vec<InFlight> {
        let counts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let busy = counts.iter().filter_map(|(endpoint, count)| {
            let requests = count.load(Ordering::Relaxed);
            (requests > 0).then(|| InFlight {
                endpoint: endpoint.clone(),
                requests,
            })
        });
        busy.collect()
    }

    /// Endpoints come out of configs, so there are few and none is ever taken out.
    fn count(&self, endpoint: &Arc<str>) -> Arc<AtomicU32> {
        let counts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get(endpoint) {
            return count.clone();
        }
        drop(counts);
        let mut counts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        counts.entry(endpoint.clone()).or_default().clone()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_counted_until_it_is_dropped() {
        let loads = Loads::default();
        let (gpt, own): (Arc<str>, Arc<str>) = ("gpt".into(), "own".into());
        let first = loads.begin(&gpt);
        let second = loads.begin(&gpt);
        drop(loads.begin(&own));
        let seen = |requests| {
            let endpoint = gpt.clone();
            vec![InFlight { endpoint, requests }]
        };
        assert_eq!(loads.seen(), seen(2));
        drop(first);
        assert_eq!(loads.seen(), seen(1));
        drop(second);
        assert_eq!(loads.seen(), []);
    }
}
