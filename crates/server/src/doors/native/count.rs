//! How many watch, as a client is told: at most twice a second.

use abanico_socketio::engine::Session;
use serde_json::json;
use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

use super::words;

/// How long a change of the count waits for the next one.
const EVERY: Duration = Duration::from_millis(500);

/// The count as one client knows it.
pub(super) struct Count {
    told: usize,
    now: usize,
    due: Option<Instant>,
}

impl Count {
    /// A client that was told `viewers`.
    pub(super) fn new(viewers: usize) -> Self {
        Self {
            told: viewers,
            now: viewers,
            due: None,
        }
    }

    /// So many watch now.
    pub(super) fn set(&mut self, viewers: usize) {
        self.now = viewers;
        if self.now != self.told {
            self.due.get_or_insert_with(|| Instant::now() + EVERY);
        }
    }

    /// Waits until it is time to tell.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => pending().await,
        }
    }

    /// Tells the client, if there is something new.
    pub(super) fn tell(&mut self, session: &Session) {
        self.due = None;
        if self.now != self.told {
            self.told = self.now;
            words::tell(session, &json!({"type": "viewers", "count": self.now}));
        }
    }
}
