//! What every client has in common: where it connects, what it may ask of its crowd, and what it can be.

use crate::door::Door;
use crate::habit::Habit;
use crate::link::LinkError;
use crate::material::Stamp;
use crate::peer::Peer;
use crate::poller::Poller;
use crate::publisher::Publisher;
use crate::tally::Tally;
use crate::tls::Target;
use crate::viewer::Viewer;
use parking_lot::Mutex;
use rustix::event::epoll::{self, EventData, EventFlags};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where the frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From publishers of our own.
    Ours,
    /// From somebody else, into the stream with this key.
    Theirs(String),
    /// From the bare sender: WebSockets begin without a handshake.
    Floor,
    /// From nowhere: viewers connect and register, and join nothing.
    Nowhere,
}

/// What all clients of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) target: Target,
    pub(crate) door: Door,
    pub(crate) origin: Origin,
    /// The streams; known when all publishers have begun.
    pub(crate) streams: OnceLock<Vec<String>>,
    /// How many frames of each stream have been sent.
    pub(crate) sent: Vec<AtomicU64>,
    /// What `capturedAt` is of the piece with number 0, in milliseconds, if a recording is published.
    pub(crate) recording_since_ms: Option<u64>,
    pub(crate) departures: Departures,
    /// What is measured, on the clock of [`crate::machine::now_us`].
    pub(crate) from_us: AtomicU64,
    pub(crate) to_us: AtomicU64,
    pub(crate) publishing_is_over: AtomicBool,
    pub(crate) is_over: AtomicBool,
    pub(crate) total: Mutex<Tally>,
}

/// When frames or pieces were sent, by their number, of material whose bytes on the wire do not say so.
#[derive(Debug)]
pub(crate) struct Departures(Vec<AtomicU64>);

/// Frames of a stream whose time is remembered. Older ones are forgotten.
pub(crate) const DEPARTURES_MAX: u64 = 4096;

impl Departures {
    /// For `streams` streams.
    pub(crate) fn of(streams: usize) -> Self {
        let all = streams as u64 * DEPARTURES_MAX;
        Self((0..all).map(|_| AtomicU64::new(0)).collect())
    }

    /// Something is sent now.
    pub(crate) fn note(&self, stream: usize, stamp: Stamp) {
        if let Some(place) = self.place(stream, stamp.number) {
            place.store(stamp.sent_us, Ordering::Relaxed);
        }
    }

    /// When it was sent; `None` if that is not known, or not yet.
    pub(crate) fn sent_us(&self, stream: usize, number: u64) -> Option<u64> {
        let sent_us = self.place(stream, number)?.load(Ordering::Relaxed);
        (sent_us > 0).then_some(sent_us)
    }

    fn place(&self, stream: usize, number: u64) -> Option<&AtomicU64> {
        let place = stream as u64 * DEPARTURES_MAX + number % DEPARTURES_MAX;
        self.0.get(usize::try_from(place).ok()?)
    }
}

impl Shared {
    /// Whether what arrives now is measured.
    pub(crate) fn is_measured(&self, now_us: u64) -> bool {
        (self.from_us.load(Ordering::Relaxed)..self.to_us.load(Ordering::Relaxed)).contains(&now_us)
    }

    /// The key of a stream.
    pub(crate) fn key(&self, stream: usize) -> &str {
        let streams = self
            .streams
            .get()
            .expect("viewers begin after the publishers");
        &streams[stream]
    }

    /// What is written as `Host`.
    pub(crate) fn host(&self) -> String {
        self.target.address.to_string()
    }
}

/// When a client wants to be called: the time, its number, and which of its wishes it was.
pub(crate) type Alarm = Reverse<(u64, usize, u32)>;

/// What a client can ask of the crowd that it is in.
pub(crate) struct Crowded<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) tally: &'a mut Tally,
    pub(crate) scratch: &'a mut [u8],
    pub(crate) now_us: u64,
    pub(crate) number: usize,
    pub(crate) epoll: &'a OwnedFd,
    pub(crate) alarms: &'a mut BinaryHeap<Alarm>,
}

/// Who churns stays for so long, and up to a second more.
pub(crate) const CHURN_US: u64 = 500_000;

