//! When a session's next ping is due, and until when its pong may come.
//!
//! Pure: time is an argument.

use std::time::Duration;

use abanico_core::late::is_late;
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    awaits: Awaits,
    /// Its time for this pong was given again: nobody looked when it was over.
    was_late: bool,
}

#[derive(Debug, Clone, Copy)]
enum Awaits {
    PingAt(Instant),
    PongBy(Instant),
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing until then.
    Wait(Instant),
    /// Send a ping.
    Ping,
    /// The client is gone.
    Dead,
}

impl Heartbeat {
    pub(crate) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        /// Below this no answer could be in time.
        const SHORTEST: Duration = Duration::from_millis(2);
        Self {
            interval: interval.max(SHORTEST),
            timeout: timeout.max(SHORTEST),
            awaits: Awaits::PingAt(now + interval),
            was_late: false,
        }
    }

    pub(crate) fn beat(&mut self, now: Instant) -> Beat {
        match self.awaits {
            Awaits::PingAt(at) if now >= at => {
                // Counted from when it was due, so that a late task does not lengthen the time-out; but a client whose ping
                // comes very late must have some time to answer.
                self.awaits = Awaits::PongBy((at + self.timeout).max(now + self.timeout / 2));
                self.was_late = false;
                Beat::Ping
            }
            // The process stood still: what the client said meanwhile may be on its way.
            Awaits::PongBy(by) if is_late(now.saturating_duration_since(by)) && !self.was_late => {
                self.was_late = true;
                let by = now + self.timeout / 2;
                self.awaits = Awaits::PongBy(by);
                Beat::Wait(by)
            }
            Awaits::PongBy(by) if now >= by => Beat::Dead,
            Awaits::PingAt(at) | Awaits::PongBy(at) => Beat::Wait(at),
        }
    }

    /// A pong came. One that was not asked for changes nothing.
    pub(crate) fn pong(&mut self, now: Instant) {
        if matches!(self.awaits, Awaits::PongBy(_)) {
            self.awaits = Awaits::PingAt(now + self.interval);
        }
    }

    /// When the next ping is due, unless a pong is awaited.
    pub(crate) fn ping_at(&self) -> Option<Instant> {
        match self.awaits {
            Awaits::PingAt(at) => Some(at),
            Awaits::PongBy(_) => None,
        }
    }

    /// The client was not read, hence could not be heard: it gets its time again.
    pub(crate) fn excuse(&mut self, now: Instant) {
        if matches!(self.awaits, Awaits::PongBy(_)) {
            self.awaits = Awaits::PongBy(now + self.timeout);
        }
    }

    /// The moment at which the session is dead if no pong comes, known even before the ping is sent.
    pub(crate) fn dead_at(&self) -> Instant {
        match self.awaits {
            Awaits::PingAt(at) => at + self.timeout,
            Awaits::PongBy(by) => by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_ping_comes_after_the_interval_and_each_pong_starts_it_anew() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(25 * SECOND, 20 * SECOND, start);
        assert_eq!(heartbeat.beat(start), Beat::Wait(start + 25 * SECOND));
        assert_eq!(heartbeat.beat(start + 25 * SECOND), Beat::Ping);
        assert_eq!(
            heartbeat.beat(start + 26 * SECOND),
            Beat::Wait(start + 45 * SECOND)
        );
        heartbeat.pong(start + 26 * SECOND);
        assert_eq!(
            heartbeat.beat(start + 46 * SECOND),
            Beat::Wait(start + 51 * SECOND)
        );
    }

    #[test]
    fn a_missing_pong_is_death_unless_it_could_not_be_heard() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(25 * SECOND, 20 * SECOND, start);
        assert_eq!(heartbeat.dead_at(), start + 45 * SECOND);
        heartbeat.beat(start + 25 * SECOND);
        heartbeat.excuse(start + 44 * SECOND);
        assert_eq!(
            heartbeat.beat(start + 45 * SECOND),
            Beat::Wait(start + 64 * SECOND)
        );
        assert_eq!(heartbeat.beat(start + 64 * SECOND), Beat::Dead);
    }

    #[test]
    fn a_ping_that_comes_very_late_is_waited_for_all_the_same() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(25 * SECOND, 20 * SECOND, start);
        let late = start + 100 * SECOND;
        assert_eq!(heartbeat.beat(late), Beat::Ping);
        assert_eq!(heartbeat.beat(late), Beat::Wait(late + 10 * SECOND));
        assert_eq!(heartbeat.beat(late + 10 * SECOND), Beat::Dead);
    }

    #[test]
    fn who_could_not_be_heard_because_the_process_stood_still_has_half_of_the_time_again_and_once()
    {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(25 * SECOND, 20 * SECOND, start);
        assert_eq!(heartbeat.beat(start + 25 * SECOND), Beat::Ping);
        let woken = start + 100 * SECOND;
        assert_eq!(heartbeat.beat(woken), Beat::Wait(woken + 10 * SECOND));
        assert_eq!(heartbeat.dead_at(), woken + 10 * SECOND);
        assert_eq!(heartbeat.beat(woken + 60 * SECOND), Beat::Dead);
        heartbeat.pong(woken);
        assert_eq!(heartbeat.beat(woken + 25 * SECOND), Beat::Ping);
        let again = woken + 100 * SECOND;
        assert_eq!(heartbeat.beat(again), Beat::Wait(again + 10 * SECOND));
    }

    #[test]
    fn an_excuse_gives_time_even_where_there_is_none() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Duration::ZERO, Duration::ZERO, start);
        let due = start + SECOND;
        assert_eq!(heartbeat.beat(due), Beat::Ping);
        let dead = due + SECOND;
        assert_eq!(heartbeat.beat(dead), Beat::Dead);
        heartbeat.excuse(dead);
        assert!(matches!(heartbeat.beat(dead), Beat::Wait(_)));
    }

    #[test]
    fn an_unasked_pong_does_not_put_the_ping_off() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(25 * SECOND, 20 * SECOND, start);
        heartbeat.pong(start + 20 * SECOND);
        assert_eq!(heartbeat.beat(start + 25 * SECOND), Beat::Ping);
    }
}
