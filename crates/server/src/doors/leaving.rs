//! WebRTC sessions of publishers, until their seats are free: who ends one may come back as soon as it has its answer.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::watch;

/// The sessions by their names. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Leaving(Arc<Mutex<HashMap<String, watch::Receiver<()>>>>);

/// A session that has its seat, until this is dropped.
#[derive(Debug)]
pub(super) struct Seated {
    leaving: Leaving,
    name: String,
    _stays: watch::Sender<()>,
}

impl Leaving {
    /// A session of that name has its seat.
    pub(super) fn enter(&self, name: &str) -> Seated {
        let (stays, left) = watch::channel(());
        self.0.lock().insert(name.to_owned(), left);
        Seated {
            leaving: self.clone(),
            name: name.to_owned(),
            _stays: stays,
        }
    }

    /// Waits until the session of that name has left its seat; not at all, if there is none.
    pub(super) fn left(&self, name: &str) -> impl Future<Output = ()> + use<> {
        let left = self.0.lock().get(name).cloned();
        async move {
            if let Some(mut left) = left {
                // Nothing is ever said but that it is over.
                let _ = left.changed().await;
            }
        }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.leaving.0.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn who_ends_a_session_waits_until_its_seat_is_free() {
        let leaving = Leaving::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(pin!(leaving.left("a")).poll(&mut cx), Poll::Ready(()));
        let seated = leaving.enter("a");
        let mut left = pin!(leaving.left("a"));
        assert_eq!(left.as_mut().poll(&mut cx), Poll::Pending);
        drop(seated);
        assert_eq!(left.poll(&mut cx), Poll::Ready(()));
        assert!(leaving.0.lock().is_empty());
    }
}
