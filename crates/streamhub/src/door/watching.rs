//! Viewers at other doors than Socket.IO, and who is told of a stream without watching.

use super::{News, lose};
use crate::StreamHub;
use crate::grant::{Grant, Lease};
use crate::names::limit;
use crate::privacy::Stay;
use crate::relay::Packet;
use crate::room::SharedRoom;
use abanico_core::key::SessionId;
use abanico_core::stream::Refusal;
use abanico_hub::Stream;
use abanico_hub::distributor::JoinError;
use abanico_live::{Channel, Wisher};
use abanico_socketio::retry::FULL_RETRY;
use bytes::Bytes;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// Why somebody may not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WatchRefusal {
    /// There is no such stream.
    #[error("there is no such stream")]
    Unknown,
    /// The stream is over.
    #[error("this stream has ended")]
    Ended,
    /// All seats of the link that was shown are taken.
    #[error("all seats of this link are taken now")]
    Seats {
        /// When it is worth to try again.
        retry_after: Duration,
    },
    /// Whoever keeps order there put out who watches from this address.
    #[error("whoever keeps order here has put you out; come back later")]
    Removed {
        /// After how long.
        retry_after: Duration,
    },
    /// There is no room now; it is worth to try again after this time.
    #[error("there is no room for another viewer now ({limit})")]
    Full {
        /// By which bound, as the operator knows it.
        limit: &'static str,
        /// After how long.
        retry_after: Duration,
    },
}

impl StreamHub {
    /// Joins the stream `key` as a viewer who is counted, with what it was granted.
    ///
    /// # Errors
    /// When there is no such stream, or no room.
    pub async fn watch(&self, key: &str, grant: &Grant) -> Result<Viewer, WatchRefusal> {
        let shared = &self.shared;
        let Some(room) = shared.room(key) else {
            return Err(self.no_stream(key));
        };
        let Some(stream) = room.stream.get().cloned() else {
            return Err(WatchRefusal::Unknown);
        };
        let session = shared.next_door_session();
        let stay = room.admit_guest(grant, session, true).await?;
        // Taken first, so that who gives up while it waits leaves.
        let place = Place { stream, session };
        let joined = shared
            .distributor
            .register_viewer(key, session, String::new())
            .await;
        let (limit, retry_after) = match joined {
            Ok(()) => {
                let by_door = room.is_by_door();
                room.relay.lock().mirror_to(&room.channel, by_door);
                return Ok(Viewer {
                    wisher: shared.wisher(&room, grant.address, shared.wishes()),
                    room,
                    stay,
                    _place: place,
                });
            }
            Err(JoinError::Unknown | JoinError::Refused(Refusal::Ended)) => {
                return Err(self.no_stream(key));
            }
            Err(JoinError::Busy { after }) => (limit::JOIN_RATE, after),
            Err(JoinError::Refused(Refusal::Full { .. } | Refusal::NotPublisher)) => {
                (limit::STREAM_VIEWERS, FULL_RETRY)
            }
            Err(JoinError::Full { .. }) => (limit::VIEWERS, FULL_RETRY),
            Err(JoinError::Exhausted) => (limit::RESERVES, FULL_RETRY),
        };
        Err(WatchRefusal::Full { limit, retry_after })
    }

    /// Hears how the stream `key` stands, without being counted: for somebody whose media come by another connection.
    ///
    /// # Errors
    /// When there is no such stream.
    pub async fn observe(&self, key: &str, grant: &Grant) -> Result<Observer, WatchRefusal> {
        let room = self.shared.room(key).ok_or_else(|| self.no_stream(key))?;
        // As for a viewer: one that is about to begin is not there yet.
        if room.stream.get().is_none() {
            return Err(WatchRefusal::Unknown);
        }
        let session = self.shared.next_door_session();
        let stay = room.admit_guest(grant, session, false).await?;
        // To know what the stream consists of, its frames must be looked at, as for a viewer.
        let by_door = room.is_by_door();
        room.relay.lock().mirror_to(&room.channel, by_door);
        let wisher = self
            .shared
            .wisher(&room, grant.address, self.shared.wishes());
        Ok(Observer { room, stay, wisher })
    }

    /// The newest picture of the stream `key` and its MIME type, for somebody who is not counted.
    ///
    /// # Errors
    /// When there is no such stream. `None` when it has no picture.
    pub async fn picture(
        &self,
        key: &str,
        grant: &Grant,
    ) -> Result<Option<(&'static str, Bytes)>, WatchRefusal> {
        let room = self.shared.room(key).ok_or_else(|| self.no_stream(key))?;
        let session = self.shared.next_door_session();
        room.admit_look(grant, session).await?;
        Ok(room.picture())
    }
}

/// A viewer at another door. Dropping it leaves.
pub struct Viewer {
    room: SharedRoom,
    stay: Stay,
    wisher: Wisher,
    _place: Place,
}

/// A place among a stream's viewers, from when it is asked for. Dropping it leaves.
struct Place {
    stream: Stream<Packet>,
    session: SessionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        lose(&self.stream, self.session);
    }
}

impl Viewer {
    /// What it watches.
    pub fn channel(&self) -> &Channel {
        &self.room.channel
    }

    /// The stream's key.
    pub fn key(&self) -> &str {
        self.room.key.as_str()
    }

    /// How the stream stands, and each change.
    pub fn news(&self) -> watch::Receiver<News> {
        self.room.news.subscribe()
    }

    /// How long it may stay.
    pub fn lease(&self) -> &Lease {
        &self.stay.lease
    }

    /// On whose behalf its publisher is asked for keyframes.
    pub fn wisher(&self) -> &Wisher {
        &self.wisher
    }
}

impl Viewer {
    /// Why nothing of the stream can be had here, if that is so whatever comes: it is made of what is passed on over
    /// Socket.IO as it is, and understood by nobody.
    pub fn unshowable(&self) -> Option<&'static str> {
        if self.room.is_by_door() {
            return None;
        }
        self.room.relay.lock().unshowable()
    }

    /// Why nothing of the stream can be had here for now, as soon as that is so: what its publisher sends over Socket.IO is
    /// broken.
    pub async fn unreadable(&self) -> String {
        let mut news = self.news();
        loop {
            if let Some(why) = self.trouble() {
                return why;
            }
            if news.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn trouble(&self) -> Option<String> {
        if self.room.is_by_door() {
            return None;
        }
        let trouble = self.room.relay.lock().unreadable()?;
        Some(trouble.to_viewer())
    }

    /// Whether its publisher sent anything over Socket.IO, whatever it was.
    pub fn has_begun(&self) -> bool {
        !self.room.is_by_door() && self.room.relay.lock().has_begun()
    }
}

/// Somebody who is told of a stream and is not counted.
pub struct Observer {
    room: SharedRoom,
    stay: Stay,
    wisher: Wisher,
}

impl Observer {
    /// The media, of which only the description is an observer's concern.
    pub fn channel(&self) -> &Channel {
        &self.room.channel
    }

    /// How the stream stands, and each change.
    pub fn news(&self) -> watch::Receiver<News> {
        self.room.news.subscribe()
    }

    /// How long it may stay.
    pub fn lease(&self) -> &Lease {
        &self.stay.lease
    }

    /// On whose behalf its publisher is asked for keyframes.
    pub fn wisher(&self) -> &Wisher {
        &self.wisher
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.room.relay.lock().mirror_left(&self.room.channel);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.room.relay.lock().mirror_left(&self.room.channel);
    }
}
