//! What a viewer is given that keeps falling behind: less, step by step, and more again when it recovers.
//!
//! A viewer that lags is moved to the newest group; that alone is [`Rung::All`]. One that lags again and again gets
//! keyframes only, then a still now and then. Nobody is kicked here: a viewer that takes nothing at all is ended where its
//! connection is.

use std::time::{Duration, Instant};

/// When a viewer goes down and up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// So many lags within [`Policy::within`] take a viewer one rung down.
    pub lags_max: u32,
    /// The time in which lags are counted.
    pub within: Duration,
    /// A viewer that has not lagged for so long goes one rung up.
    pub recover_after: Duration,
    /// On [`Rung::Keyframes`] a viewer gets one at most this often.
    pub keyframe_every: Duration,
    /// On [`Rung::Stills`] a viewer gets one at most this often.
    pub still_every: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lags_max: 3,
            within: Duration::from_secs(15),
            recover_after: Duration::from_secs(10),
            keyframe_every: Duration::from_secs(1),
            still_every: Duration::from_secs(5),
        }
    }
}

/// What a viewer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Every frame.
    All,
    /// Keyframes only.
    Keyframes,
    /// A keyframe now and then.
    Stills,
}

/// Where one viewer stands.
#[derive(Debug, Clone)]
pub struct Ladder {
    policy: Policy,
    rung: Rung,
    lags: u32,
    /// When the lags that are counted began.
    counted_from: Option<Instant>,
    /// The last lag, or the last step up: from here recovery is counted.
    quiet_from: Option<Instant>,
    given_at: Option<Instant>,
}

impl Ladder {
    /// A viewer that gets everything.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            rung: Rung::All,
            lags: 0,
            counted_from: None,
            quiet_from: None,
            given_at: None,
        }
    }

    /// The viewer has fallen behind.
    pub fn lagged(&mut self, now: Instant) {
        self.quiet_from = Some(now);
        let counted = self
            .counted_from
            .is_some_and(|from| now.saturating_duration_since(from) <= self.policy.within);
        if !counted {
            self.counted_from = Some(now);
            self.lags = 0;
        }
        self.lags += 1;
        if self.lags >= self.policy.lags_max {
            self.step(
                now,
                match self.rung {
                    Rung::All => Rung::Keyframes,
                    Rung::Keyframes | Rung::Stills => Rung::Stills,
                },
            );
        }
    }

    /// Whether the viewer is given everything, as it was at the last look.
    pub fn gives_all(&self) -> bool {
        self.rung == Rung::All
    }

    /// What the viewer is given, as it was at the last look.
    pub fn last(&self) -> Rung {
        self.rung
    }

    /// What the viewer is given at `now`.
    pub fn rung(&mut self, now: Instant) -> Rung {
        let quiet = self
            .quiet_from
            .map(|from| now.saturating_duration_since(from));
        if self.rung > Rung::All && quiet.is_some_and(|quiet| quiet >= self.policy.recover_after) {
            self.step(
                now,
                match self.rung {
                    Rung::Stills => Rung::Keyframes,
                    Rung::Keyframes | Rung::All => Rung::All,
                },
            );
        }
        self.rung
    }

    /// Whether a keyframe is due for a viewer that is not given everything. Says so once for each.
    pub fn keyframe_is_due(&mut self, now: Instant) -> bool {
        let every = match self.rung {
            Rung::All => return true,
            Rung::Keyframes => self.policy.keyframe_every,
            Rung::Stills => self.policy.still_every,
        };
        let due = self
            .given_at
            .is_none_or(|at| now.saturating_duration_since(at) >= every);
        if due {
            self.given_at = Some(now);
        }
        due
    }

    fn step(&mut self, now: Instant, to: Rung) {
        self.rung = to;
        self.lags = 0;
        self.counted_from = None;
        self.quiet_from = Some(now);
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some moment to begin at"
)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn who_lags_again_and_again_goes_down_and_who_recovers_goes_up() {
        let start = Instant::now();
        let mut ladder = Ladder::new(Policy::default());
        for second in 0..3 {
            assert_eq!(ladder.rung(start + secs(second)), Rung::All);
            ladder.lagged(start + secs(second));
        }
        assert_eq!(ladder.rung(start + secs(3)), Rung::Keyframes);
        for second in 3..6 {
            ladder.lagged(start + secs(second));
        }
        assert_eq!(ladder.rung(start + secs(14)), Rung::Stills);
        assert_eq!(ladder.rung(start + secs(15)), Rung::Keyframes);
        assert_eq!(ladder.rung(start + secs(24)), Rung::Keyframes);
        assert_eq!(ladder.rung(start + secs(25)), Rung::All);
    }

    #[test]
    fn lags_far_apart_cost_no_rung() {
        let start = Instant::now();
        let mut ladder = Ladder::new(Policy::default());
        for minute in 0..10 {
            ladder.lagged(start + secs(60 * minute));
            assert_eq!(ladder.rung(start + secs(60 * minute + 1)), Rung::All);
        }
    }

    #[test]
    fn keyframes_are_given_at_the_rungs_pace() {
        let start = Instant::now();
        let mut ladder = Ladder::new(Policy::default());
        (0..3).for_each(|_| ladder.lagged(start));
        let given = |ladder: &mut Ladder, from: u64| {
            (0..100)
                .filter(|tenth| {
                    ladder.keyframe_is_due(start + secs(from) + Duration::from_millis(100 * tenth))
                })
                .count()
        };
        assert_eq!(given(&mut ladder, 0), 10);
        (0..3).for_each(|_| ladder.lagged(start + secs(10)));
        assert_eq!(given(&mut ladder, 20), 2);
    }
}
