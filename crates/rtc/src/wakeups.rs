//! Which sessions have something to send: each has a waker of its own, and the one task learns who was woken.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use tokio::sync::Notify;

/// The sessions that were woken.
#[derive(Default)]
pub(crate) struct Wakeups {
    woken: Mutex<Vec<Arc<Bell>>>,
    notify: Notify,
}

/// What wakes one session.
pub(crate) struct Bell {
    session: u64,
    rung: AtomicBool,
    wakeups: Arc<Wakeups>,
}

impl Wakeups {
    /// A waker for the session.
    pub(crate) fn waker(self: &Arc<Self>, session: u64) -> Waker {
        Waker::from(Arc::new(Bell {
            session,
            rung: AtomicBool::new(false),
            wakeups: Arc::clone(self),
        }))
    }

    /// Waits until a session was woken.
    pub(crate) async fn any(&self) {
        self.notify.notified().await;
    }

    /// The sessions that were woken since the last call.
    pub(crate) fn take(&self) -> Vec<u64> {
        let woken = std::mem::take(&mut *self.woken.lock());
        woken
            .into_iter()
            .map(|bell| {
                bell.rung.store(false, Ordering::Release);
                bell.session
            })
            .collect()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        self.wakeups.woken.lock().push(Arc::clone(self));
        self.wakeups.notify.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_that_is_woken_twice_is_named_once_and_can_be_woken_again() {
        let wakeups = Arc::new(Wakeups::default());
        let (one, two) = (wakeups.waker(1), wakeups.waker(2));
        one.wake_by_ref();
        one.wake_by_ref();
        two.wake();
        wakeups.any().await;
        assert_eq!(wakeups.take(), [1, 2]);
        assert!(wakeups.take().is_empty());
        one.wake();
        wakeups.any().await;
        assert_eq!(wakeups.take(), [1]);
    }
}
