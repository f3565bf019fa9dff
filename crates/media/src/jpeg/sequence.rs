//! JPEG pictures one right after the other, with nothing between them: what `ffmpeg -f mjpeg` and many cameras write.
//!
//! Where a picture ends is told by its own structure: marker segments are stepped over by their length, and in the data of
//! a scan the markers are those that no data can look like. A picture in a picture, a thumbnail for one, is no end.

use super::{EOI, Pictures, SOI, SOS, Taken};
use crate::demux::Event;
use crate::rest::Rest;
use bytes::Buf;
use std::time::Duration;

/// Why a sequence of pictures cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// A picture is longer than it may be.
    #[error("picture of more than {max} bytes")]
    PictureTooLarge {
        /// What is allowed.
        max: usize,
    },
    /// Bytes go on without another picture.
    #[error("no picture within {max} bytes")]
    PictureMissing {
        /// What is allowed.
        max: usize,
    },
}

/// Reads one sequence of pictures.
#[derive(Debug)]
pub struct Demuxer {
    picture_bytes_max: usize,
    taken: Taken<SequenceError>,
    state: State,
    /// Bytes since the last picture that belong to none, and are not told yet.
    passed: usize,
    /// Bytes since the last picture that belong to none.
    lost: usize,
    pictures: Pictures,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Looking for the beginning of a picture.
    Between,
    /// In a picture, before a marker at this place, to which a segment may reach that is not all there.
    Marker { at: usize },
    /// In a picture's data, of which this was searched.
    Scan { at: usize },
}

/// What a look at the bytes has found.
enum Step {
    /// Go on here.
    To(State),
    /// The picture ends before this place.
    End(usize),
    /// It is none, up to this place.
    None(usize),
    /// More bytes are needed to go on here.
    Wait(State),
}

impl Demuxer {
    /// A sequence. A picture that is longer than `picture_bytes_max` is an error.
    #[must_use]
    pub fn new(picture_bytes_max: usize) -> Self {
        Self {
            picture_bytes_max,
            taken: Taken::default(),
            state: State::Between,
            passed: 0,
            lost: 0,
            pictures: Pictures::default(),
        }
    }

    /// Takes the next bytes, which came at `now` in the stream's time, and appends to `out` the pictures that they
    /// complete.
    ///
    /// # Errors
    ///
    /// When they are no sequence of pictures. From then on every call says the same.
    pub fn push(
        &mut self,
        chunk: &[u8],
        now: Duration,
        out: &mut Vec<Event>,
    ) -> Result<(), SequenceError> {
        self.taken.add(chunk)?;
        let read = self.read(now, out);
        self.taken.keep(read)
    }

    /// How the sequence would stand if nothing followed.
    #[must_use]
    pub fn rest(&self) -> Rest {
        let held = self.taken.held.len();
        match (self.lost + held, self.state) {
            (0, _) => Rest::Nothing,
            // What looks like a picture in the middle of garbage is none until it is whole.
            (_, State::Marker { .. } | State::Scan { .. }) if self.lost == 0 => {
                Rest::unfinished("a picture", held as u64)
            }
            (bytes, _) => Rest::Garbage {
                bytes: bytes as u64,
                expected: "a picture",
            },
        }
    }

    fn read(&mut self, now: Duration, out: &mut Vec<Event>) -> Result<(), SequenceError> {
        loop {
            match self.step() {
                Step::To(state) => self.state = state,
                Step::End(end) => {
                    let picture = self.taken.held.split_to(end).freeze();
                    self.within_bounds(picture.len())?;
                    self.tell_passed(out);
                    self.lost = 0;
                    self.state = State::Between;
                    self.pictures.take(picture, now, out);
                }
                Step::None(end) => {
                    self.within_bounds(end)?;
                    self.pass(end)?;
                    self.state = State::Between;
                }
                Step::Wait(state) => {
                    self.state = state;
                    if matches!(self.state, State::Between) {
                        // The first half of a beginning may be there.
                        let none = self.taken.held.len().saturating_sub(1);
                        self.pass(none)?;
                    }
                    return self.within_bounds(self.taken.held.len());
                }
            }
        }
    }

    fn step(&self) -> Step {
        let held = &self.taken.held[..];
        match self.state {
            State::Between => {
                let begins = |two: &[u8]| two == [0xff, SOI];
                match held.windows(2).position(begins) {
                    Some(0) => Step::To(State::Marker { at: 2 }),
                    Some(at) => Step::None(at),
                    None => Step::Wait(State::Between),
                }
            }
            State::Marker { at } => marker(held, at),
            State::Scan { at } => {
                let rest = held.get(at..).unwrap_or_default();
                let is_marker =
                    |two: &[u8]| two[0] == 0xff && !matches!(two[1], 0x00 | 0xd0..=0xd7 | 0xff);
                match rest.windows(2).position(is_marker) {
                    Some(found) => Step::To(State::Marker { at: at + found }),
                    // A marker's first half may be there.
                    None => Step::Wait(State::Scan {
                        at: at.max(held.len().saturating_sub(1)),
                    }),
                }
            }
        }
    }

    /// Passes over bytes that belong to no picture.
    fn pass(&mut self, bytes: usize) -> Result<(), SequenceError> {
        self.taken.held.advance(bytes);
        self.passed += bytes;
        self.lost += bytes;
        let max = self.picture_bytes_max;
        if self.lost > max {
            return Err(SequenceError::PictureMissing { max });
        }
        Ok(())
    }

