//! What one viewer's socket pulls from: its place in the stream's feed, and how it goes on after it fell behind.
//!
//! A viewer that lags is moved to the newest picture or group. One that lags again and again gets keyframes only, then a
//! still now and then, until it recovers. It is told each time.
//!
//! Invariant: a viewer of a recording is sent whole elements, even where frames were skipped: what it has so far and what
//! it gets next can be appended to one MediaSource.

use crate::names::from_server;
use crate::relay::{Content, Hold, Packet, Resume};
use crate::room::SharedRoom;
use crate::watchers::receiving;
use abanico_core::ladder::{Ladder, Policy, Rung};
use abanico_hub::feed::{self, Cursor, Next};
use abanico_hub::tally::Tally;
use abanico_socketio::{self as socketio, Feed, Message};
use bytes::Bytes;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tracing::debug;

/// A viewer's place in a stream.
pub(crate) struct ViewerFeed {
    room: SharedRoom,
    cursor: Cursor<Packet>,
    state: State,
    ladder: Ladder,
    /// Frames that it was moved past and not told of.
    untold: u64,
    /// What follows at once, whatever the feed has.
    next: Option<Message>,
    since: Instant,
    lags: u64,
    /// What it had, for others to see.
    tally: Tally,
}

#[derive(Clone, Copy)]
enum State {
    /// It has nothing that it could go on from: it begins when there is a keyframe.
    Entering,
    /// It has all that comes before its place.
    Playing(Hold),
    /// Of a recording, it has keyframes up to that of the group that begins at this place.
    Keyframes(Hold, u64),
}

impl ViewerFeed {
    /// A viewer of this name that begins at the head of the feed. Called with the room's relay locked by the caller, who has sent the
    /// backlog if there was one: `hold` says what the viewer has then.
    pub(crate) fn new(
        room: SharedRoom,
        name: String,
        cursor: Cursor<Packet>,
        hold: Option<Hold>,
        policy: Policy,
    ) -> Self {
        let state = hold.map_or(State::Entering, State::Playing);
        let feed = cursor.feed().clone();
        let tally = room
            .channel
            .tallies()
            .open("Socket.IO", name, move || feed.head());
        Self {
            room,
            cursor,
            state,
            ladder: Ladder::new(policy),
            untold: 0,
            next: None,
            since: Instant::now(),
            lags: 0,
            tally,
        }
    }

    /// Makes of the next packet what this viewer is sent; `None` if it is sent nothing for it.
    fn pass(&mut self, packet: &Packet) -> Option<Message> {
        match packet.content {
            Content::LastWord => {}
            Content::Piece { hold, .. } => match self.state {
                State::Entering => return self.enter(),
                State::Playing(_) => self.state = State::Playing(hold),
                State::Keyframes(hold, given) => return self.pass_keyframe(hold, given),
            },
            Content::Whole => {
                if !self.ladder.gives_all() {
                    return self.pass_picture(packet);
                }
            }
        }
        Some(packet.message.clone())
    }

    fn enter(&mut self) -> Option<Message> {
        let relay = self.room.relay.lock();
        let beginning = relay.beginning()?;
        self.state = State::Playing(relay.hold());
        // Not skipped but contained in what it is given.
        self.cursor.move_to(self.cursor.feed().head());
        Some(beginning)
    }

    /// A picture for a viewer that is given fewer: the newest, when one is due.
    fn pass_picture(&mut self, packet: &Packet) -> Option<Message> {
        let now = Instant::now();
        let before = self.ladder.rung(now);
        if before > Rung::All
            && (self.cursor.place() < self.cursor.feed().head()
                || !self.ladder.keyframe_is_due(now))
        {
            self.cursor.discard();
            self.untold += 1;
            return None;
        }
        if before > Rung::All && self.untold == 0 {
            return Some(packet.message.clone());
        }
        self.next = Some(packet.message.clone());
        Some(self.told(0, before))
    }

    /// A piece of a recording for a viewer that is given keyframes: the newest one when it is due, or everything again.
    fn pass_keyframe(&mut self, hold: Hold, given: u64) -> Option<Message> {
        let now = Instant::now();
        let rung = self.ladder.rung(now);
        let room = self.room.clone();
        let relay = room.relay.lock();
        let head = self.cursor.feed().head();
        let due = relay.group_place() > given && self.ladder.keyframe_is_due(now);
        let message = due.then(|| relay.restart(hold, rung > Rung::All)).flatten();
        let Some(message) = message else {
            self.cursor.discard();
            self.untold += 1;
            return None;
        };
        self.state = match rung {
            Rung::All => State::Playing(relay.hold()),
            Rung::Keyframes | Rung::Stills => State::Keyframes(relay.hold(), relay.group_place()),
        };
        self.cursor.move_to(head);
        self.next = Some(message);
        Some(self.told(0, rung))
    }

