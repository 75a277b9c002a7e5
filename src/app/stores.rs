//! The stores that replicas share, and the tasks that keep them going.

use crate::cache::{self, Keeping};
use crate::config;
use crate::ledger::{OnStoreError, Replicas, Settling};
use crate::shared::{Counts, Store};
use anyhow::Context;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The last settlements have so long to reach their store at shutdown.
const LAST_WORD: Duration = Duration::from_secs(3);

/// What replicas share, with tasks that do not run yet.
#[derive(Default)]
pub(super) struct Stores {
    budgets: Option<(Store, Settling)>,
    answers: Option<(Store, Keeping)>,
}

/// The tasks, running.
pub(super) struct Running {
    settled: CancellationToken,
    settling: Option<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
}

impl Stores {
    /// Budgets that replicas count together, where the settings say so.
    pub(super) fn budgets(
        &mut self,
        settings: Option<&config::SharedBudgets>,
    ) -> anyhow::Result<Option<Replicas>> {
        let Some(shared) = settings else {
            return Ok(None);
        };
        let store = Store::new(&shared.store).context("`cost.shared.redis.url`")?;
        let (replicas, settling) =
            Replicas::new(store.clone(), shared.name.clone(), shared.on_error);
        if shared.on_error == OnStoreError::Local {
            tracing::info!("while the shared store fails, this process counts budgets for itself");
        }
        self.budgets = Some((store, settling));
        Ok(Some(replicas))
    }

    /// Answers that replicas share, where the settings say so.
    pub(super) fn answers(
        &mut self,
        settings: &config::CacheSettings,
        kept: &cache::Settings,
    ) -> anyhow::Result<Option<cache::SharedCache>> {
        let Some(shared) = settings
            .shared
            .as_ref()
            .filter(|_| settings.exact.is_some())
        else {
            return Ok(None);
        };
        let store = Store::new(&shared.store).context("`cache.shared.redis.url`")?;
        let (cache, keeping) =
            cache::SharedCache::new(store.clone(), kept.ttl, kept.max_entry_bytes);
        self.answers = Some((store, keeping));
        Ok(Some(cache))
    }

    /// How each store fares, by what it is for.
    pub(super) fn counts(&self) -> Vec<(&'static str, Counts)> {
        let budgets = self.budgets.iter().map(|(store, _)| ("budgets", store));
        let answers = self.answers.iter().map(|(store, _)| ("cache", store));
        budgets
            .chain(answers)
            .map(|(name, store)| (name, store.counts().clone()))
            .collect()
    }

    /// Starts the tasks.
    pub(super) fn run(self) -> Running {
        let settled = CancellationToken::new();
        let tasks = TaskTracker::new();
        let mut others = Vec::new();
        let mut tend = |store: Store| others.push(tasks.spawn(async move { store.tend().await }));
        let settling = self.budgets.map(|(store, settling)| {
            tend(store);
            tasks.spawn(settling.run(settled.clone().cancelled_owned()))
        });
        let keeping = self.answers.map(|(store, keeping)| {
            tend(store);
            tasks.spawn(keeping.run())
        });
        others.extend(keeping);
        Running {
            settled,
            settling,
            others,
        }
    }
}

impl Running {
    /// Tells the store what requests have cost, and ends. No request may be on its way any more.
    pub(super) async fn finish(self) {
        self.settled.cancel();
        if let Some(settling) = self.settling {
            // What is not told in time is told by the next process that has this one's book.
            let _ = tokio::time::timeout(LAST_WORD, settling).await;
        }
        self.others.iter().for_each(JoinHandle::abort);
    }
}
