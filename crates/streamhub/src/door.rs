//! Other doors than Socket.IO: publishers and viewers without a user, over whatever they speak.
//!
//! A stream is one, whatever door its publisher and its viewers use: rights, seat, grace, counts, chat and end are the
//! same. A [`Publisher`] has the seat and pushes into the stream's `Channel`; a [`Viewer`] is counted and watches it.
//! Both hear of the stream's life as [`News`]. Dropping either is a connection that broke off.

mod publishing;
mod watching;

pub use publishing::{Claim, EndRefusal, PublishRefusal, Publisher};
pub use watching::{Observer, Viewer, WatchRefusal};

use crate::relay::Packet;
use crate::room::Room;
use crate::{Shared, StreamHub};
use abanico_core::key::SessionId;
use abanico_core::rights::Over;
use abanico_core::stream::{Event, Parting, Phase, Right};
use abanico_hub::Stream;
use std::time::Duration;

/// How a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// It went live.
    pub live: bool,
    /// Its publisher said that it pauses.
    pub paused: bool,
    /// Who publishes, if anybody is there.
    pub publisher: Option<SessionId>,
    /// The publisher is lost, and awaited for so long in all.
    pub grace: Option<Duration>,
    /// How many watch.
    pub viewers: usize,
    /// It is over. Nothing follows.
    pub ended: bool,
    /// It is over because what it was opened with holds no more.
    pub withdrawn: Option<Over>,
}

impl StreamHub {
    fn no_stream(&self, key: &str) -> WatchRefusal {
        match self.shared.ended.lock().get_mut(key) {
            Some(_) => WatchRefusal::Ended,
            None => WatchRefusal::Unknown,
        }
    }
}

/// Tells a stream that a session is gone. Without a runtime, as the process ends, nobody needs to know.
fn lose(stream: &Stream<Packet>, session: SessionId) {
    let stream = stream.clone();
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            // A stream that has ended meanwhile has no need to know.
            let _ = stream.handle(Event::Lost(session, Parting::Abrupt)).await;
        });
    }
}

/// Sessions at doors are told from those of sockets by this bit.
const DOOR: u64 = 1 << 62;

/// Whether a session is at another door than Socket.IO.
pub(crate) fn is_door(session: SessionId) -> bool {
    session.0 & DOOR != 0
}

impl Shared {
    pub(crate) fn next_door_session(&self) -> SessionId {
        SessionId(self.next_session().0 | DOOR)
    }

    /// For whom an event about a stream speaks that shows `right`: for the publisher at another door, if there is one,
    /// who stays, or else for `session`, who takes the seat.
    pub(crate) fn speaker(
        &self,
        stream: &Stream<Packet>,
        session: SessionId,
        right: &Right,
    ) -> SessionId {
        let publisher = stream.publisher().filter(|publisher| is_door(*publisher));
        publisher
            .filter(|_| !matches!(right, Right::Seat))
            .unwrap_or(session)
    }

    /// After an event that spoke for the publisher at another door: it may have gone meanwhile, and must not have the
    /// seat then.
    pub(crate) fn check_speaker(&self, stream: &Stream<Packet>, speaker: SessionId) {
        if is_door(speaker) && !self.at_doors.lock().contains(&speaker) {
            lose(stream, speaker);
        }
    }

    /// Tells the doors how the stream stands.
    pub(crate) fn publish_news(
        &self,
        room: &Room,
        stream: &Stream<Packet>,
        grace: Option<Duration>,
        withdrawn: Option<Over>,
    ) {
        let status = stream.status();
        room.news.send_if_modified(|news| {
            let now = News {
                live: status.phase == Phase::Live,
                paused: status.paused,
                publisher: stream.publisher(),
                grace: grace.or(news.grace).filter(|_| !status.publisher_present),
                viewers: status.viewers,
                ended: status.phase == Phase::Ended,
                withdrawn: withdrawn.or(news.withdrawn),
            };
            std::mem::replace(news, now) != now
        });
    }
}

#[cfg(test)]
mod tests;
