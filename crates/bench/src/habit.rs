//! How viewers behave: as they should, or badly in one of several ways.

/// How a viewer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// As it should.
    Honest,
    /// Joins and never reads again.
    Stalled,
    /// Reads 1 kB/s.
    Slow,
    /// Sends half a request and waits.
    HalfOpen,
    /// Connects and joins once a second, at the same moment as all of its kind.
    Storm,
    /// Sends what it says in fragments of one byte.
    Fragments,
    /// Joins, leaves, joins again, goes, and comes again.
    Churn,
}

impl Habit {
    /// The bad ones, in the order in which they are told.
    pub(crate) const HOSTILE: [Self; 6] = [
        Self::Stalled,
        Self::Slow,
        Self::HalfOpen,
        Self::Storm,
        Self::Fragments,
        Self::Churn,
    ];

    /// In a word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Stalled => "stalled",
            Self::Slow => "slow",
            Self::HalfOpen => "half-open",
            Self::Storm => "storm",
            Self::Fragments => "fragments",
            Self::Churn => "churn",
        }
    }

    /// How much it sends of what it asks first.
    pub(crate) fn said_of(self, request: &str) -> &[u8] {
        let bytes = request.as_bytes();
        match self {
            Self::HalfOpen => &bytes[..bytes.len() / 2],
            _ => bytes,
        }
    }

    /// Where among the bad ones it stands; an honest viewer has no place there.
    pub(crate) fn place(self) -> Option<usize> {
        Self::HOSTILE.iter().position(|habit| *habit == self)
    }
}
