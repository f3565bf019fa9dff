//! Multipart JPEG (`multipart/x-mixed-replace`): pictures one after the other over HTTP, as IP
//! cameras and ffmpeg send them and as every `<img>` shows them.

use std::time::Duration;

use bytes::{Buf, Bytes};

use super::{Pictures, Taken};
use crate::demux::Event;
use crate::rest::Rest;

/// What a server says of the body that [`part`] and [`preamble`] write.
pub const CONTENT_TYPE: &str = "multipart/x-mixed-replace;boundary=abanico";

/// What every viewer gets before the first picture.
#[must_use]
pub fn preamble() -> Bytes {
    Bytes::from_static(b"--abanico\r\n")
}

/// One picture: its header, its bytes, and the boundary after it. Browsers show a picture when the
/// boundary has come, so it goes out with the picture and not with the next.
#[must_use]
pub fn part(picture: &Bytes) -> [Bytes; 3] {
    let head = format!(
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
        picture.len()
    );
    [
        head.into(),
        picture.clone(),
        Bytes::from_static(b"\r\n--abanico\r\n"),
    ]
}

/// The boundary that a `Content-Type` names.
#[must_use]
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    let kind = kind.trim();
    if !kind
        .get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
    {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"'))
    })?;
    (1..=BOUNDARY_BYTES_MAX)
        .contains(&boundary.len())
        .then_some(boundary)
}

/// RFC 2046 allows 70; cameras do not always count.
const BOUNDARY_BYTES_MAX: usize = 200;

/// Why a body cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartError {
    /// A picture is longer than it may be.
    #[error("picture of more than {max} bytes")]
    PictureTooLarge {
        /// What is allowed.
        max: usize,
    },
    /// The headers of a part do not end.
    #[error("part headers of more than {max} bytes")]
    HeadersTooLong {
        /// What is allowed.
        max: usize,
    },
    /// Bytes go on without the boundary that was announced.
    #[error("no boundary within {max} bytes")]
    BoundaryMissing {
        /// What is allowed.
        max: usize,
    },
    /// A `Content-Length` that is no number.
    #[error("part with a broken content-length")]
    LengthBroken,
}

/// Reads one multipart body.
#[derive(Debug)]
pub struct Demuxer {
    /// The boundary with its two dashes.
    delimiter: Vec<u8>,
    picture_bytes_max: usize,
    taken: Taken<MultipartError>,
    state: State,
    pictures: Pictures,
}

#[derive(Debug)]
enum State {
    /// Looking for a boundary's line; so many bytes were none.
    Delimiter { passed: usize },
    /// In a part's headers, of which so many bytes were read.
    Headers { read: usize, length: Option<usize> },
    /// In a picture that said its length.
    Sized { length: usize },
    /// In a picture that ends at the next boundary; so much of it was searched.
    Open { searched: usize },
    /// After the last boundary.
    Over,
}

impl Demuxer {
    /// A body whose parts are separated by `boundary`. A picture that is longer than
    /// `picture_bytes_max` is an error.
    #[must_use]
    pub fn new(boundary: &str, picture_bytes_max: usize) -> Self {
        // Some cameras announce the dashes as a part of it.
        let boundary = boundary.strip_prefix("--").unwrap_or(boundary);
        Self {
            delimiter: [b"--", boundary.as_bytes()].concat(),
            picture_bytes_max,
            taken: Taken::default(),
            state: State::Delimiter { passed: 0 },
            pictures: Pictures::default(),
        }
    }

    /// Takes the next bytes, which came at `now` in the stream's time, and appends to `out` the
    /// pictures that they complete.
    ///
    /// # Errors
    ///
    /// When the body is not what it was announced to be. From then on every call says the same.
    pub fn push(
        &mut self,
        chunk: &[u8],
        now: Duration,
        out: &mut Vec<Event>,
    ) -> Result<(), MultipartError> {
        self.taken.add(chunk)?;
        let mut read = self.step(now, out);
        while read == Ok(true) {
            read = self.step(now, out);
        }
        self.taken.keep(read.map(|_| ()))
    }

