//! What one viewer's socket pulls from: its place in the stream's feed, and how it goes on after it fell behind.
//!
//! Invariant: a viewer of a recording is sent whole elements, even where frames were skipped: what it has so far and what
//! it gets next can be appended to one MediaSource.

use crate::names::from_server;
use crate::relay::{Content, Hold, Packet, Resume};
use crate::room::SharedRoom;
use abanico_hub::feed::{Cursor, Next};
use abanico_socketio::{Feed, Message};
use bytes::Bytes;
use std::task::{Context, Poll, ready};

/// A viewer's place in a stream.
pub(crate) struct ViewerFeed {
    room: SharedRoom,
    cursor: Cursor<Packet>,
    state: State,
    /// What follows at once, whatever the feed has.
    next: Option<Message>,
}

#[derive(Clone, Copy)]
enum State {
    /// It has nothing that it could go on from: it begins when there is a keyframe.
    Entering,
    /// It has all that comes before its place.
    Playing(Hold),
}

impl ViewerFeed {
    /// A viewer that begins at the head of the feed. Called with the room's relay locked by the caller, who has sent the
    /// backlog if there was one: `hold` says what the viewer has then.
    pub(crate) fn new(room: SharedRoom, cursor: Cursor<Packet>, hold: Option<Hold>) -> Self {
        let state = hold.map_or(State::Entering, State::Playing);
        Self {
            room,
            cursor,
            state,
            next: None,
        }
    }

    /// Makes of the next packet what this viewer is sent; `None` if it can do nothing with it.
    fn pass(&mut self, packet: &Packet) -> Option<Message> {
        if let Content::Piece { hold, .. } = packet.content {
            match self.state {
                State::Entering => return self.enter(),
                State::Playing(_) => self.state = State::Playing(hold),
            }
        }
        Some(packet.message.clone())
    }

    fn enter(&mut self) -> Option<Message> {
        let relay = self.room.relay.lock();
        let beginning = relay.beginning()?;
        self.state = State::Playing(relay.hold());
        let head = self.cursor.feed().head();
        // Not skipped but contained in what it is given.
        self.cursor.move_to(head);
        Some(beginning)
    }

    /// The viewer is too far behind: what it is sent instead, and that it is told. `held` says whether its next packet
    /// still is.
    fn skip(&mut self, held: bool) -> Option<Message> {
        let room = self.room.clone();
        let relay = room.relay.lock();
        let (place, head) = (self.cursor.place(), self.cursor.feed().head());
        let hold = match self.state {
            State::Playing(hold) => hold,
            State::Entering => {
                self.cursor.skip_to(head.saturating_sub(1));
                return None;
            }
        };
        let rest = held.then(|| self.rest_of_element());
        if matches!(rest, Some(None)) {
            return self.read_on(head);
        }
        let (message, to) = match relay.resume(place, head, hold, rest.flatten()) {
            Resume::ReadOn => return self.read_on(head),
            Resume::At(place) => (None, place),
            Resume::With(message, place) => (Some(message), place),
        };
        self.state = State::Playing(relay.hold());
        let frames = self.cursor.skip_to(to);
        let key = room.key.as_str();
        let told = format!(r#"{{"streamKey":"{key}","frames":{frames}}}"#);
        let told = Message::raw(from_server::STREAM_SKIPPED, &told, Vec::new())
            .expect("our event names are not reserved");
        self.next = message;
        Some(told)
    }

    /// There is nothing newer to go to: the next packet, late as it is, or if it is gone the wait for a keyframe.
    fn read_on(&mut self, head: u64) -> Option<Message> {
        if let Some(packet) = self.cursor.read_on() {
            return self.pass(&packet);
        }
        self.state = State::Entering;
        self.cursor.skip_to(head);
        None
    }

    /// The bytes from the viewer's place to the end of the element that it was cut off in.
    fn rest_of_element(&self) -> Option<Vec<Bytes>> {
        let mut rest = Vec::new();
        let mut complete = false;
        self.cursor
            .feed()
            .visit_from(self.cursor.place(), |packet| {
                let Content::Piece {
                    bytes, boundary, ..
                } = &packet.content
                else {
                    return true;
                };
                complete = boundary.is_some();
                rest.push(boundary.map_or_else(|| bytes.clone(), |end| bytes.slice(..end)));
                !complete
            });
        complete.then_some(rest)
    }
}

impl Feed for ViewerFeed {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            if let Some(message) = self.next.take() {
                return Poll::Ready(Some(message));
            }
            let message = match ready!(self.cursor.poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Next::Packet(packet)) => self.pass(&packet),
                Some(Next::Lagging(_)) => self.skip(true),
                Some(Next::Lost(_)) => self.skip(false),
            };
            if message.is_some() {
                return Poll::Ready(message);
            }
        }
    }
}