impl Crowded<'_> {
    /// Calls the client's `alarm` with `wish` at a time.
    pub(crate) fn call_at(&mut self, at_us: u64, wish: u32) {
        self.alarms.push(Reverse((at_us, self.number, wish)));
    }

    /// Calls who churns with `wish` when it has stayed its while in this round: not when others of its kind are called.
    pub(crate) fn churn_on(&mut self, round: u64, wish: u32) {
        let some_us = (self.number as u64 * 37 + round * 101) % 1_000 * 1_000;
        self.call_at(self.now_us + CHURN_US + some_us, wish);
    }

    /// Counts a viewer's connection that begins. Who storms is called with `again` when all of its kind are.
    pub(crate) fn opened(&mut self, habit: Habit, again: u32) {
        const STORM_EVERY_US: u64 = 1_000_000;
        if let Some(place) = habit.place() {
            self.tally.hostile[place].opened += 1;
        }
        if habit == Habit::Storm {
            self.call_at((self.now_us / STORM_EVERY_US + 1) * STORM_EVERY_US, again);
        }
    }

    /// Counts a viewer that is let in.
    pub(crate) fn joined(&mut self, habit: Habit) {
        match habit.place() {
            None => self.tally.joined += 1,
            Some(place) => self.tally.hostile[place].joined += 1,
        }
    }

    /// Counts a viewer's connection that has ended. Who has a bad habit is called with `again` if it is to come again.
    pub(crate) fn ended(
        &mut self,
        habit: Habit,
        watched: bool,
        error: &LinkError,
        again: u32,
    ) -> Ended {
        const RETRY_US: u64 = 500_000;
        let Some(place) = habit.place() else {
            self.tally.reason.get_or_insert(error.to_string());
            return if watched {
                self.tally.broken += 1;
                Ended::Over
            } else {
                self.tally.refused += 1;
                Ended::Refused
            };
        };
        self.tally.hostile[place].ended += 1;
        if matches!(habit, Habit::Stalled | Habit::Slow) && watched {
            return Ended::Over;
        }
        self.call_at(self.now_us + RETRY_US, again);
        Ended::Again
    }

    /// Begins to watch a socket for being writable, and readable too.
    pub(crate) fn watch(&self, socket: impl AsFd) -> Result<(), LinkError> {
        let data = EventData::new_u64(self.number as u64);
        Ok(epoll::add(
            self.epoll,
            socket,
            data,
            EventFlags::IN | EventFlags::OUT,
        )?)
    }

    /// Watches it from now on for something else. That it broke is always told.
    pub(crate) fn watch_for(&self, socket: impl AsFd, flags: EventFlags) -> Result<(), LinkError> {
        let data = EventData::new_u64(self.number as u64);
        Ok(epoll::modify(self.epoll, socket, data, flags)?)
    }
}

/// What becomes of a viewer whose connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It comes again, when it is called with the wish that it gave.
    Again,
    /// It has lost its connection, and that was all.
    Over,
    /// It was not let in.
    Refused,
}

/// One member of a crowd.
#[derive(Debug)]
pub(crate) enum Client {
    /// Watches over a WebSocket, well or badly.
    Viewer(Viewer),
    /// Watches over long polling.
    Poller(Poller),
    /// Watches over WebRTC, well or badly.
    Peer(Box<Peer>),
    /// Publishes.
    Publisher(Publisher),
}

impl Client {
    /// The time of an alarm has come.
    pub(crate) fn alarm(&mut self, crowd: &mut Crowded<'_>, wish: u32) {
        match self {
            Self::Viewer(viewer) => viewer.alarm(crowd, wish),
            Self::Poller(poller) => poller.alarm(crowd),
            Self::Peer(peer) => peer.alarm(crowd, wish),
            Self::Publisher(publisher) => publisher.alarm(crowd, wish),
        }
    }

    /// Its socket is ready for something.
    pub(crate) fn ready(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) {
        match self {
            Self::Viewer(viewer) => viewer.ready(crowd, flags),
            Self::Poller(poller) => poller.ready(crowd, flags),
            Self::Peer(peer) => peer.ready(crowd, flags),
            Self::Publisher(publisher) => publisher.ready(crowd, flags),
        }
    }

    /// The run is over: what is missing now does not come.
    pub(crate) fn finish(&mut self, shared: &Shared, tally: &mut Tally) {
        match self {
            Self::Viewer(viewer) => viewer.finish(shared, tally),
            Self::Poller(poller) => poller.finish(shared, tally),
            Self::Peer(peer) => peer.finish(shared, tally),
            Self::Publisher(_) => {}
        }
    }
}