    /// How the body would stand if nothing followed.
    #[must_use]
    pub fn rest(&self) -> Rest {
        /// After a picture there is a line's end.
        const LINE_END: usize = 2;
        let held = &self.taken.held[..];
        match self.state {
            State::Over => Rest::Nothing,
            State::Delimiter { passed } => {
                let bytes = passed + held.len();
                let begun = held.trim_ascii_start();
                if bytes <= LINE_END {
                    Rest::Nothing
                } else if passed <= LINE_END && self.delimiter.starts_with(begun) {
                    Rest::unfinished("a boundary", begun.len() as u64)
                } else {
                    Rest::Garbage {
                        bytes: bytes as u64,
                        expected: "a boundary",
                    }
                }
            }
            State::Headers { read, .. } => Rest::begun("a part's headers", read + held.len()),
            State::Sized { .. } | State::Open { .. } => {
                Rest::unfinished("a picture", held.len() as u64)
            }
        }
    }

    /// Makes some way; says whether there may be more.
    fn step(&mut self, now: Duration, out: &mut Vec<Event>) -> Result<bool, MultipartError> {
        match self.state {
            State::Over => {
                self.taken.held.clear();
                Ok(false)
            }
            State::Delimiter { passed } => {
                let max = BETWEEN_BYTES_MAX;
                let Some(line) = self.line() else {
                    let missing = passed + self.taken.held.len() > max;
                    return if missing {
                        Err(MultipartError::BoundaryMissing { max })
                    } else {
                        Ok(false)
                    };
                };
                let passed = passed + line.len() + 1;
                self.state = match line
                    .strip_prefix(&self.delimiter[..])
                    .map(<[u8]>::trim_ascii)
                {
                    Some(b"") => State::Headers {
                        read: 0,
                        length: None,
                    },
                    Some(b"--") => State::Over,
                    _ if passed > max => return Err(MultipartError::BoundaryMissing { max }),
                    _ => State::Delimiter { passed },
                };
                Ok(true)
            }
            State::Headers { read, length } => {
                let max = HEADER_BYTES_MAX;
                let line = self.line();
                let read = read
                    + line
                        .as_ref()
                        .map_or(self.taken.held.len(), |line| line.len() + 1);
                if read > max {
                    return Err(MultipartError::HeadersTooLong { max });
                }
                let Some(line) = line else {
                    return Ok(false);
                };
                self.state = match (line.trim_ascii(), length) {
                    (b"", Some(length)) => State::Sized { length },
                    (b"", None) => State::Open { searched: 0 },
                    (line, length) => State::Headers {
                        read,
                        length: self.content_length(line)?.or(length),
                    },
                };
                Ok(true)
            }
            State::Sized { length } => {
                if self.taken.held.len() < length {
                    return Ok(false);
                }
                let picture = self.taken.held.split_to(length).freeze();
                self.state = State::Delimiter { passed: 0 };
                self.pictures.take(picture, now, out);
                Ok(true)
            }
            State::Open { searched } => {
                let max = self.picture_bytes_max;
                let window = self.delimiter.len() + 1;
                let found = self.taken.held[searched..]
                    .windows(window)
                    .position(|bytes| bytes[0] == b'\n' && bytes[1..] == self.delimiter[..]);
                let end = found.map(|at| searched + at);
                if end.unwrap_or(self.taken.held.len()) > max + window {
                    return Err(MultipartError::PictureTooLarge { max });
                }
                let Some(end) = end else {
                    self.state = State::Open {
                        searched: self.taken.held.len().saturating_sub(window),
                    };
                    return Ok(false);
                };
                let picture = self.taken.held.split_to(end).freeze();
                self.taken.held.advance(1);
                self.state = State::Delimiter { passed: 0 };
                let picture = picture
                    .strip_suffix(b"\r")
                    .map_or(picture.clone(), |bytes| picture.slice_ref(bytes));
                self.pictures.take(picture, now, out);
                Ok(true)
            }
        }
    }

    /// Takes the next whole line, without its end.
    fn line(&mut self) -> Option<Bytes> {
        let end = self
            .taken
            .held
            .iter()
            .take(HEADER_BYTES_MAX.max(BETWEEN_BYTES_MAX))
            .position(|byte| *byte == b'\n')?;
        let line = self.taken.held.split_to(end).freeze();
        self.taken.held.advance(1);
        Some(line)
    }

