//! What a viewer has seen, and the judgement on it: what came late, twice, in the wrong order, or not at all.
//!
//! It reads no socket. Whoever does hands it the packets, or what was kept of them.

use crate::client::Shared;
use crate::link::Heard;
use crate::material::{Stamp, captured_at};
use crate::native::FrameHead;
use crate::tally::Tally;
use crate::words::{self, Packet};
use std::sync::atomic::Ordering;

/// What a viewer has seen.
#[derive(Debug)]
pub(crate) struct Watch {
    honest: bool,
    stream: usize,
    began_us: u64,
    has_picture: bool,
    /// The frame that must come next. Unknown before the first, and after the server has moved us on in a recording.
    next: Option<u64>,
    unknown: u8,
    awaited: Awaited,
    /// Whether frames are told apart by the door's numbers, since they carry none of ours.
    by_sequence: bool,
    /// The first frame that must come. One that comes while older ones are given need not be given all of them.
    owed_from: u64,
    /// The piece of a recording that was still to be sent when this viewer came.
    live_from: u64,
}

/// What the next binary frame belongs to.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    Nothing,
    Data { head_len: usize },
    Backlog,
    Other,
}

/// A frame of RTP that is whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Video {
    /// Which one it is, if that is known.
    pub(crate) number: Option<u64>,
    /// When it was sent, if that is known and the viewer was there.
    pub(crate) sent_us: Option<u64>,
    pub(crate) wire_bytes: usize,
}

impl Watch {
    /// What a viewer of `stream` that begins to connect now has seen: nothing.
    pub(crate) fn new(stream: usize, honest: bool, began_us: u64) -> Self {
        Self {
            honest,
            stream,
            began_us,
            has_picture: false,
            next: None,
            unknown: 0,
            awaited: Awaited::Nothing,
            by_sequence: false,
            owed_from: 0,
            live_from: 0,
        }
    }

    /// The stream that is watched.
    pub(crate) fn stream(&self) -> usize {
        self.stream
    }

    /// A text packet, with its picture if that is text too.
    pub(crate) fn heard(
        &mut self,
        shared: &Shared,
        tally: &mut Tally,
        packet: Packet,
        heard: &Heard<'_>,
        now_us: u64,
    ) {
        const HEADER_BYTES: usize = 4;
        self.awaited = Awaited::Nothing;
        match packet {
            Packet::Data { binary } => {
                let stamp = match shared.recording_since_ms {
                    Some(since_ms) => captured_at(heard.payload).and_then(|captured| {
                        let number = captured.checked_sub(since_ms)?;
                        let sent_us = shared.departures.sent_us(self.stream, number)?;
                        Some(Stamp { number, sent_us })
                    }),
                    None if binary => None,
                    None => Stamp::of_text(heard.payload),
                };
                if binary {
                    self.awaited = Awaited::Data {
                        head_len: heard.len + HEADER_BYTES,
                    };
                    if let Some(stamp) = stamp {
                        self.stamped(tally, stamp, now_us, shared);
                    }
                    return;
                }
                Self::delivered(tally, heard.len + HEADER_BYTES, now_us, shared);
                self.pictured(tally, now_us);
                if let Some(stamp) = stamp {
                    self.stamped(tally, stamp, now_us, shared);
                }
            }
            Packet::Backlog { binary: true } => self.awaited = Awaited::Backlog,
            Packet::Backlog { binary: false } => {
                self.shown(shared, tally, Stamp::of_text(heard.payload), now_us)
            }
            Packet::Skipped => {
                let frames = words::skipped_frames(heard.payload).unwrap_or_default();
                self.skipped(tally, frames);
                if shared.recording_since_ms.is_some() {
                    self.unknown = 2;
                }
            }
            Packet::Other { binary: true } => self.awaited = Awaited::Other,
            _ => {}
        }
    }

    /// A binary frame.
    pub(crate) fn attached(
        &mut self,
        shared: &Shared,
        tally: &mut Tally,
        heard: &Heard<'_>,
        now_us: u64,
    ) {
        const HEADER_BYTES: usize = 4;
        match std::mem::replace(&mut self.awaited, Awaited::Nothing) {
            Awaited::Data { head_len } => {
                Self::delivered(tally, head_len + heard.len + HEADER_BYTES, now_us, shared);
                self.pictured(tally, now_us);
                if let Some(stamp) = Stamp::of_binary(heard.payload) {
                    self.stamped(tally, stamp, now_us, shared);
                }
            }
            Awaited::Backlog => self.shown(shared, tally, Stamp::of_binary(heard.payload), now_us),
            Awaited::Nothing | Awaited::Other => {}
        }
    }

    /// A picture that is the whole message, of which these are the first bytes.
    pub(crate) fn picture(
        &mut self,
        shared: &Shared,
        tally: &mut Tally,
        head: &[u8],
        wire_bytes: usize,
        now_us: u64,
    ) {
        Self::delivered(tally, wire_bytes, now_us, shared);
        let stamp = Stamp::of_binary(head);
        match (self.next, stamp) {
            // The first may have been sent long ago.
            (None, _) => self.shown(shared, tally, stamp, now_us),
            (Some(_), Some(stamp)) => self.stamped(tally, stamp, now_us, shared),
            (Some(_), None) => {}
        }
    }

