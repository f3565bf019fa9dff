//! Opus: how long a packet lasts, and the header that a decoder begins with.

use std::time::Duration;

use bytes::Bytes;

use crate::frame::{Track, TrackKind};

/// How long the sound in a packet lasts, by its first two bytes (RFC 6716, section 3). `None` for
/// bytes that are no Opus packet: more than 120 ms, or nothing.
#[must_use]
pub fn packet_duration(packet: &[u8]) -> Option<Duration> {
    let toc = *packet.first()?;
    let frame_micros: u64 = match toc >> 3 {
        // SILK: 10, 20, 40, 60 ms.
        config @ 0..12 => [10_000, 20_000, 40_000, 60_000][usize::from(config & 3)],
        // Hybrid: 10, 20 ms.
        config @ 12..16 => [10_000, 20_000][usize::from(config & 1)],
        // CELT: 2.5, 5, 10, 20 ms.
        config => [2_500, 5_000, 10_000, 20_000][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(*packet.get(1)? & 0x3f),
    };
    let micros = frame_micros * frames;
    (1..=120_000)
        .contains(&micros)
        .then(|| Duration::from_micros(micros))
}

/// What a decoder would refuse a packet of one stream for (RFC 6716, section 3.4), if anything. With more than two
/// channels a packet is several of them in a row, which this does not take apart.
pub(super) fn fault(packet: &[u8]) -> Option<&'static str> {
    const FRAME_BYTES_MAX: usize = 1275;
    let [toc, rest @ ..] = packet else {
        return Some("no bytes");
    };
    if packet_duration(packet).is_none() {
        return Some("it lasts 0 or more than 120 ms");
    }
    let largest = match toc & 3 {
        0 => Some(rest.len()),
        1 => rest.len().is_multiple_of(2).then_some(rest.len() / 2),
        2 => frame_length(rest).and_then(|(first, rest)| {
            let second = rest.len().checked_sub(first)?;
            Some(first.max(second))
        }),
        _ => largest_of_many(rest),
    };
    match largest {
        Some(bytes) if bytes <= FRAME_BYTES_MAX => None,
        Some(_) => Some("a frame of it has more than 1275 bytes"),
        None => Some("its frames are not as long as it says"),
    }
}

/// The largest frame of a packet with any number of them, if they and the padding are as long as it says.
fn largest_of_many(packet: &[u8]) -> Option<usize> {
    let [count, rest @ ..] = packet else {
        return None;
    };
    let (mut rest, mut padding, frames) = (rest, 0, usize::from(count & 0x3f));
    if count & 0x40 != 0 {
        loop {
            let (more, after) = rest.split_first()?;
            rest = after;
            padding += usize::from(*more).min(254);
            if *more < 255 {
                break;
            }
        }
    }
    if count & 0x80 == 0 {
        let bytes = rest.len().checked_sub(padding)?;
        return bytes.is_multiple_of(frames).then(|| bytes / frames);
    }
    let (mut sum, mut largest) = (0, 0);
    for _ in 1..frames {
        let (bytes, after) = frame_length(rest)?;
        rest = after;
        sum += bytes;
        largest = largest.max(bytes);
    }
    let last = rest.len().checked_sub(padding)?.checked_sub(sum)?;
    Some(largest.max(last))
}

/// Reads how long a frame is, in one byte or two.
fn frame_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0..252, rest @ ..] => Some((usize::from(*short), rest)),
        [first, second, rest @ ..] => Some((usize::from(*first) + 4 * usize::from(*second), rest)),
        _ => None,
    }
}

/// The `OpusHead` (RFC 7845, section 5.1) of a track whose container brought none.
pub(super) fn head(track: &Track) -> Bytes {
    let TrackKind::Audio {
        sample_rate,
        channels,
    } = track.kind
    else {
        return Bytes::new();
    };
    let channels = u8::try_from(channels.clamp(1, 2)).unwrap_or(2);
    let mut head = Vec::with_capacity(19);
    head.extend_from_slice(b"OpusHead\x01");
    head.push(channels);
    // Nothing to skip: a live stream is joined in its middle.
    head.extend_from_slice(&0u16.to_le_bytes());
    head.extend_from_slice(&sample_rate.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    head.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_no_decoder_takes_is_known() {
        let long = [&[0xfc][..], &[0; 1276]].concat();
        for (packet, is_whole) in [
            (&[0xfc, 1, 2, 3][..], true),
            (&[0xfc], true),
            (&long[..1276], true),
            (&long, false),
            (&[0xf9, 1, 2], true),
            (&[0xf9, 1, 2, 3], false),
            (&[0xfa, 1, 9, 8, 7], true),
            (&[0xfa, 5, 9, 8], false),
            (&[0xfa, 252], false),
            (&[0xfa], false),
            (&[0xfb, 0x03, 1, 2, 3], true),
            (&[0xfb, 0x03, 1, 2], false),
            (&[0xfb, 0x83, 1, 2, 7, 8, 8, 9], true),
            (&[0xfb, 0x83, 1, 2, 7, 8], false),
            (&[0xfb, 0x41, 2, 9, 0, 0], true),
            (&[0xfb, 0x41, 255, 2], false),
            (&[0xfb, 0x41, 3, 0, 0], false),
            (&[0xff, 0xff, 0xff, 0xff, 1, 2, 3], false),
            (&[0xfb, 0x00], false),
            (&[], false),
        ] {
            assert_eq!(fault(packet).is_none(), is_whole, "{packet:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_as_a_packet_is_looked_at(
            packet in proptest::collection::vec(proptest::num::u8::ANY, 0..1400),
        ) {
            if fault(&packet).is_none() {
                proptest::prop_assert!(packet_duration(&packet).is_some());
            }
        }
    }

    #[test]
    fn a_packet_says_how_long_it_lasts() {
        for (packet, millis) in [
            (&[0xfc][..], Some(20)),
            (&[0x78], Some(20)),
            (&[0x7b, 0x03], Some(60)),
            (&[0x18], Some(60)),
            (&[0xe8], Some(5)),
            (&[0xe9], Some(10)),
            (&[0x1b, 0x3f], None),
            (&[0x7b, 0x00], None),
            (&[0x7b], None),
            (&[], None),
        ] {
            assert_eq!(
                packet_duration(packet),
                millis.map(Duration::from_millis),
                "{packet:?}"
            );
        }
    }
}
