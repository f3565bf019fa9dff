//! One source of RTP: its packets, and those that are kept to be sent once more.

use super::Frame;
use crate::socket::{Socket, Target};
use crate::srtp::Seal;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use str0m::media::Pt;

/// Frames are kept for so long, in case that one of their packets is lost.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Packets of one viewer that are kept. Of a stream that has more in that time the oldest are not sent again.
const KEPT_PACKETS_MAX: usize = 2_048;

/// Of what was sent, one in so many bytes may be sent once more.
const REPEATED_ONE_IN: usize = 6;

/// What may be repeated at once. What is asked for beyond it is not sent.
pub(crate) const REPEATED_BYTES_MAX: usize = 128 << 10;

/// With more than this left a packet is repeated twice. A repeat is lost as easily, and costs a way there and back once more: in
/// Chromium, which does not know how far away we are, at least 100 ms.
const REPEATED_TWICE_ABOVE: usize = REPEATED_BYTES_MAX / 4;

/// What the network puts around a packet: the heads of UDP and of IP.
const BELOW_BYTES: usize = 28;

/// One line of media.
pub(super) struct Line {
    pub(super) ssrc: u32,
    /// Repeats have a source of their own.
    pub(super) repeats: Option<u32>,
    /// What all its packets have in their extension.
    pub(super) extension: Vec<u8>,
    pub(super) rate: u32,
}

/// One source of RTP, and its repeats.
pub(super) struct Stream {
    pub(super) line: Line,
    /// The head of a packet, without what differs from one to the next.
    head: Vec<u8>,
    next: u64,
    next_repeat: u64,
    kept: VecDeque<Kept>,
    kept_packets: usize,
    may_repeat: usize,
    pub(super) packets: u32,
    pub(super) bytes: u32,
    /// The newest frame: its time, and when that was.
    pub(super) newest: Option<(u32, Instant)>,
    /// The number of the next picture, of codecs that count them.
    picture: u16,
}

/// A frame that was sent.
struct Kept {
    first: u64,
    at: Instant,
    frame: Frame,
    repeat_type: Pt,
}

impl Stream {
    pub(super) fn new(line: Line) -> Self {
        let mut head = vec![0x80, 0, 0, 0, 0, 0, 0, 0];
        head.extend_from_slice(&line.ssrc.to_be_bytes());
        if !line.extension.is_empty() {
            head[0] |= 0x10;
            let words = u16::try_from(line.extension.len().div_ceil(4)).unwrap_or(0);
            head.extend_from_slice(&[0xbe, 0xde]);
            head.extend_from_slice(&words.to_be_bytes());
            head.extend_from_slice(&line.extension);
            head.resize(16 + usize::from(words) * 4, 0);
        }
        Self {
            line,
            head,
            next: random_begin(),
            next_repeat: random_begin(),
            kept: VecDeque::new(),
            kept_packets: 0,
            may_repeat: REPEATED_BYTES_MAX / 2,
            packets: 0,
            bytes: 0,
            newest: None,
            picture: 0,
        }
    }

    /// Sends a frame. Returns how many bytes that is, as the network counts them.
    pub(super) fn send(
        &mut self,
        frame: &mut Frame,
        seal: &Seal,
        target: &Target,
        socket: &mut Socket,
    ) -> usize {
        frame.picture = self.picture;
        let last = frame.payloads.len().saturating_sub(1);
        for (n, payload) in frame.payloads.iter().enumerate() {
            let packet = Packet {
                head: &self.head,
                ssrc: self.line.ssrc,
                kind: *frame.payload_type,
                marker: n == last,
                number: self.next,
                repeats: None,
            };
            packet.write(frame, payload, seal, target, socket);
            self.next += 1;
        }
        let around = self.head.len() + seal.tag_bytes() + BELOW_BYTES;
        frame.payloads.bytes() + frame.payloads.len() * around
    }

