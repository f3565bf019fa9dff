//! How the body of a publisher begins: what it is made of, and, where there is something to lose, that it is media at all.
//!
//! Keeps no more of a body than it must to tell.

use abanico_live::{Channel, Source};
use abanico_media::ingest::{Ingest, IngestError, Ingested, Limits, Timeline};
use abanico_media::jpeg::multipart;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use std::collections::VecDeque;

/// What the bytes of a body are cut into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Container {
    /// Parts with this boundary between them.
    Multipart(String),
    /// Whatever the bytes themselves turn out to be.
    Itself,
}

impl Container {
    /// Where such a body is pushed to publish it.
    pub(super) fn source(&self, channel: &Channel) -> Source {
        match self {
            Self::Multipart(boundary) => channel.multipart(boundary),
            Self::Itself => channel.bytes(),
        }
    }

    fn ingest(&self) -> Ingest {
        let (limits, timeline) = (Limits::default(), Timeline::default());
        match self {
            Self::Multipart(boundary) => Ingest::multipart(boundary, limits, timeline),
            Self::Itself => Ingest::new(limits, timeline),
        }
    }
}

/// The first bytes of a body, until it is clear what it is made of.
#[derive(Debug)]
pub(super) struct Beginning {
    /// Of a multipart body, if the request names it.
    boundary: Option<String>,
    first: Option<Bytes>,
}

impl Beginning {
    pub(super) fn new(headers: &HeaderMap) -> Self {
        Self {
            boundary: boundary(headers),
            first: None,
        }
    }

    /// What the body is made of, and all that came of it. `None` while that is too little to tell.
    pub(super) fn read(&mut self, data: Bytes) -> Option<(Container, Bytes)> {
        if let Some(boundary) = self.boundary.take() {
            return Some((Container::Multipart(boundary), data));
        }
        let data = match self.first.take() {
            Some(first) => Bytes::from([first, data].concat()),
            None => data,
        };
        let container = match first_line(&data) {
            FirstLine::Boundary(boundary) => Container::Multipart(boundary.to_owned()),
            FirstLine::None => Container::Itself,
            FirstLine::Unfinished => {
                self.first = Some(data);
                return None;
            }
        };
        Some((container, data))
    }
}

/// A body before it takes a seat that somebody else may have: it must show a whole frame first.
#[derive(Debug)]
pub(super) struct Proof {
    ingest: Ingest,
    ingested: Vec<Ingested>,
    /// All that came, to be published when it is proved.
    held: VecDeque<Bytes>,
    held_bytes: usize,
}

/// Bytes of a body in which there must be a whole frame, twice those of the largest picture; a body without one is refused. No
/// more of a body is ever kept that is not whole.
pub(crate) const PROOF_BYTES_MAX: usize = 16 << 20;

/// What a body has shown so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A whole frame: these are the bytes from the first on.
    Media(VecDeque<Bytes>),
    /// Nothing yet.
    Nothing,
    /// Nothing, in as many bytes as are waited for.
    Enough,
}

impl Proof {
    pub(super) fn new(container: &Container) -> Self {
        Self {
            ingest: container.ingest(),
            ingested: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they show that this is nothing that can be published.
    pub(super) fn push(&mut self, data: Bytes) -> Result<Shown, IngestError> {
        self.held_bytes += data.len();
        self.held.push_back(data.clone());
        let pushed = self
            .ingest
            .push(data, std::time::Duration::ZERO, &mut self.ingested);
        let is_media = self
            .ingested
            .drain(..)
            .any(|one| matches!(one, Ingested::Frame(_)));
        if is_media {
            return Ok(Shown::Media(std::mem::take(&mut self.held)));
        }
        pushed?;
        Ok(if self.held_bytes > PROOF_BYTES_MAX {
            Shown::Enough
        } else {
            Shown::Nothing
        })
    }
}

/// Whether a body begins with a line that separates parts, as ffmpeg writes it without saying so in a header.
#[derive(Debug, PartialEq, Eq)]
enum FirstLine<'a> {
    Boundary(&'a str),
    Unfinished,
    None,
}

fn first_line(data: &[u8]) -> FirstLine<'_> {
    /// RFC 2046 allows 70 characters.
    const LINE_BYTES_MAX: usize = 76;
    let start = data
        .strip_prefix(b"\r\n")
        .unwrap_or(if data == b"\r" { b"" } else { data });
    if !b"--".starts_with(&start[..start.len().min(2)]) {
        return FirstLine::None;
    }
    let Some(end) = start.iter().position(|byte| *byte == b'\n') else {
        return if start.len() < LINE_BYTES_MAX {
            FirstLine::Unfinished
        } else {
            FirstLine::None
        };
    };
    let line = start[..end].strip_suffix(b"\r").unwrap_or(&start[..end]);
    let boundary = line
        .strip_prefix(b"--")
        .and_then(|line| std::str::from_utf8(line).ok());
    boundary
        .filter(|boundary| !boundary.is_empty())
        .map_or(FirstLine::None, FirstLine::Boundary)
}

/// The boundary of a multipart body.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let boundary = multipart::boundary(headers.get(CONTENT_TYPE)?.to_str().ok()?)?;
    // Some write the two hyphens of the line into the header.
    let boundary = boundary.strip_prefix("--").unwrap_or(boundary);
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_boundary_stands_in_the_header_or_in_the_first_line() {
        let of = |value| boundary(&headers(CONTENT_TYPE, value));
        let named = Some("ffmpeg".to_owned());
        assert_eq!(of("multipart/x-mixed-replace;boundary=ffmpeg"), named);
        assert_eq!(
            of("Multipart/Mixed; charset=x; Boundary=\"--ffmpeg\""),
            named
        );
        assert_eq!(of("video/webm"), None);
        assert_eq!(
            first_line(b"--ffmpeg\r\nContent"),
            FirstLine::Boundary("ffmpeg")
        );
        assert_eq!(
            first_line(b"\r\n--ffmpeg\r\n"),
            FirstLine::Boundary("ffmpeg")
        );
        assert_eq!(first_line(b"-"), FirstLine::Unfinished);
        assert_eq!(first_line(b"--ffm"), FirstLine::Unfinished);
        assert_eq!(first_line(b"\x1a\x45"), FirstLine::None);
        assert_eq!(first_line(b"--\r\n"), FirstLine::None);
    }

    #[test]
    fn a_body_that_never_has_a_frame_is_not_waited_for_without_end() {
        let mut proof = Proof::new(&Container::Itself);
        let webm_and_nothing = Bytes::from([&b"\x1a\x45\xdf\xa3"[..], &[0; 1 << 20]].concat());
        let mut shown = proof.push(webm_and_nothing);
        for _ in 0..32 {
            if shown != Ok(Shown::Nothing) {
                break;
            }
            shown = proof.push(Bytes::from(vec![0; 1 << 20]));
        }
        assert_eq!(shown, Ok(Shown::Enough));
        assert!(proof.held_bytes < PROOF_BYTES_MAX + (2 << 20));
    }
}
