//! What stands unfinished of a publisher's body, counted among what its address and all have unfinished.

use abanico_socketio::{Account, Kept};
use tokio::sync::oneshot;

/// What is kept of one body that is not whole.
pub(super) struct Standing {
    /// Its place among the sessions of its address.
    kept: Option<Kept>,
    /// While something stands, with the word that it must go.
    account: Option<(Account, oneshot::Receiver<&'static str>)>,
}

impl Standing {
    /// Nothing yet.
    pub(super) fn new(kept: Option<Kept>) -> Self {
        Self {
            kept,
            account: None,
        }
    }

    /// So many bytes are kept now.
    pub(super) fn set(&mut self, bytes: u64) {
        if bytes == 0 {
            self.account = None;
            return;
        }
        if self.account.is_none() {
            let (ends, ended) = oneshot::channel();
            let account = self.kept.as_ref().and_then(|kept| {
                kept.account(move |told| {
                    // Who has gone meanwhile need not be told.
                    let _ = ends.send(told);
                })
            });
            self.account = account.map(|account| (account, ended));
        }
        if let Some((account, _)) = &self.account {
            account.set(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
    }

    /// Waits until it must go, and says why. Cancelling it loses nothing.
    pub(super) async fn ended(&mut self) -> &'static str {
        if let Some((_, ended)) = &mut self.account
            && let Ok(told) = ended.await
        {
            return told;
        }
        std::future::pending().await
    }
}
