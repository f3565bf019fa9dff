//! What the heads of RTP packets say, which travel unencrypted: whether packets are missing, where a frame ends, and, once the
//! mapping is known, when it was sent.
//!
//! Pure: heads, stamps and time come in.

use crate::material::Stamp;

/// Bytes of a head that are looked at.
const HEAD_BYTES: usize = 12;
/// A head whose second byte is one of these is one of RTCP. RFC 5761, section 4.
const RTCP: std::ops::RangeInclusive<u8> = 192..=223;

/// What is read of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    number: u16,
    /// In ticks of 90 kHz.
    pub(crate) time: u32,
    /// Whether it is the last of its frame.
    marker: bool,
}

impl Head {
    /// Reads a datagram of RTP or RTCP. `None` if it has no media.
    pub(crate) fn of(datagram: &[u8]) -> Option<Self> {
        let head = datagram.first_chunk::<HEAD_BYTES>()?;
        let [_, kind, n0, n1, t0, t1, t2, t3, ..] = *head;
        (!RTCP.contains(&kind)).then(|| Self {
            number: u16::from_be_bytes([n0, n1]),
            time: u32::from_be_bytes([t0, t1, t2, t3]),
            marker: kind & 0x80 != 0,
        })
    }
}

/// Puts packets of one source together to frames, without their bytes.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The number of the packet that must come next.
    next: Option<u16>,
    /// The frame that is coming.
    coming: Option<Coming>,
}

#[derive(Debug, Clone, Copy)]
struct Coming {
    wire_bytes: usize,
    is_whole: bool,
}

/// What came of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Its frame goes on.
    More,
    /// All of a frame has come, in so many bytes.
    Frame { wire_bytes: usize },
    /// A frame has ended of which something is missing.
    Torn,
    /// It came after a newer one, or twice.
    Late,
}

impl Frames {
    /// Whether the next packet begins a frame, if none is missing.
    pub(crate) fn are_between(&self) -> bool {
        self.coming.is_none()
    }

    /// Takes the next packet, of a datagram with so many bytes.
    pub(crate) fn take(&mut self, head: Head, bytes: usize) -> Taken {
        let gap = head.number.wrapping_sub(self.next.unwrap_or(head.number));
        if gap >= 1 << 15 {
            return Taken::Late;
        }
        self.next = Some(head.number.wrapping_add(1));
        let coming = self.coming.get_or_insert(Coming {
            wire_bytes: 0,
            is_whole: true,
        });
        // What is missing may be the end of this frame, or all of some others.
        coming.is_whole &= gap == 0;
        coming.wire_bytes += bytes;
        if !head.marker {
            return Taken::More;
        }
        let Coming {
            wire_bytes,
            is_whole,
        } = *coming;
        self.coming = None;
        if is_whole {
            Taken::Frame { wire_bytes }
        } else {
            Taken::Torn
        }
    }
}

/// How times of RTP and of our clock belong together, learnt from frames that say both.
#[derive(Debug, Default)]
pub(crate) struct MediaClock {
    /// Ticks of RTP at which our clock began.
    offset: u32,
    /// Frames in a row that say the same.
    agreeing: u32,
    /// Frames that said nothing, if none ever did.
    silent: u32,
    /// The newest that said something.
    learnt: Option<(u32, Stamp)>,
    /// When one is to be looked at next.
    due_us: u64,
}

/// Frames in a row must say the same before it is believed.
const AGREEING: u32 = 3;
/// Then one a second must.
const AGAIN_US: u64 = 1_000_000;
/// Frames that say nothing: then none will.
const SILENT_MAX: u32 = 30;
/// Microseconds and ticks are each rounded down.
const ROUNDING_TICKS: u32 = 2;

impl MediaClock {
    /// Whether the frame that begins now is to be asked when it was sent.
    pub(crate) fn wants_to_know(&self, now_us: u64) -> bool {
        self.silent < SILENT_MAX && (self.agreeing < AGREEING || now_us >= self.due_us)
    }

    /// A frame with that time was asked.
    pub(crate) fn learn(&mut self, time: u32, stamp: Option<Stamp>, now_us: u64) {
        let Some(stamp) = stamp else {
            self.silent += u32::from(self.learnt.is_none());
            return;
        };
        let offset = time.wrapping_sub(ticks(stamp.sent_us));
        if self.agreeing > 0 && apart(offset, self.offset) <= ROUNDING_TICKS {
            self.agreeing = self.agreeing.saturating_add(1);
        } else {
            self.offset = offset;
            self.agreeing = 1;
        }
        self.learnt = Some((time, stamp));
        self.due_us = now_us + AGAIN_US;
    }

    /// When the frame with that time was sent, as far as it is known.
    pub(crate) fn sent_us(&self, time: u32, now_us: u64) -> Option<u64> {
        if self.agreeing < AGREEING {
            return None;
        }
        let age = ticks(now_us)
            .wrapping_add(self.offset)
            .wrapping_sub(time)
            .cast_signed();
        // Rounded down, it may seem to have been sent just now, or a moment later.
        let age_us = u64::from(age.max(0).cast_unsigned()) * 100 / 9;
        Some(now_us.saturating_sub(age_us))
    }

