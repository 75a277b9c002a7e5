//! A decode thread computes without a pause, and everything else on the machine works for moments: reading requests,
//! measuring them, passing answers on. So it stands back wherever both want a core.

/// How far it stands back, of 19: three others of the usual priority get what it gets.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Lowers the priority of the thread that calls, and of those that it starts from then on. Where the system has priorities
/// for processes alone, nothing changes.
pub(super) fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "a decode thread keeps its priority");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_calls_stands_back() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        let (own, childs) = std::thread::spawn(move || {
            stand_back();
            (priority(), std::thread::spawn(priority).join().unwrap())
        })
        .join()
        .unwrap();
        assert_eq!(own, (before + NICE).min(19));
        assert_eq!(childs, own, "threads of its own stand back with it");
        assert_eq!(priority(), before);
    }
}
