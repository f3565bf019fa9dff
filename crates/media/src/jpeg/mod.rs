//! JPEG pictures: how large one is and what is wrong with it, told without decoding it, and streams of them: [`multipart`]
//! bodies, and [`sequence`]s.

mod damage;
pub mod multipart;
pub mod sequence;

use std::sync::Arc;
use std::time::Duration;

pub use damage::{Damage, damage};

use bytes::{Bytes, BytesMut};

use crate::demux::{Event, Init};
use crate::frame::{Codec, Frame, Track, TrackKind};

/// A picture's width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Width in pixels, never 0.
    pub width: u16,
    /// Height in pixels, never 0.
    pub height: u16,
}

/// Reads the size of a picture from its frame header. Each marker segment is stepped over, so the
/// work is bounded by their number, not by the picture. `None` when there is no such header before
/// the picture's data begins.
#[must_use]
pub fn dimensions(picture: &[u8]) -> Option<Dimensions> {
    let mut rest = picture.strip_prefix(&[0xff, SOI])?;
    loop {
        // Any number of fill bytes may stand before a marker.
        let filled = rest.iter().take_while(|byte| **byte == 0xff).count();
        let (marker, after) = rest[filled..].split_first()?;
        if filled == 0 {
            return None;
        }
        match *marker {
            // Markers without a segment.
            0x01 | 0xd0..=0xd7 => rest = after,
            SOS | EOI | SOI | 0x00 => return None,
            marker => {
                let length = usize::from(u16::from_be_bytes([*after.first()?, *after.get(1)?]));
                let segment = after.get(2..length)?;
                // C4, C8 and CC are tables in the middle of the frame headers' range.
                if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
                    let [_, h1, h0, w1, w0, ..] = *segment else {
                        return None;
                    };
                    let (width, height) =
                        (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
                    return (width > 0 && height > 0).then_some(Dimensions { width, height });
                }
                rest = &after[length..];
            }
        }
    }
}

/// The bytes that a demuxer was given and has not used, until they break: from then on every call says the same.
#[derive(Debug)]
struct Taken<Broken> {
    held: BytesMut,
    broken: Option<Broken>,
}

impl<Broken> Default for Taken<Broken> {
    fn default() -> Self {
        Self {
            held: BytesMut::new(),
            broken: None,
        }
    }
}

impl<Broken: Clone> Taken<Broken> {
    fn add(&mut self, chunk: &[u8]) -> Result<(), Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        self.held.extend_from_slice(chunk);
        Ok(())
    }

    /// Keeps what came of reading them.
    fn keep(&mut self, read: Result<(), Broken>) -> Result<(), Broken> {
        read.inspect_err(|broken| {
            self.broken = Some(broken.clone());
            self.held = BytesMut::new();
        })
    }
}

/// Makes a stream's frames of pictures, its only track.
#[derive(Debug, Default)]
struct Pictures {
    announced: bool,
}

impl Pictures {
    /// Takes the next picture, which came at `now` in the stream's time.
    fn take(&mut self, payload: Bytes, now: Duration, out: &mut Vec<Event>) {
        /// There is only one.
        const TRACK: u64 = 1;
        let Some(size) = dimensions(&payload) else {
            out.push(Event::Skipped(payload.len() as u64));
            return;
        };
        if !std::mem::replace(&mut self.announced, true) {
            let track = Track::new(
                TRACK,
                Codec::Jpeg,
                TrackKind::Video {
                    width: u32::from(size.width),
                    height: u32::from(size.height),
                },
            );
            out.push(Event::Init(Init {
                tracks: Arc::new([track]),
                segment: Bytes::new(),
            }));
        }
        out.push(Event::Frame(Frame {
            track: TRACK,
            timestamp: now,
            decode_timestamp: None,
            duration: None,
            keyframe: true,
            payload,
        }));
    }
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: &[u8] = b"\xff\xd8\xff\xe0\x00\x04hi\xff\xff\xc4\x00\x03x\xff\xc2\x00\x11\x08\x01\xe0\x02\x80\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xda";

    #[test]
    fn the_size_stands_in_the_frame_header() {
        assert_eq!(
            dimensions(SMALL),
            Some(Dimensions {
                width: 640,
                height: 480
            })
        );
        for cut in 0..SMALL.len() - 14 {
            assert_eq!(dimensions(&SMALL[..cut]), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>) {
            let _ = dimensions(&[b"\xff\xd8\xff", &bytes[..]].concat());
            let _ = dimensions(&bytes);
        }
    }
}