    /// The number of the frame with that time. If it did not say so itself, it is one from `next` on, as `departed` knows.
    pub(crate) fn number(
        &self,
        time: u32,
        next: Option<u64>,
        max: u64,
        departed: impl Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        if let Some((learnt, stamp)) = self.learnt
            && learnt == time
        {
            return Some(stamp.number);
        }
        let sent = time.wrapping_sub(self.offset);
        let is_it = |number: &u64| {
            departed(*number).is_some_and(|us| apart(ticks(us), sent) <= ROUNDING_TICKS)
        };
        let next = next?;
        (self.agreeing >= AGREEING)
            .then(|| (next..next + max).find(is_it))
            .flatten()
    }
}

/// A time of ours in ticks of 90 kHz, as far as 32 bits reach.
fn ticks(us: u64) -> u32 {
    let ticks = u128::from(us) * 9 / 100;
    #[expect(clippy::cast_possible_truncation, reason = "the lower bits are meant")]
    let ticks = ticks as u32;
    ticks
}

fn apart(a: u32, b: u32) -> u32 {
    a.wrapping_sub(b).cast_signed().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u16, marker: bool) -> Head {
        let mut datagram = [0; 20];
        datagram[0] = 0x90;
        datagram[1] = 96 | if marker { 0x80 } else { 0 };
        datagram[2..4].copy_from_slice(&number.to_be_bytes());
        Head::of(&datagram).unwrap()
    }

    #[test]
    fn reports_have_no_media_and_neither_has_what_is_too_short() {
        for kind in 200..=206 {
            let mut report = [0; 28];
            report[..2].copy_from_slice(&[0x80, kind]);
            assert_eq!(Head::of(&report), None, "{kind}");
        }
        assert_eq!(Head::of(&[0x80; 11]), None);
        let mut media = [0; 12];
        media[..8].copy_from_slice(&[0x80, 0xe0, 1, 2, 3, 4, 5, 6]);
        let head = Head {
            number: 0x0102,
            time: 0x0304_0506,
            marker: true,
        };
        assert_eq!(Head::of(&media), Some(head));
    }

    #[test]
    fn a_frame_is_whole_when_none_of_its_packets_is_missing() {
        let whole = Taken::Frame { wire_bytes: 300 };
        let mut frames = Frames::default();
        // The numbers begin anew in the middle of it.
        assert_eq!(frames.take(packet(65_535, false), 100), Taken::More);
        assert!(!frames.are_between());
        assert_eq!(frames.take(packet(0, false), 100), Taken::More);
        assert_eq!(frames.take(packet(1, true), 100), whole);
        assert!(frames.are_between());
        // Its first packet is missing; its middle; the end of one and the beginning of the next.
        for numbers in [&[3, 4][..], &[5, 7], &[8, 11]] {
            let (last, others) = numbers.split_last().unwrap();
            for number in others {
                assert_eq!(frames.take(packet(*number, false), 100), Taken::More);
            }
            assert_eq!(frames.take(packet(*last, true), 100), Taken::Torn);
        }
        assert_eq!(frames.take(packet(10, true), 100), Taken::Late);
        assert_eq!(frames.take(packet(11, true), 100), Taken::Late);
        assert_eq!(frames.take(packet(12, true), 300), whole);
    }

    #[test]
    fn the_time_of_a_frame_is_known_when_three_that_say_it_agree() {
        // 13 hours of ticks have passed on our clock, and the stream's own began elsewhere.
        let (began_us, first) = (50_000_000_000, 4_294_960_000_u32);
        let time = |us: u64| first.wrapping_add(u32::try_from(us * 9 / 100).unwrap());
        let mut clock = MediaClock::default();
        for number in 0..3 {
            let us = number * 33_333;
            assert!(clock.wants_to_know(began_us + us));
            assert_eq!(clock.sent_us(time(us), began_us + us), None);
            let sent_us = began_us + us;
            clock.learn(time(us), Some(Stamp { number, sent_us }), sent_us + 200);
        }
        assert!(!clock.wants_to_know(began_us + 100_000));
        assert!(clock.wants_to_know(began_us + 1_100_000), "it asks again");
        let (us, now_us) = (99_999, began_us + 107_777);
        let sent_us = clock.sent_us(time(us), now_us).unwrap();
        assert!(sent_us.abs_diff(began_us + us) <= 30, "{sent_us}");
        // Its number is that of the frame that left then, and none if none did.
        let departed = |number| (number < 7).then_some(began_us + number * 33_333);
        assert_eq!(clock.number(time(us), Some(1), 10, departed), Some(3));
        assert_eq!(clock.number(time(us), Some(4), 10, departed), None);
        assert_eq!(clock.number(time(us), None, 10, departed), None);
        assert_eq!(clock.number(time(66_666), None, 10, departed), Some(2));
        // The stream goes on with another time: nothing is known until three agree again.
        let stamp = Stamp {
            number: 40,
            sent_us: began_us + 1_200_000,
        };
        clock.learn(7, Some(stamp), began_us + 1_200_100);
        assert_eq!(clock.sent_us(7, began_us + 1_200_100), None);
    }

    #[test]
    fn a_stream_that_never_says_when_it_was_sent_is_not_asked_for_ever() {
        let mut clock = MediaClock::default();
        for time in 0..SILENT_MAX {
            assert!(clock.wants_to_know(0));
            clock.learn(time, None, 0);
        }
        assert!(!clock.wants_to_know(u64::MAX));
        assert_eq!(clock.sent_us(0, 0), None);
    }
}