    /// A frame was sent just now, that is shown at that moment. It is counted, and kept for repeats.
    pub(super) fn sent(&mut self, frame: Frame, shown: Instant, now: Instant) {
        let (packets, bytes) = (frame.payloads.len(), frame.payloads.bytes());
        let first = self.next - packets as u64;
        self.newest = Some((frame.time, shown));
        // Both begin anew at their end.
        self.packets = self
            .packets
            .wrapping_add(u32::try_from(packets).unwrap_or(0));
        self.bytes = self.bytes.wrapping_add(u32::try_from(bytes).unwrap_or(0));
        if frame.payloads.numbered {
            self.picture = self.picture.wrapping_add(1);
        }
        // What has no packets cannot be asked for, and would be bounded by time alone.
        let (Some(repeat_type), Some(_)) = (frame.repeat_type, self.line.repeats) else {
            return;
        };
        if packets == 0 {
            return;
        }
        self.may_repeat = (self.may_repeat + bytes / REPEATED_ONE_IN).min(REPEATED_BYTES_MAX);
        self.kept_packets += packets;
        self.kept.push_back(Kept {
            first,
            at: now,
            frame,
            repeat_type,
        });
        while let Some(oldest) = self.kept.front()
            && (self.kept_packets > KEPT_PACKETS_MAX
                || now.saturating_duration_since(oldest.at) > KEPT_FOR)
        {
            self.kept_packets -= oldest.frame.payloads.len();
            self.kept.pop_front();
        }
    }

    /// Sends a packet once more, as far as it is kept and not too much was repeated.
    pub(super) fn repeat(
        &mut self,
        number: u16,
        seal: &Seal,
        target: &Target,
        socket: &mut Socket,
    ) {
        let Some(ssrc) = self.line.repeats else {
            return;
        };
        // The newest packet of that number.
        let newest = self.next.saturating_sub(1);
        let back = newest.to_be_bytes()[6..]
            .try_into()
            .map_or(0, |low| u16::from_be_bytes(low).wrapping_sub(number));
        let number = newest.saturating_sub(u64::from(back));
        let after = self.kept.partition_point(|kept| kept.first <= number);
        let Some(kept) = after.checked_sub(1).and_then(|at| self.kept.get(at)) else {
            return;
        };
        let index = usize::try_from(number - kept.first).unwrap_or(usize::MAX);
        let Some(payload) = kept.frame.payloads.get(index) else {
            return;
        };
        let length = self.head.len() + 2 + payload.len() + seal.tag_bytes();
        let copies = if self.may_repeat > REPEATED_TWICE_ABOVE {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let Some(left) = self.may_repeat.checked_sub(length) else {
                return;
            };
            self.may_repeat = left;
            kept.repeat(index, &self.head, ssrc, self.next_repeat)
                .write(&kept.frame, payload, seal, target, socket);
            self.next_repeat += 1;
        }
    }

    /// Repeats what is kept, the newest first, until so many bytes are sent.
    pub(super) fn fill(
        &mut self,
        bytes: u64,
        seal: &Seal,
        target: &Target,
        socket: &mut Socket,
    ) -> usize {
        let Some(ssrc) = self.line.repeats else {
            return 0;
        };
        let around = self.head.len() + 2 + seal.tag_bytes() + BELOW_BYTES;
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut filled = 0;
        // What is kept has packets, each of which has a head at least.
        while filled < wanted && !self.kept.is_empty() {
            for kept in self.kept.iter().rev() {
                for (index, payload) in kept.frame.payloads.iter().enumerate() {
                    if filled >= wanted {
                        return filled;
                    }
                    kept.repeat(index, &self.head, ssrc, self.next_repeat)
                        .write(&kept.frame, payload, seal, target, socket);
                    self.next_repeat += 1;
                    filled += payload.len() + around;
                }
            }
        }
        filled
    }
}

impl Kept {
    /// The packet of that index, to be sent once more under that number.
    fn repeat<'a>(&self, index: usize, head: &'a [u8], ssrc: u32, number: u64) -> Packet<'a> {
        Packet {
            head,
            ssrc,
            kind: *self.repeat_type,
            marker: index + 1 == self.frame.payloads.len(),
            number,
            repeats: Some(self.first + u64::try_from(index).unwrap_or(0)),
        }
    }
}