    fn content_length(&self, line: &[u8]) -> Result<Option<usize>, MultipartError> {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Ok(None);
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if !name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            return Ok(None);
        }
        let length = std::str::from_utf8(value)
            .ok()
            .and_then(|value| value.parse().ok());
        let length = length.ok_or(MultipartError::LengthBroken)?;
        let max = self.picture_bytes_max;
        if length > max {
            Err(MultipartError::PictureTooLarge { max })
        } else {
            Ok(Some(length))
        }
    }
}

/// Between two parts there is nothing but a line's end.
const BETWEEN_BYTES_MAX: usize = 4096;

/// A part's headers say a type and a length.
const HEADER_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const PICTURE: &[u8] = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00\xff\xda\x00\r\n--data\n\xff\xd9";

    fn pictures(body: &[u8], boundary: &str, cut: usize) -> (usize, Result<(), MultipartError>) {
        let mut demuxer = Demuxer::new(boundary, 1000);
        let mut out = Vec::new();
        for chunk in body.chunks(cut) {
            if let Err(error) = demuxer.push(chunk, Duration::ZERO, &mut out) {
                return (0, Err(error));
            }
        }
        let whole =
            |event: &&Event| matches!(event, Event::Frame(frame) if frame.payload == PICTURE);
        (out.iter().filter(whole).count(), Ok(()))
    }

    #[test]
    fn a_boundary_stands_in_the_content_type() {
        assert_eq!(boundary(CONTENT_TYPE), Some("abanico"));
        assert_eq!(
            boundary("Multipart/X-Mixed-Replace; charset=x; Boundary=\"a b\""),
            Some("a b")
        );
        assert_eq!(boundary("image/jpeg; boundary=x"), None);
        assert_eq!(boundary("multipart/x-mixed-replace"), None);
    }

    #[test]
    fn parts_with_and_without_a_length_are_read() {
        let sized = [&b"--x\r\nContent-Length: 29\r\n\r\n"[..], PICTURE, b"\r\n"].concat();
        assert_eq!(PICTURE.len(), 29);
        let open = [&b"--x\ncontent-type: image/jpeg\n\n"[..], PICTURE, b"\r\n"].concat();
        let body = [&b"hello\r\n"[..], &sized, &open, &sized, b"--x--\r\nbye"].concat();
        for cut in [1, 3, 1000] {
            assert_eq!(pictures(&body, "x", cut), (3, Ok(())));
            assert_eq!(pictures(&body, "--x", cut), (3, Ok(())));
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut body = preamble().to_vec();
        for _ in 0..3 {
            body.extend(part(&Bytes::from_static(PICTURE)).concat());
        }
        assert_eq!(
            pictures(&body, boundary(CONTENT_TYPE).unwrap(), 5),
            (3, Ok(()))
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let endless = vec![b'x'; 10_000];
        for (start, said) in [
            (&b""[..], "no boundary within 4096 bytes"),
            (b"--x\r\n", "part headers of more than 4096 bytes"),
            (b"--x\r\n\r\n", "picture of more than 1000 bytes"),
            (
                b"--x\r\ncontent-length: 1001\r\n\r\n",
                "picture of more than 1000 bytes",
            ),
            (
                b"--x\r\ncontent-length: many\r\n\r\n",
                "part with a broken content-length",
            ),
        ] {
            let body = [start, &endless].concat();
            assert_eq!(pictures(&body, "x", 100).1.unwrap_err().to_string(), said);
        }
    }

    proptest! {
        #[test]
        fn no_body_is_too_much(
            pieces in vec(prop_oneof![
                vec(any::<u8>(), 0..40),
                Just(b"\r\n--x\r\n".to_vec()),
                Just(b"--x--".to_vec()),
                Just(b"Content-Length: 29\r\n\r\n".to_vec()),
                Just(PICTURE.to_vec()),
            ], 0..30),
            cut in 1usize..100,
        ) {
            let body = pieces.concat();
            prop_assert_eq!(pictures(&body, "x", cut), pictures(&body, "x", 1));
        }
    }
}
