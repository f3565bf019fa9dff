//! What a peer may send once it is connected: RTCP and RTP of any content, encrypted with the keys of its session.
//!
//! Whoever sends it is a [`peer`](super::peer) that has shaken hands.

use super::frame;
use super::peer::{CODECS, Session, Way, renew};
use crate::registry::Side;
use crate::sender::REPEATED_BYTES_MAX;
use abanico_live::native::Header;
use abanico_live::{Bounds, Channel, Encoder, Format, Item, Pool, Watching};
use abanico_media::frame::{Codec, Track, TrackKind};
use std::task::{Context, Poll, Waker};

/// Stands in feedback for the source of the picture.
const SOURCE_MARK: &[u8; 4] = b"PICT";

/// Stands in feedback for the number of the newest packet.
const NEWEST_MARK: &[u8; 2] = b"##";

/// A viewer that sends any feedback.
pub struct Viewer(Option<(Session, Stream)>);

/// A publisher that sends any packets.
pub struct Publisher(Option<(Session, Outcome)>);

/// What the viewer watches, and what it was sent.
struct Stream {
    encoder: Encoder,
    frames: u32,
    /// The bytes of the frames.
    sent: usize,
    /// The bytes of packets that came once more.
    repeated: usize,
    source: Option<[u8; 4]>,
    newest: [u8; 2],
}

/// What became of a publisher's packets.
struct Outcome {
    watching: Watching,
    number: u64,
    time: u32,
    ways: [Option<Way>; CODECS.len()],
    frames: usize,
}

impl Default for Viewer {
    fn default() -> Self {
        Self::new()
    }
}

impl Viewer {
    pub fn new() -> Self {
        Self(None)
    }

    /// Any bytes as RTCP, with marks in place of what only the session knows.
    pub fn feedback(&mut self, rtcp: &[u8]) {
        renew(&mut self.0);
        let (session, stream) = self.0.get_or_insert_with(|| {
            let channel = Channel::new(&Pool::new(Bounds::default()));
            let stream = Stream::new(&channel);
            (Session::begin(Side::Viewer, channel), stream)
        });
        session.inputs += 1;
        stream.push();
        session.hostile.driver.bring();
        stream.count(&session.peer.received());
        session.send_rtcp(stream.marked(rtcp));
        stream.count(&session.peer.received());
        let may = REPEATED_BYTES_MAX / 2 + stream.sent;
        assert!(stream.repeated <= may, "{} of {may}", stream.repeated);
    }
}

impl Stream {
    fn new(channel: &Channel) -> Self {
        let mut encoder = channel.encoder();
        let picture = Track::new(0, Codec::Vp8, TrackKind::UNSIZED_VIDEO);
        encoder.tracks(vec![picture]).unwrap();
        Self {
            encoder,
            frames: 0,
            sent: 0,
            repeated: 0,
            source: None,
            newest: [0; 2],
        }
    }

    /// One more frame.
    fn push(&mut self) {
        let keyframe = self.frames.is_multiple_of(8);
        let mut payload = vec![0x55; 1_500];
        payload[0] = 0x10 | u8::from(!keyframe);
        payload[3..10].copy_from_slice(b"\x9d\x01\x2a\x10\0\x10\0");
        let header = Header {
            track: 0,
            keyframe,
            gap: false,
            sequence: self.frames,
            duration: 0,
            timestamp: i64::from(self.frames) * 1_000,
            captured: 0,
        };
        self.encoder.push(&header, payload.into()).unwrap();
        self.frames += 1;
    }

    /// Takes what the viewer received.
    fn count(&mut self, packets: &[Vec<u8>]) {
        for packet in packets {
            let is_media = packet[0] >= 128 && !(192..224).contains(&packet[1]);
            let (true, Some(number), Some(source)) =
                (is_media, packet.get(2..4), packet.get(8..12))
            else {
                continue;
            };
            if *self.source.get_or_insert(source.try_into().unwrap()) == *source {
                self.newest = number.try_into().unwrap();
                // A sixth of it may be repeated; what surrounds it is not counted.
                self.sent += packet.len() / 6;
            } else {
                self.repeated += packet.len();
            }
        }
    }

    fn marked(&self, rtcp: &[u8]) -> Vec<u8> {
        let mut rtcp = rtcp.to_vec();
        let put = |bytes: &mut Vec<u8>, mark: &[u8], value: &[u8]| {
            for at in 0..=bytes.len().saturating_sub(mark.len()) {
                if bytes[at..].starts_with(mark) {
                    bytes[at..at + mark.len()].copy_from_slice(value);
                }
            }
        };
        put(&mut rtcp, SOURCE_MARK, &self.source.unwrap_or_default());
        put(&mut rtcp, NEWEST_MARK, &self.newest);
        rtcp
    }
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

impl Publisher {
    pub fn new() -> Self {
        Self(None)
    }

