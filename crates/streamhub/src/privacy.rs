//! Who may be with a private stream, and the links that its publisher makes for others.
//!
//! A stream is private from its beginning, or not at all. Invariant: whoever may not be with a private stream is told what
//! is told of a key that nobody uses.

use crate::door::WatchRefusal;
use crate::grant::{Grant, Lease, Lessor};
use crate::links::{Link, SEATS_MAX, Seat, Shown};
use crate::moderation::Guest;
use crate::room::{Room, SharedRoom};
use crate::{Shared, StreamHub};
use abanico_core::key::{PublishToken, SessionId};
use abanico_core::stream::{Event, Refusal, Right};
use abanico_socketio::retry::FULL_RETRY;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use thiserror::Error;

/// What lets one session be with a stream, for as long as it is there.
pub(crate) struct Stay {
    pub(crate) lease: Lease,
    pub(crate) seat: Option<Seat>,
    /// Listed among those who can be put out, at a door other than Socket.IO.
    _guest: Option<Guest>,
}

impl Stay {
    /// Of who publishes the stream itself.
    pub(crate) fn of_publisher() -> Self {
        Self {
            lease: Lease::default(),
            seat: None,
            _guest: None,
        }
    }
}

/// Why somebody is told nothing of a stream's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LinkRefusal {
    /// There is no such stream, or none that the asker knows of.
    #[error("there is no such stream")]
    Unknown,
    /// It is not the asker's.
    #[error("to give others links to this stream, show its token or the operator's key")]
    NotYours,
    /// Everybody who has its key may watch it.
    #[error("this stream is not private: whoever has its address may watch it")]
    Public,
    /// There is no such link.
    #[error("there is no such link")]
    NoLink,
    /// So many seats are none.
    #[error("a link has 1 to {SEATS_MAX} seats")]
    Seats,
    /// There are too many.
    #[error("this stream has all the links that it may have; take some back")]
    TooMany,
}

impl StreamHub {
    /// Makes a link to the private stream `key`, and gives its secret for the one time that it is told.
    ///
    /// # Errors
    /// When that is not the asker's to do, or there are too many.
    pub async fn make_link(
        &self,
        key: &str,
        grant: &Grant,
        seats: usize,
        time: Option<Duration>,
    ) -> Result<(Link, String), LinkRefusal> {
        let room = self.owned(key, grant).await?;
        if !(1..=SEATS_MAX).contains(&seats) {
            return Err(LinkRefusal::Seats);
        }
        room.links.make(seats, time).ok_or(LinkRefusal::TooMany)
    }

    /// The links to the private stream `key` that hold.
    ///
    /// # Errors
    /// When that is not the asker's to know.
    pub async fn links(&self, key: &str, grant: &Grant) -> Result<Vec<Link>, LinkRefusal> {
        Ok(self.owned(key, grant).await?.links.list())
    }

    /// Takes a link back; who watches with it is put out.
    ///
    /// # Errors
    /// When there is none, or it is not the asker's.
    pub async fn revoke_link(&self, key: &str, grant: &Grant, id: &str) -> Result<(), LinkRefusal> {
        let is_revoked = self.owned(key, grant).await?.links.revoke(id);
        is_revoked.then_some(()).ok_or(LinkRefusal::NoLink)
    }

    /// The private stream `key`, for its publisher and the operator alone.
    async fn owned(&self, key: &str, grant: &Grant) -> Result<SharedRoom, LinkRefusal> {
        let room = self.shared.room(key).ok_or(LinkRefusal::Unknown)?;
        let session = self.shared.next_door_session();
        if !room.is_of(grant, session).await {
            return Err(match room.private {
                true => LinkRefusal::Unknown,
                false => LinkRefusal::NotYours,
            });
        }
        room.private.then_some(room).ok_or(LinkRefusal::Public)
    }
}

/// Looks at streams for whoever is to ask somebody else about them. Does not keep them.
#[derive(Clone)]
pub struct Rooms(Weak<Shared>);

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rooms")
    }
}

impl StreamHub {
    /// The streams, to be looked at by whoever the hub itself asks.
    pub fn rooms(&self) -> Rooms {
        Rooms(Arc::downgrade(&self.shared))
    }
}

