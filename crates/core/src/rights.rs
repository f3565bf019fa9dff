//! Who may do what on this server: the deeds, what one shows for them, and what is missing where it does not suffice.
//!
//! Pure. Whether a key is the right one is found out by whoever keeps it; what is decided here is what follows. The right
//! to one stream that exists is the stream's own ([`crate::stream::Right`]): its seat or its token.
//!
//! Invariants: whoever knows a stream's key may watch it; nobody operates without the operator's key; where somebody
//! stands gives at most the rights to publish and to see who watches.

use std::time::Duration;
use thiserror::Error;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Watch a stream, and talk where it is watched.
    Watch,
    /// Open a stream. Who opened it publishes it by the stream's own rights.
    Publish,
    /// See who watches a stream, one by one.
    Inspect,
    /// End any stream, take any publisher's seat.
    Operate,
}

/// Where somebody stands who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At this machine: a program on it, or a page that it served itself.
    Here,
    /// Anywhere else, or nobody knows.
    Elsewhere,
}

/// What somebody shows, found to be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing that concerns the whole server.
    Nothing,
    /// The operator's key.
    OperatorKey,
}

/// Who may open a stream without the operator's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publishing {
    /// Nobody.
    Key,
    /// Who stands at this machine.
    Local,
    /// Everybody.
    Open,
}

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// Nothing was shown.
    #[error("this server asks for the operator's key; it was printed at the server's first start")]
    KeyMissing,
    /// A key was shown that is not the operator's.
    #[error("this is not the operator's key")]
    KeyWrong,
    /// Wrong keys came from the same address too often.
    #[error("too many wrong keys came from this address; try again later")]
    TooManyWrong {
        /// After how long.
        retry_after: Duration,
    },
    /// So many keys are shown at once that this one cannot be checked now.
    #[error("too many keys are being checked just now; try again in a moment")]
    Busy {
        /// After how long.
        retry_after: Duration,
    },
}

impl Publishing {
    /// Whether somebody at `place` who has shown so much may do the deed.
    ///
    /// # Errors
    /// When something is missing.
    pub fn may(self, deed: Deed, place: Place, shown: Shown) -> Result<(), Refused> {
        let may = match deed {
            Deed::Watch => true,
            Deed::Publish => {
                shown == Shown::OperatorKey
                    || match self {
                        Self::Key => false,
                        Self::Local => place == Place::Here,
                        Self::Open => true,
                    }
            }
            Deed::Inspect => shown == Shown::OperatorKey || place == Place::Here,
            Deed::Operate => shown == Shown::OperatorKey,
        };
        if may {
            Ok(())
        } else {
            Err(Refused::KeyMissing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [Place; 2] = [Place::Here, Place::Elsewhere];
    const SHOWN: [Shown; 2] = [Shown::Nothing, Shown::OperatorKey];
    const PUBLISHING: [Publishing; 3] = [Publishing::Key, Publishing::Local, Publishing::Open];

    #[test]
    fn anybody_may_watch() {
        for publishing in PUBLISHING {
            for place in PLACES {
                assert_eq!(publishing.may(Deed::Watch, place, Shown::Nothing), Ok(()));
            }
        }
    }

    #[test]
    fn the_key_lets_its_holder_do_everything_from_everywhere() {
        for publishing in PUBLISHING {
            for place in PLACES {
                for deed in [Deed::Watch, Deed::Publish, Deed::Inspect, Deed::Operate] {
                    assert_eq!(publishing.may(deed, place, Shown::OperatorKey), Ok(()));
                }
            }
        }
    }

    #[test]
    fn who_watches_is_seen_at_this_machine_and_with_the_key_alone() {
        for publishing in PUBLISHING {
            let may = |place| publishing.may(Deed::Inspect, place, Shown::Nothing);
            assert_eq!(may(Place::Here), Ok(()));
            assert_eq!(may(Place::Elsewhere), Err(Refused::KeyMissing));
        }
    }

    #[test]
    fn nobody_operates_without_the_key() {
        for publishing in PUBLISHING {
            for place in PLACES {
                let refused = publishing.may(Deed::Operate, place, Shown::Nothing);
                assert_eq!(refused, Err(Refused::KeyMissing));
            }
        }
    }

    #[test]
    fn without_a_key_the_setting_and_the_place_decide_who_opens_a_stream() {
        let mut may = Vec::new();
        for publishing in PUBLISHING {
            for place in PLACES {
                for shown in SHOWN {
                    if publishing.may(Deed::Publish, place, shown).is_ok()
                        && shown == Shown::Nothing
                    {
                        may.push((publishing, place));
                    }
                }
            }
        }
        assert_eq!(
            may,
            [
                (Publishing::Local, Place::Here),
                (Publishing::Open, Place::Here),
                (Publishing::Open, Place::Elsewhere),
            ]
        );
    }
}
