//! What stands unfinished of a publisher's body, counted among what its address and all have unfinished.

use abanico_socketio::{Account, Kept};
use tokio::sync::oneshot;

/// What is kept of one body that is not whole.
pub(super) struct Standing {
    /// Its place among the sessions of its address.
    kept: Option<Kept>,
    /// While something stands, with the word that it must go.
    account: Option<(Account, oneshot::Receiver<&'static str>)>,
    /// Where in the body it began.
    begun: u64,
    /// Others go before it.
    is_spared: bool,
}

impl Standing {
    /// Nothing yet.
    pub(super) fn new(kept: Option<Kept>) -> Self {
        Self {
            kept,
            account: None,
            begun: 0,
            is_spared: false,
        }
    }

    /// It is that of a publisher who has its seat.
    pub(super) fn spare(&mut self) {
        self.is_spared = true;
        if let Some((account, _)) = &mut self.account {
            account.spare();
        }
    }

    /// So many bytes are kept, of a body of which so many were taken. What began elsewhere than the last has not stood long.
    pub(super) fn set(&mut self, bytes: u64, of: u64) {
        let begun = of.saturating_sub(bytes);
        let is_new = std::mem::replace(&mut self.begun, begun) != begun;
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
            if self.is_spared {
                self.spare();
            }
        } else if is_new && let Some((account, _)) = &mut self.account {
            account.renew();
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

#[cfg(test)]
mod tests {
    use super::*;
    use abanico_socketio::{Stay, Unfinished, UnfinishedMax};
    use std::net::IpAddr;
    use std::sync::Arc;

    struct Visit(Arc<Unfinished>);

    impl Stay for Visit {
        fn unfinished(&self) -> Option<(&Arc<Unfinished>, Option<IpAddr>)> {
            Some((&self.0, None))
        }
    }

    fn bodies<const N: usize>() -> [Standing; N] {
        let max = UnfinishedMax {
            bytes: 100,
            told: "too much",
        };
        let unfinished = Unfinished::new(max, max);
        std::array::from_fn(|_| Standing::new(Some(Kept::new(Visit(Arc::clone(&unfinished))))))
    }

    fn is_ended(body: &mut Standing) -> bool {
        let (_, ended) = body.account.as_mut().unwrap();
        ended.try_recv().is_ok()
    }

    #[test]
    fn a_body_whose_parts_are_finished_has_not_stood_long_though_none_ends_with_what_came() {
        let [mut busy, mut stands, mut late] = bodies();
        busy.set(30, 30);
        stands.set(30, 30);
        // Another thing has begun within what came last.
        busy.set(30, 50);
        late.set(41, 41);
        assert_eq!(
            [&mut busy, &mut stands, &mut late].map(is_ended),
            [false, true, false]
        );
        // It goes on with the same.
        busy.set(60, 80);
        assert_eq!([&mut busy, &mut late].map(is_ended), [true, false]);
    }

    #[test]
    fn a_publisher_s_body_goes_after_all_others() {
        let [mut publisher, mut other] = bodies();
        publisher.set(50, 50);
        publisher.spare();
        other.set(51, 51);
        assert_eq!([&mut publisher, &mut other].map(is_ended), [false, true]);
    }
}