impl Rooms {
    /// Whether there is a stream `key` that would let this grant in.
    pub async fn may_let_in(&self, key: &str, grant: &Grant) -> bool {
        let Some((room, session)) = self.room(key) else {
            return false;
        };
        !room.private
            || !matches!(
                room.admit(grant, session, false).await,
                Err(WatchRefusal::Unknown)
            )
    }

    /// Whether there is a stream `key` whose seat this grant might take, as far as everybody may know.
    pub async fn may_take(&self, key: &str, grant: &Grant) -> bool {
        let Some((room, session)) = self.room(key) else {
            return false;
        };
        !room.private || room.is_of(grant, session).await
    }

    fn room(&self, key: &str) -> Option<(SharedRoom, SessionId)> {
        let shared = self.0.upgrade()?;
        Some((shared.room(key)?, shared.next_door_session()))
    }
}

impl Room {
    /// Whether it is the asker's own, or the asker is the operator.
    pub(crate) async fn is_of(&self, grant: &Grant, session: SessionId) -> bool {
        if grant.is_operator() || self.is_held_by(grant) {
            return true;
        }
        let (Some(token), Some(stream)) = (&grant.rest, self.stream.get()) else {
            return false;
        };
        let right = Right::Token(PublishToken::new(&**token));
        if self.heed(&right, grant.address).is_err() {
            return false;
        }
        // One that has ended is nobody's.
        matches!(stream.handle(Event::Ask(session, right)).await, Ok(()))
    }

    /// Lets a session in at a door other than Socket.IO.
    ///
    /// # Errors
    /// When it is not let in, or was put out not long ago.
    pub(crate) async fn admit_guest(
        &self,
        grant: &Grant,
        session: SessionId,
        media: bool,
    ) -> Result<Stay, WatchRefusal> {
        let stay = self.admit(grant, session, media).await?;
        self.is_not_removed(grant)?;
        let out = Lessor::default();
        let lease = stay.lease.kept_by(&out);
        let guest = Some(self.order.list(session, grant.address, out));
        Ok(Stay {
            lease,
            seat: stay.seat,
            _guest: guest,
        })
    }

    /// Lets somebody have one look who has this grant. With a link that takes a seat for as long: looked at again and again
    /// a stream of pictures is the stream.
    ///
    /// # Errors
    /// When it is not let in, or was put out not long ago.
    pub(crate) async fn admit_look(
        &self,
        grant: &Grant,
        session: SessionId,
    ) -> Result<(), WatchRefusal> {
        self.admit(grant, session, true).await?;
        self.is_not_removed(grant)
    }

    fn is_not_removed(&self, grant: &Grant) -> Result<(), WatchRefusal> {
        match self.order.is_removed(None, grant.address) {
            Some(retry_after) => Err(WatchRefusal::Removed { retry_after }),
            None => Ok(()),
        }
    }

    /// Lets a session in that has this grant, with a seat if it wants media.
    ///
    /// # Errors
    /// When it is private, and what was shown is no good for it or has no seat left.
    pub(crate) async fn admit(
        &self,
        grant: &Grant,
        session: SessionId,
        media: bool,
    ) -> Result<Stay, WatchRefusal> {
        let stay = |lease, seat| Stay {
            lease,
            seat,
            _guest: None,
        };
        if grant.unasked {
            return Err(WatchRefusal::Unknown);
        }
        if !self.private || grant.shown.gives(|powers| powers.watch) {
            return Ok(stay(grant.lease.clone(), None));
        }
        let shown = grant.rest.as_deref().unwrap_or_default();
        match self.links.show(shown, media) {
            Shown::Stay(lease, seat) => return Ok(stay(lease, seat)),
            Shown::Full => {
                return Err(WatchRefusal::Seats {
                    retry_after: FULL_RETRY,
                });
            }
            Shown::Nothing => {}
        }
        match self.is_of(grant, session).await {
            true => Ok(stay(grant.lease.clone(), None)),
            false => Err(WatchRefusal::Unknown),
        }
    }

    /// What is told who may not do something with it: that it does not exist, if it is private.
    pub(crate) fn hides(&self, refusal: Refusal) -> bool {
        self.private && refusal == Refusal::NotPublisher
    }
}
