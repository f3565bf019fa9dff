//! Who may do what on this server: the deeds, what one shows for them, and what is missing where it does not suffice.
//! A right may end: it expires, or is taken back.
//!
//! Pure. Whether a key is the right one is found out by whoever keeps it; what is decided here is what follows. The right
//! to one stream that exists is the stream's own ([`crate::stream::Right`]): its seat or its token.
//!
//! Invariants: whoever knows a stream's key may watch it; nobody operates without the operator's key; where somebody
//! stands gives at most the rights to publish and to see who watches; a pass gives what it names and no more.

use std::time::Duration;
use thiserror::Error;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Watch a stream, and talk where it is watched.
    Watch,
    /// Open a stream. Who opened it publishes it by the stream's own rights.
    Publish,
    /// Keep order where a stream is watched.
    Moderate,
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
    /// Something that the operator gave out, or that somebody vouches for whom the operator trusts.
    Pass(Powers),
    /// The operator's key.
    OperatorKey,
}

/// What a pass lets its holder do with the stream that was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Powers {
    /// Open it, and publish it then.
    pub publish: bool,
    /// Watch it, also if it is private.
    pub watch: bool,
    /// Keep order there.
    pub moderate: bool,
}

/// What somebody would like to do, and shows for it.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// What.
    pub deed: Deed,
    /// With which stream, if with one that has a key already.
    pub stream: Option<&'a str>,
    /// What is shown for it: a key, a token, anything.
    pub shown: Option<&'a str>,
}

/// Why a right is over that somebody had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Over {
    /// Its time has come.
    #[error("the right to be here has expired")]
    Expired,
    /// Whoever gave it took it back.
    #[error("the right to be here was taken back")]
    Revoked,
    /// Whoever keeps order put its holder out.
    #[error("whoever keeps order here has put you out")]
    Removed,
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
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// Nothing was shown.
    #[error(
        "this server asks for the operator's key, which it printed at its first start, or for a token that the operator gave"
    )]
    KeyMissing,
    /// A key was shown that is not the operator's, or a token that does not hold.
    #[error("this is not the operator's key, nor a token that holds")]
    KeyWrong,
    /// What was shown is right, and is not for this.
    #[error("what was shown does not give the right to do this")]
    NotForThis,
    /// Nothing was shown that lets one watch where a link does not suffice.
    #[error("this server asks its viewers for a token; log in where the link came from")]
    TokenMissing,
    /// A token does not hold: why, in words for whoever showed it.
    #[error("{0}")]
    TokenBad(Box<str>),
    /// Whoever decides about this has refused it, in its own words.
    #[error("{0}")]
    Denied(Box<str>),
    /// Whoever decides about this did not.
    #[error("whoever decides about this cannot be asked just now; try again in a moment")]
    Undecided {
        /// After how long.
        retry_after: Duration,
    },
    /// Wrong keys, or wrong tokens, came from the same address too often.
    #[error("too many wrong keys or tokens came from this address; try again later")]
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
                shown.gives(|powers| powers.publish)
                    || match self {
                        Self::Key => false,
                        Self::Local => place == Place::Here,
                        Self::Open => true,
                    }
            }
            Deed::Moderate => shown.gives(|powers| powers.moderate),
            Deed::Inspect => shown == Shown::OperatorKey || place == Place::Here,
            Deed::Operate => shown == Shown::OperatorKey,
        };
        match shown {
            _ if may => Ok(()),
            Shown::Nothing | Shown::OperatorKey => Err(Refused::KeyMissing),
            Shown::Pass(_) => Err(Refused::NotForThis),
        }
    }
}

impl Shown {
    /// Whether it gives one of the powers. The operator has all.
    pub fn gives(self, power: impl Fn(Powers) -> bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::Pass(powers) => power(powers),
            Self::OperatorKey => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [Place; 2] = [Place::Here, Place::Elsewhere];
    const DEEDS: [Deed; 5] = [
        Deed::Watch,
        Deed::Publish,
        Deed::Moderate,
        Deed::Inspect,
        Deed::Operate,
    ];
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
                for deed in DEEDS {
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
    fn a_pass_gives_what_it_names_and_no_more() {
        let nothing = Powers::default();
        let may = |deed, powers| Publishing::Key.may(deed, Place::Here, Shown::Pass(powers));
        let publish = Powers {
            publish: true,
            ..nothing
        };
        assert_eq!(may(Deed::Publish, publish), Ok(()));
        assert_eq!(may(Deed::Publish, nothing), Err(Refused::NotForThis));
        let moderate = Powers {
            moderate: true,
            ..nothing
        };
        assert_eq!(may(Deed::Moderate, moderate), Ok(()));
        assert_eq!(may(Deed::Moderate, publish), Err(Refused::NotForThis));
        let all = Powers {
            publish: true,
            watch: true,
            moderate: true,
        };
        assert_eq!(may(Deed::Operate, all), Err(Refused::NotForThis));
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
