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
