//! Which policy holds for a caller, of a file that has others beside it or does not act itself.

use crate::config::Settings;

/// The settings that hold for a caller, the shadow beside them, and whether they are the canary's. In `mode: shadow` the
/// file's own policy is the shadow.
pub(super) fn acting(
    mut settings: Settings,
    caller: &str,
) -> (Settings, Option<Box<Settings>>, bool) {
    if let Some(served) = settings.served() {
        let decided = Box::new(settings.clone());
        settings.policy = served;
        settings.promise = None;
        return (settings, Some(decided), false);
    }
    match settings.canary.take() {
        Some(canary) if canary.share.takes(caller) => (*canary.settings, None, true),
        Some(_) | None => {
            let shadow = settings.shadow.take();
            (settings, shadow, false)
        }
    }
}