    /// Any bytes as packets of RTP. Each is a byte that says its codec, whether it ends a frame and whether it comes late;
    /// how far its number and its time are from those before it; and its payload with the length before it.
    pub fn packets(&mut self, mut bytes: &[u8]) {
        renew(&mut self.0);
        let (session, outcome) = self.0.get_or_insert_with(|| {
            let channel = Channel::new(&Pool::new(Bounds::default()));
            let watching = channel.watch(Format::Rtp).unwrap();
            let session = Session::begin(Side::Publisher, channel);
            let outcome = Outcome {
                watching,
                number: 1_000,
                time: 0,
                ways: session.peer.ways,
                frames: 0,
            };
            (session, outcome)
        });
        session.inputs += 1;
        while let [how, number, time, length, rest @ ..] = bytes {
            let (payload, rest) = rest.split_at(rest.len().min((*length).into()));
            bytes = rest;
            outcome.time = outcome.time.wrapping_add(u32::from(*time) * 90);
            outcome.number += u64::from(*number);
            let late = if how & 0x40 == 0 { 0 } else { 3 };
            let Some(way) = outcome.ways[usize::from(how & 7) % CODECS.len()] else {
                continue;
            };
            session.send_rtp(
                way,
                how & 0x80,
                outcome.number - late,
                outcome.time,
                payload,
            );
        }
        outcome.look();
    }
}

impl Outcome {
    /// Cuts for viewers what came of the packets.
    fn look(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(item)) = self.watching.poll_next(&mut cx) {
            let Item::Packet(packet) = item else { continue };
            self.frames += usize::from(!packet.is_init());
            for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Opus] {
                frame(&codec, &packet.payload);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::corpus::{holds, seed};
    use crate::session::LEAVES_WITHIN;
    use abanico_fuzz::mutation::mutate;
    use std::time::Instant;

    /// Inputs of each, a second or two.
    const INPUTS: u64 = 20_000;

    #[test]
    fn no_feedback_of_a_viewer_breaks_anything() {
        let mut viewer = Viewer::new();
        holds("feedback", INPUTS, mutate, |rtcp| viewer.feedback(rtcp));
        let (_, stream) = viewer.0.as_ref().unwrap();
        assert!(
            stream.sent > 200 * stream.frames as usize,
            "it was sent all along"
        );
    }

    #[test]
    fn no_packets_of_a_publisher_break_anything() {
        let mut publisher = Publisher::new();
        holds("packets", INPUTS, mutate, |bytes| publisher.packets(bytes));
    }

    #[test]
    fn a_viewer_that_is_put_out_is_told_so_and_gone_at_once() {
        let mut viewer = Viewer::new();
        viewer.feedback(&seed("feedback/report"));
        let (session, _) = viewer.0.as_mut().unwrap();
        let (driver, name) = (&mut session.hostile.driver, &session.name);
        let endpoint = &session.hostile.endpoint;
        endpoint.end(Side::Viewer, "demo", name).unwrap();
        driver.obey_all();
        assert!(driver.is_empty(), "it has left");
        driver.flush();
        let said = session.peer.received();
        let kinds: Vec<u8> = said.iter().map(|bytes| bytes[0]).collect();
        assert_eq!(kinds, [21, 128], "DTLS's goodbye and that of RTCP");
    }

    #[test]
    fn a_viewer_whose_leave_takes_time_is_sent_nothing_more_whatever_it_says() {
        let mut viewer = Viewer::new();
        viewer.feedback(&seed("feedback/report"));
        let (session, stream) = viewer.0.as_mut().unwrap();
        let sent = stream.sent;
        assert!(sent > 0);
        session.hostile.driver.take_for_ended();
        for asks in ["feedback/picture-loss", "feedback/nack"] {
            stream.push();
            session.hostile.driver.bring();
            session.send_rtcp(stream.marked(&seed(asks)));
            stream.count(&session.peer.received());
        }
        assert_eq!((stream.sent, stream.repeated), (sent, 0));
        assert!(!session.hostile.driver.is_empty(), "it is still there");
        session.hostile.driver.pass(Instant::now() + LEAVES_WITHIN);
        assert!(session.hostile.driver.is_empty(), "it has left");
    }

    #[test]
    fn the_corpus_is_understood() {
        let mut viewer = Viewer::new();
        viewer.feedback(&seed("feedback/nack"));
        let (_, stream) = viewer.0.as_ref().unwrap();
        assert!(stream.repeated > 1_000, "{}", stream.repeated);
        for name in ["vp8", "vp9", "h264", "av1", "mixed"] {
            let mut publisher = Publisher::new();
            publisher.packets(&seed(&format!("packets/{name}")));
            let (_, outcome) = publisher.0.as_ref().unwrap();
            assert!(outcome.frames > 0, "{name}");
        }
    }
}
