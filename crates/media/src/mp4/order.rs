//! Decoding times, which must never go back, for frames that may be shown in another order.
//!
//! Containers like Matroska say only when a frame is shown.

/// The decoding times of one track, in ticks.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The decoding time of the frame before.
    before: Option<u64>,
    /// The newest frames' times of showing, once they were seen to go back.
    recent: Option<[u64; RECENT]>,
    newest: u64,
}

impl Order {
    /// Goes on after the frames of another.
    pub(super) fn follow(&mut self, other: &Self) {
        self.before = other.before;
        self.newest = other.newest;
    }

    /// The container says when to decode.
    pub(super) fn given(&mut self, decode: u64, end: u64) -> (u64, u64) {
        let decode = self.before.map_or(decode, |before| decode.max(before + 1));
        self.before = Some(decode);
        (decode, end.saturating_sub(decode))
    }

    /// Frames are decoded when they are shown, until one is shown before another that came before
    /// it. From then on they are decoded one frame's distance apart.
    pub(super) fn guess(&mut self, shown: u64, end: u64) -> (u64, u64) {
        let Some(before) = self.before else {
            self.newest = shown;
            return self.given(shown, end);
        };
        if shown > before && self.recent.is_none()
            || shown.abs_diff(before) > u64::from(REORDER_MAX)
        {
            self.recent = None;
            self.newest = shown;
            return self.given(shown, end);
        }
        let recent = self.recent.get_or_insert([self.newest; RECENT]);
        recent.rotate_left(1);
        recent[RECENT - 1] = shown;
        let mut ordered = *recent;
        ordered.sort_unstable();
        let apart = ordered
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .filter(|apart| *apart > 0)
            .min()
            .unwrap_or(1);
        self.newest = self.newest.max(shown);
        // Not before the newest picture is shown, unless that would make time stand still.
        let decode = (before + apart)
            .min(self.newest)
            .max(before + apart.div_ceil(8));
        self.before = Some(decode);
        (decode, end.saturating_sub(shown).max(apart))
    }
}

/// Encoders reorder over a few frames.
const RECENT: usize = 4;

/// A distance that is no reordering any more: 2 s of a picture's ticks.
const REORDER_MAX: u32 = 180_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_order_are_decoded_when_they_are_shown() {
        let mut order = Order::default();
        let got: Vec<_> = [0, 30, 65, 90]
            .map(|shown| order.guess(shown, shown + 30))
            .into();
        assert_eq!(got, [(0, 30), (30, 30), (65, 30), (90, 30)]);
    }

    #[test]
    fn reordered_frames_are_decoded_at_an_even_pace_that_never_goes_back() {
        let mut order = Order::default();
        let shown = [0, 90, 30, 60, 180, 120, 150, 270, 210, 240, 360, 300, 330];
        let decode: Vec<u64> = shown
            .iter()
            .map(|shown| order.guess(*shown, shown + 30).0)
            .collect();
        assert!(decode.is_sorted_by(|a, b| a < b), "{decode:?}");
        let steps: Vec<u64> = decode
            .windows(2)
            .skip(3)
            .map(|pair| pair[1] - pair[0])
            .collect();
        assert!(
            steps.iter().all(|step| (15..=45).contains(step)),
            "{steps:?}"
        );
        assert!(
            decode
                .iter()
                .zip(shown)
                .all(|(decode, shown)| decode.abs_diff(shown) <= 120)
        );
    }

    #[test]
    fn reordered_frames_last_as_long_as_is_said() {
        let mut order = Order::default();
        let lasts: Vec<u64> = [0, 90, 30, 60, 180]
            .map(|shown| order.guess(shown, shown + 200).1)
            .into();
        assert_eq!(lasts, [200; 5]);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_said_of_showing_decoding_never_goes_back(
            shown in proptest::collection::vec(0..1_000_000_u64, 1..60),
            given in proptest::prelude::any::<bool>(),
        ) {
            let mut order = Order::default();
            let place = |at: &u64| match given {
                true => order.given(*at, at + 30).0,
                false => order.guess(*at, at + 30).0,
            };
            let decode: Vec<u64> = shown.iter().map(place).collect();
            assert!(decode.is_sorted_by(|a, b| a < b), "{decode:?}");
        }
    }

    #[test]
    fn a_stream_that_jumps_is_followed() {
        let mut order = Order::default();
        for shown in [0, 90, 30, 60, 180] {
            order.guess(shown, shown + 30);
        }
        assert_eq!(order.guess(9_000_000, 9_000_030), (9_000_000, 30));
    }
}
