//! How fast a client is listened to: token buckets of messages and of bytes.
//!
//! A client that says more is not refused anything: it is read no further until its buckets have something again, and
//! what it sends meanwhile waits on its own side. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Config, Flow};

/// What one client may still say, and until when it is not listened to.
#[derive(Debug)]
pub(crate) struct Pace {
    messages: Bucket,
    bytes: Bucket,
    filled_at: Instant,
    rests_until: Option<Instant>,
}

#[derive(Debug)]
struct Bucket {
    flow: Flow,
    /// Below zero when more was read at once than there was left.
    level: f64,
}

impl Pace {
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        Self {
            messages: Bucket::new(config.message_flow),
            bytes: Bucket::new(config.byte_flow),
            filled_at: now,
            rests_until: None,
        }
    }

    /// Accounts for what was read.
    pub(crate) fn take(&mut self, messages: usize, bytes: usize, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        let messages = self.messages.take(messages, passed);
        let rest = messages.max(self.bytes.take(bytes, passed));
        self.rests_until = (!rest.is_zero()).then(|| now + rest);
    }

    /// Until when the client is not read, if it is not.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// The client is listened to again.
    pub(crate) fn wake(&mut self) {
        self.rests_until = None;
    }
}

impl Bucket {
    fn new(flow: Flow) -> Self {
        Self {
            flow,
            level: flow.burst,
        }
    }

    /// Takes so many, `passed` seconds after the time before. Says how long it is until the bucket is no longer overdrawn.
    fn take(&mut self, count: usize, passed: f64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = count as f64;
        self.level = (self.level + passed * self.flow.per_second).min(self.flow.burst) - count;
        if self.level >= 0.0 {
            return Duration::ZERO;
        }
        // An hour is as good as never.
        let rest = (-self.level / self.flow.per_second).min(3600.0);
        Duration::from_secs_f64(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_more_than_allowed_rests_until_the_bucket_is_no_longer_overdrawn() {
        let start = Instant::now();
        let config = Config {
            message_flow: Flow {
                per_second: 10.0,
                burst: 5.0,
            },
            byte_flow: Flow {
                per_second: 1000.0,
                burst: 1000.0,
            },
            ..Config::default()
        };
        let mut pace = Pace::new(&config, start);
        pace.take(5, 100, start);
        assert_eq!(pace.rests_until(), None);
        pace.take(20, 100, start);
        assert_eq!(pace.rests_until(), Some(start + Duration::from_secs(2)));
        pace.wake();
        let later = start + Duration::from_secs(60);
        pace.take(5, 0, later);
        assert_eq!(pace.rests_until(), None);
        // Of the two, the one that is overdrawn further.
        pace.take(1, 4000, later);
        assert_eq!(pace.rests_until(), Some(later + Duration::from_secs(3)));
    }
}
