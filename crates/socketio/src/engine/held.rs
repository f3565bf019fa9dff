//! What a session keeps of what its client has said: messages and events that are not whole, and those that wait to be
//! handled.
//!
//! Says until when what is not whole may take, and since when anything stands there. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// What is not whole. As long as it is the same, it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Of a message; so many were whole before it.
    Message(u64),
    /// Of an event of several messages; so many had begun before it.
    Event(u64),
}

#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: usize,
    part: Option<Part>,
    /// When the part began, or when there was something again.
    since: Option<Instant>,
}

impl Held {
    /// Takes in what is kept now, and says whether it is another part or another number of bytes than before.
    pub(crate) fn note(
        &mut self,
        bytes: usize,
        part: Option<Part>,
        now: impl FnOnce() -> Instant,
    ) -> bool {
        if bytes == self.bytes && part == self.part {
            return false;
        }
        if bytes == 0 && part.is_none() {
            self.since = None;
        } else if self.since.is_none() || part != self.part {
            self.since = Some(now());
        }
        (self.bytes, self.part) = (bytes, part);
        true
    }

    /// How many bytes are kept, and since when something is.
    pub(crate) fn standing(&self) -> Option<(usize, Instant)> {
        self.since.map(|since| (self.bytes, since))
    }

    /// When what is not whole should be.
    pub(crate) fn due(&self, timeout: Duration) -> Option<Instant> {
        self.part?;
        self.since.map(|since| since + timeout)
    }

    /// The client was not read, hence could not say the rest: it gets its time again.
    pub(crate) fn excuse(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_not_whole_has_its_time_however_much_comes_of_it() {
        let start = Instant::now();
        let mut held = Held::default();
        assert_eq!(held.due(SECOND), None);
        let mut note = |bytes, part, after: u32| {
            held.note(bytes, part, || start + after * SECOND);
            held.due(10 * SECOND).map(|due| (due - start).as_secs())
        };
        let event = Some(Part::Event(7));
        assert_eq!(note(100, event, 1), Some(11));
        assert_eq!(note(900, event, 5), Some(11));
        // The next one, with nothing between them.
        assert_eq!(note(100, Some(Part::Event(8)), 6), Some(16));
        assert_eq!(note(100, Some(Part::Message(3)), 7), Some(17));
        // What is whole and waits to be handled is in time.
        assert_eq!(note(50, None, 8), None);
        assert_eq!(held.standing(), Some((50, start + 8 * SECOND)));
        held.note(0, None, || start + 9 * SECOND);
        assert_eq!(held.standing(), None);
    }

    #[test]
    fn who_was_not_read_gets_its_time_again() {
        let start = Instant::now();
        let mut held = Held::default();
        held.note(1, Some(Part::Message(0)), || start);
        held.excuse(start + 5 * SECOND);
        assert_eq!(held.due(SECOND), Some(start + 6 * SECOND));
    }
}
