//! A queue with a bound that takes no room for what has not come.
//!
//! The standard library's bounded channel makes all its places when it is made: of two that may hold 65,536 each, 17 MB that hardly
//! any gateway ever uses. This one is the unbounded channel, and a count beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// Where things are put in. A handle; cheap to clone.
#[derive(Debug)]
pub(super) struct Inlet<T> {
    sender: Sender<T>,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

/// Where they come out, in the order in which they were put in.
#[derive(Debug)]
pub(super) struct Outlet<T> {
    receiver: Receiver<T>,
    waiting: Arc<AtomicUsize>,
}

/// Why something was not put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many wait as may.
    Full,
    /// Nobody takes anything out any more.
    Gone,
}

/// A queue in which so many may wait, and one at least.
pub(super) fn queue<T>(most: usize) -> (Inlet<T>, Outlet<T>) {
    let (sender, receiver) = mpsc::channel();
    let waiting = Arc::<AtomicUsize>::default();
    let inlet = Inlet {
        sender,
        waiting: waiting.clone(),
        most: most.max(1),
    };
    (inlet, Outlet { receiver, waiting })
}

impl<T> Clone for Inlet<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            waiting: self.waiting.clone(),
            most: self.most,
        }
    }
}

impl<T> Inlet<T> {
    /// Puts it in where there is room.
    pub(super) fn offer(&self, thing: T) -> Result<(), Refused> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Full);
        }
        self.sender.send(thing).map_err(|_| Refused::Gone)
    }

    /// Puts it in behind all that wait, room or not: for the rare word that must not be lost.
    pub(super) fn insist(&self, thing: T) -> Result<(), Refused> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(thing).map_err(|_| Refused::Gone)
    }
}

impl<T> Outlet<T> {
    /// The next one, waited for; `None` when nobody can put anything in any more.
    pub(super) fn next(&self) -> Option<T> {
        self.receiver.recv().ok().map(|thing| self.out(thing))
    }

    /// The next one, where one waits.
    pub(super) fn waiting(&self) -> Option<T> {
        self.receiver.try_recv().ok().map(|thing| self.out(thing))
    }

    /// The next one, waited for this long.
    pub(super) fn next_within(&self, time: Duration) -> Result<T, RecvTimeoutError> {
        let thing = self.receiver.recv_timeout(time)?;
        Ok(self.out(thing))
    }

    fn out(&self, thing: T) -> T {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        thing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_out_in_order_and_one_too_many_is_refused() {
        let (inlet, outlet) = queue(2);
        assert_eq!(inlet.offer(1), Ok(()));
        assert_eq!(inlet.clone().offer(2), Ok(()));
        assert_eq!(inlet.offer(3), Err(Refused::Full));
        assert_eq!(outlet.next(), Some(1));
        assert_eq!(inlet.offer(4), Ok(()));
        assert_eq!((outlet.waiting(), outlet.next()), (Some(2), Some(4)));
        assert_eq!(outlet.waiting(), None);
    }

    #[test]
    fn what_is_insisted_on_goes_in_behind_a_full_queue() {
        let (inlet, outlet) = queue(0);
        assert_eq!(inlet.offer(1), Ok(()));
        assert_eq!(inlet.insist(2), Ok(()));
        assert_eq!(inlet.offer(3), Err(Refused::Full));
        assert_eq!((outlet.next(), outlet.next()), (Some(1), Some(2)));
        assert_eq!(inlet.offer(3), Ok(()));
    }

    #[test]
    fn both_ends_learn_that_the_other_is_gone() {
        let (inlet, outlet) = queue::<u8>(1);
        drop(outlet);
        assert_eq!(inlet.offer(1), Err(Refused::Gone));
        assert_eq!(inlet.insist(1), Err(Refused::Gone));
        let (inlet, outlet) = queue::<u8>(1);
        let short = Duration::from_millis(1);
        assert_eq!(outlet.next_within(short), Err(RecvTimeoutError::Timeout));
        drop(inlet);
        let ended = Err(RecvTimeoutError::Disconnected);
        assert_eq!((outlet.next(), outlet.next_within(short)), (None, ended));
    }

    #[test]
    fn from_many_threads_no_more_get_in_than_may_wait() {
        let (inlet, outlet) = queue(100);
        let taken: usize = std::thread::scope(|scope| {
            let each = |_| {
                let inlet = inlet.clone();
                scope.spawn(move || (0..100).filter(|it| inlet.offer(*it).is_ok()).count())
            };
            let threads: Vec<_> = (0..4).map(each).collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(taken, 100);
        assert_eq!(std::iter::from_fn(|| outlet.waiting()).count(), 100);
    }
}