    /// The viewer is too far behind: what it is sent instead, and that it is told. `held` says whether its next packet
    /// still is.
    fn skip(&mut self, held: bool) -> Option<Message> {
        let now = Instant::now();
        let room = self.room.clone();
        let relay = room.relay.lock();
        let (place, head) = (self.cursor.place(), self.cursor.feed().head());
        let hold = match self.state {
            State::Playing(hold) => hold,
            State::Entering => {
                self.untold += self.cursor.skip_to(head.saturating_sub(1));
                return None;
            }
            State::Keyframes(..) => {
                self.lagged(now);
                self.untold += self.cursor.skip_to(head.saturating_sub(1));
                return None;
            }
        };
        let rest = held.then(|| self.rest_of_element());
        if matches!(rest, Some(None)) || !relay.is_newer(place) {
            return self.read_on(head);
        }
        self.lagged(now);
        let rung = self.ladder.rung(now);
        let (message, to) = match relay.resume(head, hold, rest.flatten(), rung > Rung::All) {
            Resume::ReadOn => return self.read_on(head),
            Resume::At(place) => (None, place),
            Resume::With(message, place) => (Some(message), place),
        };
        self.state = if rung > Rung::All && message.is_some() {
            State::Keyframes(relay.hold(), relay.group_place())
        } else {
            State::Playing(relay.hold())
        };
        let frames = self.cursor.skip_to(to);
        self.next = message;
        Some(self.told(frames, rung))
    }

    fn lagged(&mut self, now: Instant) {
        self.ladder.lagged(now);
        self.lags += 1;
    }

    /// Tells the viewer what it missed and what it is given now.
    fn told(&mut self, frames: u64, rung: Rung) -> Message {
        let receiving = receiving(rung);
        let frames = frames + std::mem::take(&mut self.untold);
        let key = self.room.key.as_str();
        let told =
            format!(r#"{{"streamKey":"{key}","frames":{frames},"receiving":"{receiving}"}}"#);
        Message::raw(from_server::STREAM_SKIPPED, &told, Vec::new())
            .expect("our event names are not reserved")
    }

    /// There is nothing newer to go to: the next packet, late as it is, or if it is gone the wait for a keyframe.
    fn read_on(&mut self, head: u64) -> Option<Message> {
        if let Some(packet) = self.cursor.read_on() {
            return self.pass(&packet);
        }
        self.state = State::Entering;
        self.untold += self.cursor.skip_to(head);
        None
    }

    /// The bytes from the viewer's place to the end of the element that it was cut off in.
    fn rest_of_element(&self) -> Option<Vec<Bytes>> {
        let mut rest = Vec::new();
        let mut complete = true;
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

impl Drop for ViewerFeed {
    fn drop(&mut self) {
        let (now, counts) = (Instant::now(), self.cursor.counts());
        debug!(
            target: "abanico::viewers",
            key = %self.room.key,
            door = "Socket.IO",
            seconds = now.saturating_duration_since(self.since).as_secs(),
            // Who goes while a courier serves it has not counted what that has brought.
            delivered = counts.read + self.tally.brought(),
            skipped = counts.skipped,
            lags = self.lags,
            receiving = ?self.ladder.rung(now),
            "a viewer has gone"
        );
    }
}

impl Feed for ViewerFeed {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let polled = self.poll_message(cx);
        // Packets may have been passed over though there is nothing to give.
        self.note_figures();
        polled
    }

    fn lend(&mut self, outlet: &socketio::Outlet) -> bool {
        // To put packets there as they are is right only for a viewer that is given everything.
        let may_lend = matches!(self.state, State::Playing(_))
            && self.ladder.gives_all()
            && self.next.is_none();
        if !may_lend {
            return false;
        }
        let before = self.cursor.place();
        let lent = self.cursor.lend(&Direct(outlet.clone()));
        if lent {
            self.tally.lent(before);
        } else {
            // A courier may have been quicker.
            self.has_read(before);
        }
        lent
    }

    fn returned(&mut self, place: u64) {
        let before = self.cursor.place();
        self.cursor.returned(place);
        self.has_read(before);
        self.note_figures();
    }
}

impl ViewerFeed {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
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

    fn note_figures(&self) {
        let counts = self.cursor.counts();
        let place = self.cursor.place();
        self.tally.note(
            place,
            counts.read,
            counts.skipped,
            self.lags,
            self.ladder.last(),
        );
    }

    /// A courier has brought everything from `before` to the cursor's place.
    fn has_read(&mut self, before: u64) {
        let place = self.cursor.place();
        if place == before {
            return;
        }
        let mut hold = None;
        self.cursor.feed().visit_from(place - 1, |packet| {
            hold = Some(match packet.content {
                Content::Piece { hold, .. } => Some(hold),
                Content::Whole | Content::LastWord => None,
            });
            false
        });
        match hold {
            Some(Some(hold)) => self.state = State::Playing(hold),
            Some(None) => {}
            // What it has of a recording cannot be told any more: it begins anew.
            None => {
                if !self.room.relay.lock().begins_anywhere() {
                    self.state = State::Entering;
                }
            }
        }
    }
}

/// A viewer's socket as the stream's courier has it.
#[derive(Clone)]
struct Direct(socketio::Outlet);

impl feed::Outlet<Packet> for Direct {
    fn open(&self, place: u64) {
        self.0.open(place);
    }

    fn close(&self) -> Option<u64> {
        self.0.close()
    }

    fn offer(&self, place: u64, packet: &Packet) -> feed::Offered {
        of(self.0.offer(place, &packet.message))
    }

    fn offer_run(&self, place: u64, packets: &[Packet]) -> (usize, feed::Offered) {
        let messages = packets.iter().map(|packet| &packet.message);
        let (taken, offered) = self.0.offer_run(place, messages);
        (taken, of(offered))
    }

    fn give_back(&self) {
        self.0.give_back();
    }

    fn prepare(&self) {
        self.0.prepare();
    }
}

fn of(offered: socketio::Offered) -> feed::Offered {
    match offered {
        socketio::Offered::Taken => feed::Offered::Taken,
        socketio::Offered::Busy => feed::Offered::Busy,
        socketio::Offered::Gone => feed::Offered::Gone,
    }
}
