//! How long a peer that does not take what it was sent is waited for: as long as it takes some of it.
//!
//! Whoever accepted the connection has set a `TCP_USER_TIMEOUT` on its socket; here that is the time in which a peer must
//! have acknowledged something. The system itself counts it through shut windows, too: on a peer that reads steadily but has
//! less room than one segment needs it would end the connection. So a peer that is seen to read although its window is
//! shut is taken over: the system's time-out is switched off, and from then on it is judged here.
//!
//! Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::websocket::standing::Standing;

/// What is known of one peer's progress.
#[derive(Debug)]
pub(crate) struct Patience {
    timeout: Duration,
    /// When to look again; `None` while nothing was written since all had arrived.
    look_at: Option<Instant>,
    acknowledged: u64,
    /// When something had been acknowledged since the look before, or nothing waited.
    moved_at: Option<Instant>,
    /// Bytes waited at the last look.
    owes: bool,
    /// The system's time-out is off.
    is_ours: bool,
}

/// What a look has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All is well, or it is the system's to judge.
    Fine,
    /// It reads, but the system is about to take it for dead: the system's time-out is to be switched off.
    TakeOver,
    /// It has taken nothing for too long.
    Stalled,
}

impl Patience {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            look_at: None,
            acknowledged: 0,
            moved_at: None,
            owes: false,
            is_ours: false,
        }
    }

    /// Something may have been written, or may be while nobody looks. Says when to look if that was not known yet.
    pub(crate) fn written(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        if self.look_at.is_some() {
            return None;
        }
        self.look_at = Some(now() + self.every());
        self.look_at
    }

    /// When to look.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Takes a look into account. `is_lent` says whether more may be written meanwhile.
    pub(crate) fn judge(&mut self, standing: Standing, is_lent: bool, now: Instant) -> Verdict {
        let owed = std::mem::replace(&mut self.owes, standing.waiting > 0);
        let late = self
            .look_at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.look_at = (self.owes || is_lent).then(|| now + self.every());
        // While nobody could look here, the peer may not have been let run either.
        let moved_at = self.moved_at.get_or_insert(now);
        *moved_at = (*moved_at + late).min(now);
        // What waits since the last look at the earliest has its time before it.
        if standing.acknowledged > self.acknowledged || !owed || !self.owes {
            self.acknowledged = standing.acknowledged;
            *moved_at = now;
            if standing.window_is_shut && !self.is_ours {
                self.is_ours = true;
                return Verdict::TakeOver;
            }
        } else if now.saturating_duration_since(*moved_at) >= self.timeout {
            return Verdict::Stalled;
        }
        Verdict::Fine
    }

    /// Nothing was written since the last look. `is_lent` says whether something may be before the next.
    pub(crate) fn rest(&mut self, is_lent: bool, now: Instant) {
        self.look_at = is_lent.then(|| now + self.every());
    }

    /// Whether bytes waited at the last look.
    pub(crate) fn owes(&self) -> bool {
        self.owes
    }

    /// Whether the peer is behind and reads: what it does not answer it may not have read yet.
    pub(crate) fn is_slow(&self, now: Instant) -> bool {
        let moved = self.moved_at;
        self.owes && moved.is_some_and(|at| now.saturating_duration_since(at) < self.timeout)
    }

    /// Whether the system's time-out is off.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_ours
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Two looks within the time, so that one falls before the system's judgement whenever that began.
    fn every(&self) -> Duration {
        self.timeout / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn standing(waiting: u32, acknowledged: u64) -> Standing {
        Standing {
            waiting,
            acknowledged,
            window_is_shut: waiting > 0,
        }
    }

    #[test]
    fn who_takes_a_little_now_and_then_is_waited_for_however_long() {
        let start = Instant::now();
        let mut patience = Patience::new(20 * SECOND);
        assert_eq!(patience.written(|| start), Some(start + 10 * SECOND));
        assert_eq!(patience.written(|| start + SECOND), None);
        let first = patience.judge(standing(900, 100), false, start + 10 * SECOND);
        assert_eq!(first, Verdict::TakeOver);
        for look in 2..100u32 {
            let now = start + look * 10 * SECOND;
            assert_eq!(patience.look_at(), Some(now));
            let acknowledged = 100 + u64::from(look / 2);
            let verdict = patience.judge(standing(900, acknowledged), false, now);
            assert_eq!(verdict, Verdict::Fine);
            assert!(patience.is_slow(now));
        }
    }

    #[test]
    fn who_takes_nothing_for_the_time_is_stalled() {
        let start = Instant::now();
        let mut patience = Patience::new(20 * SECOND);
        let looks = [10, 20, 30]
            .map(|second| patience.judge(standing(900, 100), false, start + second * SECOND));
        assert_eq!(looks, [Verdict::TakeOver, Verdict::Fine, Verdict::Stalled]);
        assert!(!patience.is_slow(start + 30 * SECOND));
    }

    #[test]
    fn the_time_in_which_nobody_looked_is_not_the_peers() {
        let start = Instant::now();
        let mut patience = Patience::new(20 * SECOND);
        // The second look is an hour late.
        let looks = [10, 3620, 3630]
            .map(|second| patience.judge(standing(900, 100), false, start + second * SECOND));
        assert_eq!(looks, [Verdict::TakeOver, Verdict::Fine, Verdict::Stalled]);
    }

    #[test]
    fn what_is_sent_after_a_long_rest_has_its_whole_time() {
        let start = Instant::now();
        let mut patience = Patience::new(20 * SECOND);
        patience.judge(standing(0, 100), true, start);
        patience.rest(true, start + 3600 * SECOND);
        let looks = [3610, 3620, 3630]
            .map(|second| patience.judge(standing(900, 100), true, start + second * SECOND));
        assert_eq!(looks, [Verdict::TakeOver, Verdict::Fine, Verdict::Stalled]);
    }

    #[test]
    fn whose_window_is_open_stays_the_systems_to_judge() {
        let now = Instant::now();
        let mut patience = Patience::new(20 * SECOND);
        let open = Standing {
            window_is_shut: false,
            ..standing(900, 100)
        };
        assert_eq!(patience.judge(open, false, now), Verdict::Fine);
        assert!(!patience.is_ours());
    }

    #[test]
    fn it_is_looked_again_only_while_bytes_wait_or_may_come() {
        let now = Instant::now();
        let mut patience = Patience::new(20 * SECOND);
        patience.judge(standing(0, 100), false, now);
        assert_eq!(patience.look_at(), None);
        assert!(!patience.is_slow(now));
        patience.judge(standing(0, 100), true, now);
        assert_eq!(patience.look_at(), Some(now + 10 * SECOND));
    }
}
