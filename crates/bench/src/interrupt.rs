//! Ctrl-C, or a polite request to end: the run ends early and tells what it has measured. The second ends the process at once.

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody wants an end. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// What a shell calls a program that SIGINT has ended.
const INTERRUPTED: i32 = 130;

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let wanted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // What is registered first looks first, and so finds nothing at the first signal.
            flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&wanted))
                .and_then(|_| flag::register(signal, Arc::clone(&wanted)))
                .context("no signal can be heard")?;
        }
        Ok(Self(wanted))
    }

    /// Whether it has come.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
