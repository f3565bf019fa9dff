//! Sessions that hold much: for which much is waiting, or that let much of what they say stand unfinished. When memory runs
//! out, those go first that hold most of all, whatever door they came by: so they are looked for in each registry, and ended
//! together.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::session::{Phase, Shared};
use crate::handler::DisconnectReason;

/// Who publishes says what it says in less time than this, and lets nothing stand.
const STANDS_AFTER: Duration = Duration::from_secs(2);

/// One that could be ended.
pub struct Greedy {
    held: usize,
    reason: DisconnectReason,
    session: Arc<Shared>,
}

impl Greedy {
    /// Those of these sessions for which more than `bytes` are held.
    pub(crate) fn of(sessions: Vec<Arc<Shared>>, bytes: usize) -> Vec<Self> {
        let then = Instant::now().checked_sub(STANDS_AFTER);
        let looked_at = sessions.into_iter().filter_map(|session| {
            let state = session.state.lock();
            let waiting = state.queue_bytes;
            let standing = then.map_or(0, |then| state.standing_bytes(then));
            let is_greedy = state.phase == Phase::Open && waiting + standing > bytes;
            drop(state);
            let reason = if standing > waiting {
                DisconnectReason::MessageTimeout
            } else {
                DisconnectReason::SlowConsumer
            };
            is_greedy.then_some(Self {
                held: waiting + standing,
                reason,
                session,
            })
        });
        looked_at.collect()
    }

    /// Ends those that hold most, `count` at most. Says how many.
    pub fn end_most(greedy: impl IntoIterator<Item = Self>, count: usize) -> usize {
        let mut greedy: Vec<_> = greedy.into_iter().collect();
        greedy.sort_by_key(|one| Reverse(one.held));
        greedy.truncate(count);
        for one in &greedy {
            one.session.close(one.reason);
        }
        greedy.len()
    }
}

impl fmt::Debug for Greedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Greedy")
            .field("held", &self.held)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
