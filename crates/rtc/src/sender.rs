//! What a viewer is sent: the shared payloads of a stream's frames as RTP of its own, reports of it, and what got lost once
//! more.
//!
//! str0m keeps ICE, the handshake and what the viewer reports; it never sees these packets. It also keeps the time of the
//! reports and where they go: whatever RTCP it would send is replaced by ours, which knows what was sent.
//!
//! Invariants: a number of a packet is used once; the frames that are kept for repeats, and what is repeated, are bounded.

mod stream;

use crate::keys::Escrow;
use crate::payload::Payloads;
use crate::report::{self, Questions, Sent};
use crate::session::Lines;
use crate::socket::{Socket, Target};
use crate::srtp::{Seal, Unusable};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use str0m::Rtc;
use str0m::media::{Mid, Pt};
use str0m::rtp::Extension;
use str0m::rtp::rtcp::{Nack, ReceptionReport};
#[cfg(any(test, fuzzing))]
pub(crate) use stream::REPEATED_BYTES_MAX;
use stream::{Line, Stream, ticks};

/// A viewer is told what was sent no more often. str0m comes about once a second.
const REPORT_EVERY: Duration = Duration::from_millis(900);

/// A player that is told so shows each picture as soon as it has it.
const PLAYOUT_MAX: Duration = Duration::from_millis(400);

/// What a viewer's offer and our answer agreed on, as far as sending needs it.
pub(crate) struct Agreed {
    escrow: Escrow,
    name: String,
    picture: Option<Line>,
    sound: Option<Line>,
}

/// Sends to one viewer.
pub(crate) struct Sender {
    seal: Seal,
    name: String,
    picture: Option<Stream>,
    sound: Option<Stream>,
    target: Option<Target>,
    /// When it was last told what was sent.
    reported: Option<Instant>,
    questions: Questions,
}

/// A frame, and what this viewer's packets of it say.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) payloads: Arc<Payloads>,
    pub(crate) payload_type: Pt,
    /// Under which repeats travel, if the viewer takes any.
    pub(crate) repeat_type: Option<Pt>,
    /// In the track's own ticks.
    pub(crate) time: u32,
    /// Filled in when it is sent.
    pub(crate) picture: u16,
}

/// What a viewer's report says of its picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported {
    /// The newest packet that it has, with the times that numbers began anew in the upper half.
    pub(crate) newest: u32,
    /// How many it lost since it came. What was sent again does not count.
    pub(crate) lost: u32,
    pub(crate) rtt: Option<Duration>,
    /// The report of ours that this goes by.
    pub(crate) told: u32,
}

impl Agreed {
    /// Of a session whose answer was made just now.
    pub(crate) fn new(rtc: &mut Rtc, lines: Lines, escrow: Escrow) -> Self {
        let mut name = String::new();
        let mut line = |mid: Option<Mid>, rate, delay| {
            let mid = mid?;
            let media = rtc.media(mid)?;
            media.cname().clone_into(&mut name);
            let known = media.remote_extmap();
            let mut extension = Vec::new();
            let mut add = |known: Option<u8>, value: &[u8]| {
                let length = u8::try_from(value.len()).unwrap_or(0);
                if let Some(id @ 1..=14) = known
                    && let 1..=16 = length
                {
                    extension.push(id << 4 | (length - 1));
                    extension.extend_from_slice(value);
                }
            };
            add(known.id_of(Extension::RtpMid), mid.as_bytes());
            if delay {
                // From nothing to so many hundredths of a second, twelve bits each.
                let most = u8::try_from(PLAYOUT_MAX.as_millis() / 10).unwrap_or(u8::MAX);
                add(known.id_of(Extension::PlayoutDelay), &[0, 0, most]);
            }
            let mut api = rtc.direct_api();
            let stream = api.stream_tx_by_mid(mid, None)?;
            Some(Line {
                ssrc: *stream.ssrc(),
                repeats: stream.rtx().map(|ssrc| *ssrc),
                extension,
                rate,
            })
        };
        let picture = line(lines.picture, 90_000, true);
        let sound = line(lines.sound, 48_000, false);
        Self {
            escrow,
            name,
            picture,
            sound,
        }
    }
}