    fn tell_passed(&mut self, out: &mut Vec<Event>) {
        let passed = std::mem::take(&mut self.passed);
        if passed > 0 {
            out.push(Event::Skipped(passed as u64));
        }
    }

    fn within_bounds(&self, picture: usize) -> Result<(), SequenceError> {
        let max = self.picture_bytes_max;
        if picture > max {
            return Err(SequenceError::PictureTooLarge { max });
        }
        Ok(())
    }
}

/// What the marker at this place says.
fn marker(held: &[u8], at: usize) -> Step {
    let rest = held.get(at..).unwrap_or_default();
    // Any number of fill bytes may stand before a marker.
    let filled = rest.iter().take_while(|byte| **byte == 0xff).count();
    let wait = Step::Wait(State::Marker {
        at: at + filled.saturating_sub(1),
    });
    let Some(marker) = rest.get(filled) else {
        return wait;
    };
    let after = at + filled + 1;
    match *marker {
        _ if filled == 0 => Step::None(at),
        // Another picture begins: this one was cut off.
        SOI => Step::None(after - 2),
        EOI => Step::End(after),
        0x00 => Step::None(after),
        0x01 | 0xd0..=0xd7 => Step::To(State::Marker { at: after }),
        marker => {
            let Some(length) = held.get(after..after + 2) else {
                return wait;
            };
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let end = after + length;
            match marker {
                _ if length < 2 => Step::None(after),
                SOS => Step::To(State::Scan { at: end }),
                _ => Step::To(State::Marker { at: end }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// With a thumbnail in a segment, stuffed bytes and a restart marker in its data, and fill bytes before its end.
    const PICTURE: &[u8] = b"\xff\xd8\xff\xe1\x00\x08\xff\xd8\xff\xd9xy\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00\
        \xff\xda\x00\x03\x01da\xff\x00ta\xff\xd0\xd9more\xff\xff\xd9";

    /// The pictures that are whole, the bytes that were passed over, and how it ended.
    fn read(body: &[u8], cut: usize) -> (usize, u64, Result<(), SequenceError>) {
        let mut demuxer = Demuxer::new(200);
        let mut out = Vec::new();
        let pushed = body
            .chunks(cut)
            .try_for_each(|chunk| demuxer.push(chunk, Duration::ZERO, &mut out));
        assert!(demuxer.taken.held.len() <= 200 + cut);
        let (mut whole, mut passed) = (0, 0);
        for event in out {
            match event {
                Event::Frame(frame) => whole += usize::from(frame.payload == PICTURE),
                Event::Skipped(bytes) => passed += bytes,
                Event::Init(_) => {}
            }
        }
        (whole, passed, pushed)
    }

    #[test]
    fn pictures_are_found_where_they_begin_and_end_however_they_are_cut() {
        let body = PICTURE.repeat(3);
        for cut in 1..body.len() {
            assert_eq!(read(&body, cut), (3, 0, Ok(())));
        }
        let mut demuxer = Demuxer::new(200);
        let mut out = Vec::new();
        demuxer.push(PICTURE, Duration::ZERO, &mut out).unwrap();
        assert_eq!(out.len(), 2, "the track, and a picture without waiting");
    }

    #[test]
    fn what_is_broken_costs_itself_and_the_next_picture_at_most() {
        let cases: [(&[u8], usize); 8] = [
            (b"garbage", 3),
            (b"\xff", 3),
            (b"\xff\xd8", 3),
            (b"\xff\xd8\xff\x00", 3),
            (b"\xff\xd8\xff\xe0\x00\x01", 3),
            (b"\xff\xd8zzz", 3),
            // Cut off in its data, and in a segment that reaches into the next picture.
            (&PICTURE[..40], 3),
            (&PICTURE[..20], 2),
        ];
        for (broken, whole) in cases {
            let body = [PICTURE, broken, PICTURE, PICTURE].concat();
            for cut in [1, 7, body.len()] {
                let (found, passed, pushed) = read(&body, cut);
                assert_eq!((found, pushed), (whole, Ok(())), "{broken:x?}");
                let lost = broken.len() + (3 - whole) * PICTURE.len();
                assert_eq!(passed, lost as u64, "{broken:x?}");
            }
        }
    }

    #[test]
    fn what_does_not_end_is_an_error_and_not_kept() {
        let endless = [PICTURE, b"\xff\xd8\xff\xda\x00\x02", &[7; 1000]].concat();
        let long = Err(SequenceError::PictureTooLarge { max: 200 });
        assert_eq!(read(&endless, 10), (1, 0, long));
        let missing = Err(SequenceError::PictureMissing { max: 200 });
        assert_eq!(read(&[PICTURE, &[7; 1000]].concat(), 10), (1, 0, missing));
    }

    proptest! {
        #[test]
        fn no_body_is_too_much_and_all_cuts_are_one(
            pieces in vec(prop_oneof![
                vec(any::<u8>(), 0..40),
                Just(PICTURE.to_vec()),
                Just(PICTURE[..25].to_vec()),
                Just(b"\xff\xd8\xff".to_vec()),
                Just(b"\xff\xda\x00\x02".to_vec()),
                Just(b"\xff\xff\xd9".to_vec()),
                Just(b"\xff\xe0\xff\xff".to_vec()),
            ], 0..30),
            cut in 1usize..100,
        ) {
            let body = pieces.concat();
            let (one, all) = (read(&body, 1), read(&body, cut));
            prop_assert_eq!((one.0, one.2), (all.0, all.2));
        }
    }
}
