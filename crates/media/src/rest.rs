//! How a publisher's bytes stand, if they ended now: whether anything of them is of no use, and what it is.

/// What came last and is of no use yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// All of it was used: it stands between two things.
    Nothing,
    /// It stands in the middle of something that may yet become whole.
    Unfinished {
        /// What that is, with its article.
        what: &'static str,
        /// So much of it has come.
        bytes: u64,
    },
    /// It stands in bytes that mean nothing.
    Garbage {
        /// So many of them have come.
        bytes: u64,
        /// What should begin there.
        expected: &'static str,
    },
}

impl Rest {
    /// In the middle of something of which these bytes have come, or between two things without any.
    pub(crate) fn begun(what: &'static str, bytes: usize) -> Self {
        match bytes {
            0 => Self::Nothing,
            bytes => Self::unfinished(what, bytes as u64),
        }
    }

    pub(crate) fn unfinished(what: &'static str, bytes: u64) -> Self {
        Self::Unfinished { what, bytes }
    }

    /// Whether it stands in bytes that mean nothing, and how many.
    #[must_use]
    pub fn garbage(self) -> Option<u64> {
        match self {
            Self::Garbage { bytes, .. } => Some(bytes),
            Self::Nothing | Self::Unfinished { .. } => None,
        }
    }
}