impl Sender {
    /// For a session whose handshake is over, with a viewer who is found there.
    pub(crate) fn new(agreed: Agreed, target: Option<Target>) -> Result<Self, Unusable> {
        let seal = Seal::new(agreed.escrow.get().ok_or(Unusable)?)?;
        Ok(Self {
            seal,
            name: agreed.name,
            picture: agreed.picture.map(Stream::new),
            sound: agreed.sound.map(Stream::new),
            target,
            reported: None,
            questions: Questions::default(),
        })
    }

    /// Where the viewer is found. Returns whether that is elsewhere than before.
    pub(crate) fn found(&mut self, target: Target) -> bool {
        let before = self.target.replace(target);
        before.is_some_and(|before| before.destination != target.destination)
    }

    /// Asks the viewer something, behind all that was sent until now.
    pub(crate) fn ask(&self, question: &[u8], socket: &mut Socket) {
        if let Some(target) = &self.target {
            socket.send_to(target, question);
        }
    }

    /// Sends packets of the picture once more that the viewer has already, up to so many bytes. Returns how many those are,
    /// as the network counts them: none if the viewer takes no repeats, or nothing is kept.
    pub(crate) fn fill(&mut self, bytes: u64, socket: &mut Socket) -> usize {
        match (&mut self.picture, &self.target) {
            (Some(stream), Some(target)) => stream.fill(bytes, &self.seal, target, socket),
            _ => 0,
        }
    }

    /// Sends a frame that was taken at that moment. Returns how many bytes that is, as the network counts them.
    pub(crate) fn send(
        &mut self,
        video: bool,
        mut frame: Frame,
        shown: Instant,
        socket: &mut Socket,
        now: Instant,
    ) -> usize {
        let stream = if video {
            &mut self.picture
        } else {
            &mut self.sound
        };
        let (Some(stream), Some(target)) = (stream, &self.target) else {
            return 0;
        };
        let bytes = stream.send(&mut frame, &self.seal, target, socket);
        stream.sent(frame, shown, now);
        bytes
    }

    /// The viewer has not got some packets. They are sent once more, as far as they are kept. Returns how many it asks for.
    pub(crate) fn repeat(&mut self, nack: &Nack, socket: &mut Socket) -> u32 {
        let (Some(stream), Some(target)) = (&mut self.picture, &self.target) else {
            return 0;
        };
        if *nack.ssrc != stream.line.ssrc {
            return 0;
        }
        let mut missed = 0;
        for entry in nack.reports.iter() {
            let follow = (0..16).filter(|bit| entry.blp >> bit & 1 == 1);
            for after in std::iter::once(0).chain(follow.map(|bit| bit + 1)) {
                stream.repeat(entry.pid.wrapping_add(after), &self.seal, target, socket);
                missed += 1;
            }
        }
        missed
    }

    /// Tells the viewer what was sent until now, if that is due, or that no more will come.
    pub(crate) fn report(&mut self, over: bool, socket: &mut Socket, now: Instant) {
        let is_soon = |at| now.saturating_duration_since(at) < REPORT_EVERY;
        if !over && self.reported.is_some_and(is_soon) {
            return;
        }
        let Some(target) = &self.target else { return };
        let streams = [&self.picture, &self.sound];
        for stream in streams.into_iter().flatten() {
            let Some((time, shown)) = stream.newest else {
                continue;
            };
            let sent = Sent {
                ssrc: stream.line.ssrc,
                name: &self.name,
                time: time.wrapping_add(ticks(now.saturating_duration_since(shown), &stream.line)),
                packets: stream.packets,
                bytes: stream.bytes,
            };
            let mut packet = sent.packet(over, &mut self.questions, SystemTime::now(), now);
            self.reported = Some(now);
            if self.seal.rtcp(&mut packet, stream.line.ssrc).is_ok() {
                socket.send_to(target, &packet);
            }
        }
    }

    /// A viewer asks how far away we are. The next report answers.
    pub(crate) fn asked(&mut self, ssrc: u32, at: SystemTime, now: Instant) {
        self.questions.ask(ssrc, at, now);
    }

    /// What a viewer's report says, if it is one of its picture.
    pub(crate) fn reported(&self, report: &ReceptionReport) -> Option<Reported> {
        let picture = self.picture.as_ref()?;
        if *report.ssrc != picture.line.ssrc {
            return None;
        }
        Some(Reported {
            newest: report.max_seq,
            lost: report.packets_lost,
            rtt: report::distance(report, SystemTime::now()),
            told: report.last_sr_time,
        })
    }
}
