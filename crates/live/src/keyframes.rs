//! Asking the publisher for a keyframe, at most twice a second, however many viewers wish for one.
//!
//! Pure: time is an argument. A wish that comes too soon is kept until it may be told, unless a keyframe comes first.
//! Invariant: nobody has a publisher asked for more than its share; who wishes for what another wished for pays nothing.

use abanico_core::rate::Bucket;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The publisher is asked at most this often.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// On whose behalf a publisher is asked: one viewer, among others of its address. Clones are the same. By default it is
/// nobody, who has no bound.
#[derive(Debug, Clone, Default)]
pub struct Wisher([Option<Share>; 2]);

/// So many wishes are left.
pub type Share = Arc<Mutex<Bucket>>;

impl Wisher {
    /// A viewer that has so many wishes left, and its address, if that is known to be one's.
    pub fn new(own: Share, of_address: Option<Share>) -> Self {
        Self([Some(own), of_address])
    }

    /// Takes a wish of each that it is part of, or of none.
    fn take(&self, now: Instant) -> bool {
        let shares = || self.0.iter().flatten();
        let empty = shares().position(|share| !share.lock().take(now));
        for share in shares().take(empty.unwrap_or(0)) {
            share.lock().give_back();
        }
        empty.is_none()
    }
}

/// What comes of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The publisher is asked, now or as soon as it may be.
    Told,
    /// The publisher cannot be asked: nobody hears of it.
    Unheard,
    /// It was asked on behalf of this viewer, or of its address, as often as it is.
    Beyond,
}

/// What was wished for.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    asked_at: Option<Instant>,
    pending: bool,
}

impl Wishes {
    /// A viewer wishes for a keyframe. True when the publisher is to be asked now, `None` when it may not wish so often.
    pub(crate) fn wish(&mut self, by: &Wisher, now: Instant) -> Option<bool> {
        if !self.pending && !by.take(now) {
            return None;
        }
        self.pending = true;
        Some(self.is_due(now))
    }

    /// A frame came. True when the publisher is to be asked now for what was wished earlier.
    pub(crate) fn frame(&mut self, keyframe: bool, now: Instant) -> bool {
        self.pending &= !keyframe;
        self.pending && self.is_due(now)
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = self
            .asked_at
            .is_none_or(|at| now.saturating_duration_since(at) >= ASKED_EVERY);
        if due {
            self.asked_at = Some(now);
            self.pending = false;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abanico_core::rate::Rate;

    #[test]
    fn a_publisher_is_asked_twice_a_second_and_never_for_what_has_come() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut wishes = Wishes::default();
        let nobody = Wisher::default();
        assert_eq!(wishes.wish(&nobody, at(0)), Some(true));
        assert_eq!(wishes.wish(&nobody, at(10)), Some(false), "too soon");
        assert!(!wishes.frame(false, at(300)), "still too soon");
        assert!(wishes.frame(false, at(510)), "what was wished earlier");
        assert!(!wishes.frame(false, at(2000)), "nobody wishes any more");
        assert_eq!(wishes.wish(&nobody, at(900)), Some(false));
        assert!(!wishes.frame(true, at(950)));
        assert!(!wishes.frame(false, at(1100)), "it has come");
    }

    #[test]
    fn a_viewer_and_its_address_have_the_publisher_asked_for_their_share_and_others_are_heard() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let bucket = |burst, per_second| {
            let rate = Rate { burst, per_second };
            Arc::new(Mutex::new(Bucket::new(rate)))
        };
        let address = bucket(3, 0.0);
        let viewer = |burst| Wisher::new(bucket(burst, 0.01), Some(Arc::clone(&address)));
        let (one, two, three) = (viewer(2), viewer(2), viewer(2));
        let mut wishes = Wishes::default();
        assert_eq!(wishes.wish(&one, at(0)), Some(true));
        assert_eq!(wishes.wish(&one, at(1)), Some(true));
        assert_eq!(wishes.wish(&one, at(2)), None, "its own are used up");
        assert_eq!(wishes.wish(&two, at(3)), Some(true));
        assert_eq!(wishes.wish(&two, at(4)), None, "and now its address's");
        let elsewhere = Wisher::new(bucket(1, 0.0), None);
        assert_eq!(wishes.wish(&elsewhere, at(5)), Some(true));
        // What one may not have another may, who gives it back to nobody; and what is wished for is everybody's.
        assert_eq!(wishes.wish(&Wisher::default(), at(5)), Some(false));
        assert_eq!(wishes.wish(&three, at(5)), Some(false));
        assert_eq!(wishes.wish(&one, at(200)), Some(true), "it was waiting");
        assert!(!address.lock().take(at(200)));
    }
}