/// A packet that is about to be written.
struct Packet<'a> {
    head: &'a [u8],
    ssrc: u32,
    kind: u8,
    marker: bool,
    number: u64,
    /// The number of the packet that it repeats.
    repeats: Option<u64>,
}

impl Packet<'_> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "numbers have 16 bits on the wire; SRTP knows how often they began anew"
    )]
    fn write(
        &self,
        frame: &Frame,
        payload: &[u8],
        seal: &Seal,
        target: &Target,
        socket: &mut Socket,
    ) {
        let original = self.repeats.map(|number| (number as u16).to_be_bytes());
        let original = original.as_ref().map_or(&[][..], |bytes| &bytes[..]);
        let length = self.head.len() + original.len() + payload.len() + seal.tag_bytes();
        socket.compose(target, length, |out| {
            let from = out.len();
            out.extend_from_slice(self.head);
            out[from + 1] = self.kind | if self.marker { 0x80 } else { 0 };
            out[from + 2..from + 4].copy_from_slice(&(self.number as u16).to_be_bytes());
            out[from + 4..from + 8].copy_from_slice(&frame.time.to_be_bytes());
            out[from + 8..from + 12].copy_from_slice(&self.ssrc.to_be_bytes());
            out.extend_from_slice(original);
            let body = out.len();
            out.extend_from_slice(payload);
            if frame.payloads.numbered
                && let Some(descriptor) = out.get_mut(body..body + 5)
            {
                let [high, low] = frame.picture.to_be_bytes();
                descriptor[1] = 0x80 | high;
                descriptor[2] = low;
                descriptor[4] = low;
            }
            let sealed = seal.rtp(out, from, self.head.len(), self.ssrc, self.number);
            if sealed.is_err() {
                // Nothing leaves without encryption.
                out.truncate(from);
                out.resize(from + length, 0);
            }
        });
    }
}

/// So long in the ticks of a line. Time on the wire wraps.
#[expect(clippy::cast_possible_truncation, reason = "it wraps")]
pub(super) fn ticks(time: Duration, line: &Line) -> u32 {
    (time.as_micros() * u128::from(line.rate) / 1_000_000) as u32
}

/// Below the middle, so that nobody has to guess whether the numbers began anew before the first packet came.
fn random_begin() -> u64 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    u64::from(u16::from_be_bytes(bytes) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payloads;
    use abanico_media::frame::Codec;
    use std::sync::Arc;

    /// As sent at those milliseconds, in one codec.
    fn kept_of(payload: &[u8], millis: impl Iterator<Item = u64>) -> (usize, usize) {
        let mut stream = Stream::new(Line {
            ssrc: 1,
            repeats: Some(2),
            extension: Vec::new(),
            rate: 90_000,
        });
        let payloads = Arc::new(Payloads::of(payload, &Codec::Vp8));
        let begun = Instant::now();
        for at in millis {
            let frame = Frame {
                payloads: Arc::clone(&payloads),
                payload_type: Pt::new_with_value(96),
                repeat_type: Some(Pt::new_with_value(97)),
                time: 0,
                picture: 0,
            };
            let now = begun + Duration::from_millis(at);
            stream.next += payloads.len() as u64;
            stream.sent(frame, now, now);
        }
        (stream.kept.len(), stream.kept_packets)
    }

    #[test]
    fn what_is_kept_for_repeats_is_bounded_whatever_a_publisher_sends() {
        assert_eq!(kept_of(&[], std::iter::repeat_n(0, 100_000)), (0, 0));
        let crowd = kept_of(&[1], std::iter::repeat_n(0, 100_000));
        assert_eq!(crowd, (KEPT_PACKETS_MAX, KEPT_PACKETS_MAX));
        let large = kept_of(&[1; 3 << 20], std::iter::repeat_n(0, 3));
        assert_eq!(large, (0, 0), "one that is larger is not kept at all");
        let (frames, _) = kept_of(&[1], (0..100).map(|n| n * 100));
        assert_eq!(frames, 11, "for a second");
    }
}
