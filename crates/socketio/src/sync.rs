//! The primitives that the turns at a socket are built on, which a model checker can replace.
//!
//! With `--cfg abanico_loom` these are loom's: `websocket/turn/model.rs` then tries every order in which an owner and a
//! borrower can meet.

#[cfg(not(abanico_loom))]
pub(crate) use self::real::*;

#[cfg(abanico_loom)]
pub(crate) use self::model::*;

#[cfg(not(abanico_loom))]
mod real {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
}

#[cfg(abanico_loom)]
mod model {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

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
}
