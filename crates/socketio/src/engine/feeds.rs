//! The feeds of one session, pulled by turns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use crate::engine::outlet::Outlet;
use crate::engine::parcel::Parcel;
use crate::engine::session::{Attached, FeedChange};

#[derive(Default)]
pub(crate) struct Feeds {
    attached: Vec<Attached>,
    next: usize,
}

/// A feed panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

impl Feeds {
    /// Makes the changes, and hands out what is detached, to be dropped where no lock is held: feeds are foreign code.
    ///
    /// Leaves no room behind, neither there nor here: nearly every session has one feed, and there are thousands of them.
    #[must_use]
    pub(crate) fn apply(&mut self, changes: &mut Vec<FeedChange>) -> Vec<Attached> {
        let mut detached = Vec::new();
        for change in std::mem::take(changes) {
            match change {
                FeedChange::Attach(attached) => {
                    self.attached.reserve_exact(1);
                    self.attached.push(attached);
                }
                FeedChange::Detach(number) => {
                    detached.extend(self.attached.extract_if(.., |one| one.number == number));
                }
                FeedChange::DetachAll(owner) => {
                    detached.extend(self.attached.extract_if(.., |one| one.owner == owner));
                }
            }
        }
        detached
    }

    /// The next parcel of the feed whose turn it is, or of the next one that has any.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Result<Poll<Parcel>, Panicked> {
        let mut pending = 0;
        while pending < self.attached.len() {
            if self.next >= self.attached.len() {
                self.next = 0;
            }
            let Attached { number, feed, .. } = &mut self.attached[self.next];
            match catch_unwind(AssertUnwindSafe(|| feed.poll_next(cx))) {
                Ok(Poll::Ready(Some(parcel))) => {
                    self.next += 1;
                    return Ok(Poll::Ready(parcel));
                }
                Ok(Poll::Ready(None)) => {
                    self.attached.remove(self.next);
                }
                Ok(Poll::Pending) => {
                    self.next += 1;
                    pending += 1;
                }
                Err(_) => {
                    tracing::error!(feed = *number, "feed panicked");
                    self.attached.remove(self.next);
                    return Err(Panicked);
                }
            }
        }
        Ok(Poll::Pending)
    }
}

impl Feeds {
    /// Lends the socket to the only feed there is, if it wants it. `outlet` makes the loan of the number given.
    pub(crate) fn lend(&mut self, outlet: impl FnOnce(u64) -> Outlet) -> Result<bool, Panicked> {
        let [Attached { number, feed, .. }] = &mut self.attached[..] else {
            return Ok(false);
        };
        // Zero is no loan's number.
        let outlet = outlet(*number + 1);
        catch_unwind(AssertUnwindSafe(|| feed.lend(outlet))).map_err(|_| {
            tracing::error!(feed = *number, "feed panicked");
            Panicked
        })
    }

    /// The socket is back from the feed that had it.
    pub(crate) fn returned(&mut self, place: u64) -> Result<(), Panicked> {
        for Attached { number, feed, .. } in &mut self.attached {
            catch_unwind(AssertUnwindSafe(|| feed.returned(place))).map_err(|_| {
                tracing::error!(feed = *number, "feed panicked");
                Panicked
            })?;
        }
        Ok(())
    }

    pub(crate) fn is_single(&self) -> bool {
        self.attached.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::service::Feed;
    use crate::id::Id;

    struct Count(u8, &'static str);

    impl Feed for Count {
        fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<Option<Parcel>> {
            match self.0 {
                0 => Poll::Ready(None),
                1 => {
                    self.0 = 0;
                    Poll::Pending
                }
                _ => {
                    self.0 -= 1;
                    Poll::Ready(Some(Parcel::text(self.1)))
                }
            }
        }
    }

    #[test]
    fn feeds_take_turns_and_ended_ones_go() {
        let mut feeds = Feeds::default();
        let owners = [Id::random(), Id::random()];
        let attach = |number, feed| {
            FeedChange::Attach(Attached {
                number,
                owner: owners[number as usize % 2],
                feed: Box::new(feed),
            })
        };
        let _ = feeds.apply(&mut vec![
            attach(0, Count(3, "a")),
            attach(1, Count(4, "b")),
        ]);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut order = String::new();
        while let Poll::Ready(parcel) = feeds.poll_next(&mut cx).unwrap() {
            order.push(char::from(parcel.text_packet()[1]));
        }
        assert_eq!(order, "ababb");
        assert!(feeds.poll_next(&mut cx).unwrap().is_pending());
        assert!(feeds.attached.is_empty());
        let detached = feeds.apply(&mut vec![
            attach(2, Count(9, "c")),
            FeedChange::Detach(2),
            attach(3, Count(9, "d")),
        ]);
        assert_eq!((feeds.attached.len(), detached.len()), (1, 1));
        let detached = feeds.apply(&mut vec![FeedChange::DetachAll(owners[0])]);
        assert!(
            detached.is_empty() && feeds.attached.len() == 1,
            "it belongs to another"
        );
        assert_eq!(
            feeds
                .apply(&mut vec![FeedChange::DetachAll(owners[1])])
                .len(),
            1
        );
        assert!(feeds.poll_next(&mut cx).unwrap().is_pending());
    }
}
