//! The primitives that the fan-out is built on, which a model checker can replace.
//!
//! With `--cfg abanico_loom` these are loom's: `tests/loom.rs` then tries every order in which a writer and a reader can
//! meet.

#[cfg(not(abanico_loom))]
pub(crate) use self::real::*;

#[cfg(abanico_loom)]
pub(crate) use self::model::*;

pub(crate) use std::sync::{Arc, OnceLock};

#[cfg(not(abanico_loom))]
mod real {
    pub(crate) use futures_util::task::AtomicWaker;
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use tokio::task::yield_now;

    /// Starts a task of its own.
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    /// How many tasks can run at the same moment.
    pub(crate) fn workers() -> usize {
        tokio::runtime::Handle::current().metrics().num_workers()
    }
}

#[cfg(abanico_loom)]
mod model {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

    /// Loom's mutex with the other one's manners.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("no thread of the model panics")
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    /// Loom's waker with the other one's manners.
    #[derive(Default)]
    pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        pub(crate) fn register(&self, waker: &std::task::Waker) {
            self.0.register_by_ref(waker);
        }

        pub(crate) fn wake(&self) {
            self.0.wake();
        }
    }

    /// Starts a thread of the model that runs the task.
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        loom::thread::spawn(|| loom::future::block_on(task));
    }

    /// One, because each more multiplies the orders that are tried.
    pub(crate) fn workers() -> usize {
        1
    }

    pub(crate) async fn yield_now() {}
}
