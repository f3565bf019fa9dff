//! What every client has in common: where it connects, what it may ask of its crowd, and what it can be.

use crate::door::Door;
use crate::link::LinkError;
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
    /// Where numbers of pieces begin, if a recording is published.
    pub(crate) recording: Option<Recording>,
    /// What is measured, on the clock of [`crate::machine::now_us`].
    pub(crate) from_us: AtomicU64,
    pub(crate) to_us: AtomicU64,
    pub(crate) publishing_is_over: AtomicBool,
    pub(crate) is_over: AtomicBool,
    pub(crate) total: Mutex<Tally>,
}

/// When the pieces of recordings were sent, by their number.
#[derive(Debug)]
pub(crate) struct Recording {
    /// What `capturedAt` is of the piece with number 0.
    pub(crate) epoch_ms: u64,
    sent_us: Vec<AtomicU64>,
}

/// Pieces on their way, at most, whose time is remembered.
const PIECES_MAX: usize = 4096;

impl Recording {
    /// For `streams` streams.
    pub(crate) fn new(streams: usize, epoch_ms: u64) -> Self {
        let sent_us = (0..streams * PIECES_MAX)
            .map(|_| AtomicU64::new(0))
            .collect();
        Self { epoch_ms, sent_us }
    }

    /// When piece `number` of a stream was sent.
    pub(crate) fn sent_us(&self, stream: usize, number: u64) -> &AtomicU64 {
        let place = usize::try_from(number % PIECES_MAX as u64).unwrap_or_default();
        &self.sent_us[stream * PIECES_MAX + place]
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

impl Crowded<'_> {
    /// Calls the client's `alarm` with `wish` at a time.
    pub(crate) fn call_at(&mut self, at_us: u64, wish: u32) {
        self.alarms.push(Reverse((at_us, self.number, wish)));
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

/// One member of a crowd.
#[derive(Debug)]
pub(crate) enum Client {
    /// Watches over a WebSocket, well or badly.
    Viewer(Viewer),
    /// Watches over long polling.
    Poller(Poller),
    /// Publishes.
    Publisher(Publisher),
}

impl Client {
    /// The time of an alarm has come.
    pub(crate) fn alarm(&mut self, crowd: &mut Crowded<'_>, wish: u32) {
        match self {
            Self::Viewer(viewer) => viewer.alarm(crowd, wish),
            Self::Poller(poller) => poller.alarm(crowd),
            Self::Publisher(publisher) => publisher.alarm(crowd, wish),
        }
    }

    /// Its socket is ready for something.
    pub(crate) fn ready(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) {
        match self {
            Self::Viewer(viewer) => viewer.ready(crowd, flags),
            Self::Poller(poller) => poller.ready(crowd, flags),
            Self::Publisher(publisher) => publisher.ready(crowd, flags),
        }
    }

    /// The run is over: what is missing now does not come.
    pub(crate) fn finish(&mut self, shared: &Shared, tally: &mut Tally) {
        match self {
            Self::Viewer(viewer) => viewer.finish(shared, tally),
            Self::Poller(poller) => poller.finish(shared, tally),
            Self::Publisher(_) => {}
        }
    }
}
