//! One generation of what a reload replaces: the policy that acts, the one beside it, and the one for some callers.

use super::encoder::measures_with;
use super::engines::Engines;
use super::own::own_heads;
use super::scan::searching;
use super::{Models, Unkept, desks, promise_in_words};
use crate::config;
use crate::ledger;
use crate::pipeline::{Canary, Generation, Shadow};
use crate::policy::{Policy, Privacy};
use crate::signals::Reader;
use std::sync::Arc;

/// Makes a generation of these settings; `models` and what `stays` names stay through all of them, and `unkept` says which promises
/// nothing keeps.
pub(super) fn generation(
    settings: &config::Settings,
    models: &Models,
    stays: (&Reader, &Engines),
    unkept: &[Unkept],
) -> anyhow::Result<Generation> {
    let (reader, engines) = stays;
    // In `mode: shadow` this file's own policy is the one beside what serves.
    let served = settings.served();
    let beside = served.as_ref().map(|_| settings);
    let shadow = beside.or(settings.shadow.as_deref());
    let shadow = shadow
        .map(|shadow| {
            anyhow::Ok(Shadow {
                policy: Policy::new(shadow.policy.clone()),
                desks: desks(&shadow.desks, models)?,
            })
        })
        .transpose()?;
    let canary = settings.canary.as_ref();
    let canary = canary
        .map(|canary| {
            anyhow::Ok(Canary {
                share: canary.share.clone(),
                generation: Arc::new(generation(&canary.settings, models, stays, unkept)?),
            })
        })
        .transpose()?;
    let looked_for = looked_for(settings);
    let searching = searching(reader, &looked_for)?;
    let own = own_heads(&settings.topics, reader, models.encoder.as_ref())?;
    let signals = searching.with_own(own);
    let unkept = unkept.iter().find(|one| one.file == settings.source.file);
    Ok(Generation {
        promise: match served {
            Some(_) => None,
            None => promise_in_words(settings, unkept),
        },
        policy: Policy::new(served.unwrap_or_else(|| settings.policy.clone())),
        desks: desks(&settings.desks, models)?,
        engines: engines.generators(&settings.engines)?,
        detectors: ledger::detectors(&looked_for.detectors),
        measured_by: measures_with(&signals),
        signals,
        handoff: settings.handoff.clone(),
        shadow,
        canary,
    })
}

/// What the policy that acts looks for in texts, and the one beside it.
fn looked_for(settings: &config::Settings) -> Privacy {
    let mut privacy = settings.policy.privacy.clone();
    if let Some(shadow) = &settings.shadow {
        privacy.detectors.extend(&shadow.policy.privacy.detectors);
        let raises = shadow.policy.privacy.raises.iter().cloned();
        privacy.raises.extend(raises);
    }
    privacy
}

/// True when a policy of these looks at what the encoder measures.
pub(super) fn needs_encoder(settings: &config::Settings) -> bool {
    let all = std::iter::once(settings).chain(settings.beside());
    all.into_iter()
        .any(|one| one.encoder.serve || Policy::new(one.policy.clone()).wanted().needs_encoder())
}
