//! Latency: which endpoints are done in time.

use super::Case;
use crate::domain::Endpoint;
use crate::policy::decision::Reason;
use std::time::Duration;

/// Latencies seen count only after this many answers.
const ENOUGH_SAMPLES: u32 = 8;

impl Case<'_> {
    pub(super) fn too_slow(&self, endpoint: &Endpoint) -> Option<Reason> {
        let wanted = self.request.tightening.max_latency?;
        let seen = self
            .standing
            .latencies
            .iter()
            .find(|seen| seen.endpoint == endpoint.name)?;
        let tokens = u32::try_from(self.output_tokens()).unwrap_or(u32::MAX);
        let predicted = seen.first_token
            + seen
                .per_token
                .checked_mul(tokens)
                .unwrap_or(Duration::MAX / 2);
        (seen.samples >= ENOUGH_SAMPLES && predicted > wanted).then_some(Reason::TooSlow)
    }
}
