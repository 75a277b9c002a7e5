//! Which policy holds for a caller, of a file that has others beside it.

use crate::config::Settings;

/// The settings that hold for a caller, the shadow beside them, and whether they are the canary's.
pub(super) fn acting(
    mut settings: Settings,
    caller: &str,
) -> (Settings, Option<Box<Settings>>, bool) {
    match settings.canary.take() {
        Some(canary) if canary.share.takes(caller) => (*canary.settings, None, true),
        Some(_) | None => {
            let shadow = settings.shadow.take();
            (settings, shadow, false)
        }
    }
}