    /// A frame of the native door.
    pub(crate) fn framed(
        &mut self,
        shared: &Shared,
        tally: &mut Tally,
        heard: &Heard<'_>,
        now_us: u64,
    ) {
        const HEADER_BYTES: usize = 4;
        let Some((head, payload)) = FrameHead::split(heard.payload) else {
            return;
        };
        let wire_bytes = heard.len + HEADER_BYTES;
        if !self.by_sequence && Stamp::of_binary(payload).is_some() {
            return self.picture(shared, tally, payload, wire_bytes, now_us);
        }
        if !std::mem::replace(&mut self.by_sequence, true) {
            let sent = shared.sent.get(self.stream);
            self.live_from = sent.map_or(0, |sent| sent.load(Ordering::Relaxed));
        }
        Self::delivered(tally, wire_bytes, now_us, shared);
        self.pictured(tally, now_us);
        if !self.honest {
            return;
        }
        if let Some(since_ms) = shared.recording_since_ms
            && let Some(piece) = (head.captured_us / 1_000).checked_sub(since_ms)
            && piece >= self.live_from
            && let Some(sent_us) = shared.departures.sent_us(self.stream, piece)
        {
            Self::late(tally, sent_us, now_us, shared);
        }
        self.numbered(tally, head.sequence.into());
    }

    /// A frame of RTP.
    pub(crate) fn video(&mut self, shared: &Shared, tally: &mut Tally, frame: &Video, now_us: u64) {
        Self::delivered(tally, frame.wire_bytes, now_us, shared);
        self.pictured(tally, now_us);
        if !self.honest {
            return;
        }
        if let Some(sent_us) = frame.sent_us {
            Self::late(tally, sent_us, now_us, shared);
        }
        if let Some(number) = frame.number {
            self.numbered(tally, number);
        }
    }

    /// Frames came whose number nobody knows, and not all of them.
    pub(crate) fn missed(&self, tally: &mut Tally, frames: u64) {
        tally.lost += if self.honest { frames } else { 0 };
    }

    /// The viewer is there now: what is sent before, it is given as far as the server likes.
    pub(crate) fn begin(&mut self, shared: &Shared) {
        let sent = shared.sent.get(self.stream);
        self.owed_from = sent.map_or(0, |sent| sent.load(Ordering::Relaxed));
    }

    /// The number that must come next.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next
    }

    /// The server has moved us past frames and says so.
    pub(crate) fn skipped(&mut self, tally: &mut Tally, frames: u64) {
        tally.skipped += if self.honest { frames } else { 0 };
        if let Some(next) = &mut self.next {
            *next += frames;
        }
    }

    /// What a joiner is shown first.
    fn shown(&mut self, shared: &Shared, tally: &mut Tally, stamp: Option<Stamp>, now_us: u64) {
        self.pictured(tally, now_us);
        if shared.recording_since_ms.is_none() {
            self.next = stamp.map(|stamp| stamp.number + 1).or(self.next);
        }
    }

    /// The first picture ends the wait.
    fn pictured(&mut self, tally: &mut Tally, now_us: u64) {
        if !std::mem::replace(&mut self.has_picture, true) && self.honest {
            tally
                .first_picture
                .saturating_record((now_us - self.began_us).max(1));
        }
    }

    fn delivered(tally: &mut Tally, len: usize, now_us: u64, shared: &Shared) {
        tally.delivered_ever += 1;
        tally.bytes_ever += len as u64;
        if shared.is_measured(now_us) {
            tally.delivered += 1;
            tally.bytes += len as u64;
        }
    }

    /// Compares a frame's number with the one that must come, and its time with now.
    fn stamped(&mut self, tally: &mut Tally, stamp: Stamp, now_us: u64, shared: &Shared) {
        if !self.honest {
            return;
        }
        if self.unknown > 0 {
            self.unknown -= 1;
            self.next = Some(stamp.number + 1);
            return;
        }
        Self::late(tally, stamp.sent_us, now_us, shared);
        self.numbered(tally, stamp.number);
    }

    /// Compares a frame's time with now.
    fn late(tally: &mut Tally, sent_us: u64, now_us: u64, shared: &Shared) {
        let latency = now_us.saturating_sub(sent_us).max(1);
        tally.recent.saturating_record(latency);
        if shared.is_measured(now_us) {
            tally.latency.saturating_record(latency);
        }
    }

    /// Compares a frame's number with the one that must come.
    fn numbered(&mut self, tally: &mut Tally, number: u64) {
        match self.next {
            Some(next) if number < next => {
                tally.reordered += 1;
                return;
            }
            Some(next) => tally.lost += number.saturating_sub(next.max(self.owed_from)),
            None => {}
        }
        self.next = Some(number + 1);
    }

    /// Counts the frames that are still missing.
    pub(crate) fn finish(&self, shared: &Shared, tally: &mut Tally) {
        let (Some(next), Some(sent)) = (self.next, shared.sent.get(self.stream)) else {
            return;
        };
        if self.by_sequence {
            return;
        }
        let owed = next.max(self.owed_from);
        tally.lost += sent.load(Ordering::Relaxed).saturating_sub(owed);
    }
}
