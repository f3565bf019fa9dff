//! What all packagers share: frames leave as bytes for the wire, with exact places in time.
//!
//! Players hold a frame back until they know how long it lasts, so every packaged frame says it,
//! and where the publisher did not, it is guessed from the frame before.
//!
//! How long a picture really lasts is known only when the next one is here. MediaSource takes a distance of more than
//! twice of what was said for a break, and throws away all that comes before the next keyframe; a picture that lasts
//! shorter than said it takes as it is. So a picture is said to last for longer than those of a live stream mostly do.

use std::time::Duration;

use bytes::Bytes;

use crate::codec::{aac, opus};
use crate::frame::{Codec, Frame, Track};

/// One frame in a container: the bytes before its payload, and the payload as it came, uncopied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The container's bytes.
    pub head: Bytes,
    /// The frame's bytes.
    pub payload: Bytes,
}

impl Packet {
    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// Never true of what a muxer wrote.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a container cannot carry a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The container has no place for this codec.
    #[error("{container} cannot carry {codec:?}")]
    CodecUnfit {
        /// The container's name.
        container: &'static str,
        /// The codec.
        codec: Codec,
    },
    /// The track's configuration is missing or broken.
    #[error("{codec:?} track cannot be described in {container}: {reason}")]
    ConfigUnfit {
        /// The container's name.
        container: &'static str,
        /// The codec.
        codec: Codec,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no track to package.
    #[error("no track to package")]
    NoTrack,
}

/// Where one track's frames stand in time.
#[derive(Debug)]
pub(crate) struct Pace {
    audio: bool,
    opus: bool,
    /// How long each packet of AAC lasts.
    aac: Option<Duration>,
    frame_duration: Option<Duration>,
    /// When the frame before was decoded, and how long it lasts.
    before: Option<(Duration, Duration)>,
    guess: Duration,
}

/// A frame's place: when it is decoded, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) decode: Duration,
    pub(crate) duration: Duration,
}

impl Pace {
    pub(crate) fn new(track: &Track) -> Self {
        Self {
            audio: track.is_audio(),
            opus: track.codec == Codec::Opus,
            aac: (track.codec == Codec::Aac)
                .then(|| aac::frame_duration(&track.config))
                .flatten(),
            frame_duration: track.frame_duration,
            before: None,
            guess: if track.is_audio() {
                GUESS_AUDIO
            } else {
                GUESS_VIDEO
            },
        }
    }

    /// Goes on after the frames of another.
    pub(crate) fn follow(&mut self, other: &Self) {
        self.before = other.before;
        self.guess = other.guess;
    }

    /// Places the next frame.
    pub(crate) fn place(&mut self, frame: &Frame) -> Place {
        let mut decode = frame.decode_timestamp.unwrap_or(frame.timestamp);
        if let Some((before, lasted)) = self.before {
            let next = before.saturating_add(lasted);
            let apart = decode.abs_diff(next);
            if self.audio && apart < lasted.mul_f32(AUDIO_SLACK).min(AUDIO_SLACK_MAX) {
                // Recorders stamp sound by their own clock: what is meant is sound without a gap.
                decode = next;
            } else if (GUESS_MIN..=GUESS_MAX).contains(&decode.saturating_sub(before)) {
                self.guess = decode.saturating_sub(before);
            }
        }
        // A container may be wrong about sound, the packet is not.
        let own = match self.opus {
            true => opus::packet_duration(&frame.payload),
            false => self.aac,
        };
        let mut duration = own
            .or(frame.duration.filter(|duration| !duration.is_zero()))
            .or(self.frame_duration)
            .unwrap_or(self.guess);
        if !self.audio {
            // What is told is mostly what the track's pictures last by default, and none that is left out changes it.
            duration = duration.max(PICTURE_LASTS_MIN);
        }
        self.before = Some((decode, duration));
        Place { decode, duration }
    }
}

/// What is said at least of how long a picture lasts: twice as long may be the pause that a publisher makes who leaves
/// pictures out. Our player takes it off again (`SAID_TOO_LONG_S` in web/src/player/mse-path.ts).
const PICTURE_LASTS_MIN: Duration = Duration::from_millis(200);

const GUESS_VIDEO: Duration = Duration::from_millis(33);
const GUESS_AUDIO: Duration = Duration::from_millis(20);

/// A distance between frames that is outside of this is no rhythm to go on in.
const GUESS_MIN: Duration = Duration::from_millis(1);
const GUESS_MAX: Duration = Duration::from_millis(500);

/// Sound is taken as continuous while its time is off by less than this many packets: ffmpeg stamps AAC in pairs where it
/// writes a fragment a frame, one packet too late and then right.
const AUDIO_SLACK: f32 = 1.5;
const AUDIO_SLACK_MAX: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::TrackKind;

    fn track(kind: TrackKind) -> Track {
        Track::new(1, Codec::Vp8, kind)
    }

    fn places(track: &Track, frames: &[(u64, Option<u64>)]) -> Vec<(u64, u64)> {
        let mut pace = Pace::new(track);
        let mut place = |(at, duration): &(u64, Option<u64>)| {
            let place = pace.place(&Frame {
                track: 1,
                timestamp: Duration::from_millis(*at),
                decode_timestamp: None,
                duration: duration.map(Duration::from_millis),
                keyframe: true,
                payload: Bytes::new(),
            });
            (
                place.decode.as_millis() as u64,
                place.duration.as_millis() as u64,
            )
        };
        frames.iter().map(&mut place).collect()
    }

    #[test]
    fn a_picture_is_said_to_last_as_long_as_the_one_before_it_and_never_shortly() {
        let video = track(TrackKind::UNSIZED_VIDEO);
        let got = places(
            &video,
            &[
                (0, None),
                (40, None),
                (340, None),
                (9000, None),
                (9030, Some(7)),
                (9037, Some(250)),
            ],
        );
        let expected = [
            (0, 200),
            (40, 200),
            (340, 300),
            (9000, 300),
            (9030, 200),
            (9037, 250),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn sound_that_is_stamped_unevenly_has_no_gaps() {
        let audio = track(TrackKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        });
        let sixty = Some(60);
        let got = places(
            &audio,
            &[
                (0, sixty),
                (51, sixty),
                (120, sixty),
                (400, sixty),
                (461, sixty),
            ],
        );
        assert_eq!(got, [(0, 60), (60, 60), (120, 60), (400, 60), (460, 60)]);
    }
    #[test]
    fn aac_that_is_stamped_in_pairs_is_even_again() {
        let mut audio = track(TrackKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        });
        audio.codec = Codec::Aac;
        audio.config = Bytes::from_static(&[0x11, 0x90]);
        let (pair, none) = (Some(43), Some(0));
        let stamps = [(0, pair), (43, none), (43, pair), (85, none), (85, pair)];
        let got = places(&audio, &stamps);
        assert_eq!(got, [(0, 21), (21, 21), (42, 21), (63, 21), (85, 21)]);
    }
}
