//! The body of an HTTP answer that is a stream of pictures or of video, of which only the beginnings of frames are read.
//!
//! Chunked or to the end of the connection, whatever the server chose. What lies between a frame's first bytes and its
//! last is thrown away in the kernel, as far as the chunk reaches that it is in.
//!
//! Invariant: no more than a few hundred bytes are kept, however long frames and chunks are.

use crate::content::Content;
use crate::link::{Link, LinkError};
use std::cell::Cell;

/// Bytes that are kept of a frame.
const FRAME_HEAD_BYTES: usize = 64;
/// Bytes that one read may take: enough for the head of a frame and its beginning.
const READ_BYTES: usize = 384;
/// Less than this is not worth a system call of its own.
const CUT_BYTES_MIN: usize = 256;
/// The longest line with a chunk's size.
const SIZE_LINE_BYTES_MAX: usize = 128;

/// A frame whose last byte has arrived.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// Its first bytes.
    pub(crate) head: &'a [u8],
    /// Bytes on the wire since the frame before.
    pub(crate) wire_bytes: usize,
}

/// Where in the coding of the body we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// There is none: the body lasts as long as the connection.
    Bare,
    /// In the line that says how long the next chunk is.
    Size,
    /// In a chunk that has so many bytes left.
    Chunk(usize),
    /// In the line end behind a chunk.
    LineEnd,
    /// Behind the last chunk.
    Over,
}

/// Where in the stream we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Before something that says how long it is.
    Head,
    /// In something that has so many bytes left.
    Payload { left: usize, is_frame: bool },
}

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct Body {
    content: Content,
    coding: Coding,
    /// What there is of the line with a chunk's size.
    line: Vec<u8>,
    part: Part,
    /// What there is of a head, or of a frame's beginning.
    kept: Vec<u8>,
    wire_bytes: usize,
}

impl Body {
    /// Before its first byte.
    pub(crate) fn new(content: Content, chunked: bool) -> Self {
        Self {
            content,
            coding: if chunked { Coding::Size } else { Coding::Bare },
            line: Vec::new(),
            part: Part::Head,
            kept: Vec::new(),
            wire_bytes: 0,
        }
    }

    /// Reads what is there and hands on every frame that is complete.
    ///
    /// Comes back when the socket is empty or something is complete; a level-triggered epoll calls again.
    pub(crate) fn receive(
        &mut self,
        link: &mut Link,
        scratch: &mut [u8],
        mut take: impl FnMut(Frame<'_>),
    ) -> Result<(), LinkError> {
        let complete = Cell::new(false);
        let mut counted = |frame: Frame<'_>| {
            complete.set(true);
            take(frame);
        };
        loop {
            // What lies behind a frame is read at once: it would only make the socket ready again.
            let is_last = complete.get();
            let more = link.read(READ_BYTES)?;
            self.push(link.unread(), &mut counted)?;
            link.consume(link.unread().len());
            while self.dispensable() >= CUT_BYTES_MIN {
                let wanted = self.dispensable().min(scratch.len());
                let count = link.discard(scratch, wanted)?;
                self.discarded(count, &mut counted);
                if count < wanted {
                    return Ok(());
                }
            }
            if !more || is_last {
                return Ok(());
            }
        }
    }

    /// Bytes to come that nobody looks at.
    fn dispensable(&self) -> usize {
        let Part::Payload { left, .. } = self.part else {
            return 0;
        };
        match self.coding {
            _ if self.kept.len() < FRAME_HEAD_BYTES => 0,
            Coding::Bare => left,
            Coding::Chunk(of_chunk) => left.min(of_chunk),
            Coding::Size | Coding::LineEnd | Coding::Over => 0,
        }
    }

    fn discarded(&mut self, count: usize, take: &mut impl FnMut(Frame<'_>)) {
        self.wire_bytes += count;
        if let Coding::Chunk(left) = &mut self.coding {
            *left -= count;
            if *left == 0 {
                self.coding = Coding::LineEnd;
            }
        }
        if let Part::Payload { left, .. } = &mut self.part {
            *left -= count;
        }
        self.complete(take);
    }

    /// Takes bytes off the coding.
    fn push(
        &mut self,
        mut bytes: &[u8],
        take: &mut impl FnMut(Frame<'_>),
    ) -> Result<(), LinkError> {
        while let Some(first) = bytes.first() {
            let count = match self.coding {
                Coding::Bare => bytes.len(),
                Coding::Chunk(left) => left.min(bytes.len()),
                Coding::Size | Coding::LineEnd => 1,
                Coding::Over => return Err(LinkError::Closed),
            };
            self.wire_bytes += count;
            match self.coding {
                Coding::Bare => self.data(bytes, take)?,
                Coding::Chunk(left) => {
                    self.coding = if left == count {
                        Coding::LineEnd
                    } else {
                        Coding::Chunk(left - count)
                    };
                    self.data(&bytes[..count], take)?;
                }
                Coding::Size if *first == b'\n' => self.coding = self.sized()?,
                Coding::Size if self.line.len() >= SIZE_LINE_BYTES_MAX => {
                    return Err(LinkError::NoFrame);
                }
                Coding::Size => self.line.push(*first),
                Coding::LineEnd if *first == b'\n' => self.coding = Coding::Size,
                Coding::LineEnd | Coding::Over => {}
            }
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Reads the line with a chunk's size.
    fn sized(&mut self) -> Result<Coding, LinkError> {
        let line = std::mem::take(&mut self.line);
        let size = std::str::from_utf8(&line)
            .ok()
            .and_then(|line| line.trim_end().split(';').next())
            .and_then(|size| usize::from_str_radix(size, 16).ok())
            .ok_or(LinkError::NoFrame)?;
        Ok(match size {
            0 => Coding::Over,
            size => Coding::Chunk(size),
        })
    }

    /// Takes bytes of the stream.
    fn data(
        &mut self,
        mut bytes: &[u8],
        take: &mut impl FnMut(Frame<'_>),
    ) -> Result<(), LinkError> {
        while !bytes.is_empty() {
            match self.part {
                Part::Head => {
                    let before = self.kept.len();
                    self.kept.extend_from_slice(bytes);
                    let Some(begun) = self.content.begun(&self.kept)? else {
                        return Ok(());
                    };
                    bytes = &bytes[begun.head_bytes - before..];
                    self.kept.clear();
                    self.part = Part::Payload {
                        left: begun.payload_bytes,
                        is_frame: begun.is_frame,
                    };
                }
                Part::Payload { left, is_frame } => {
                    let count = left.min(bytes.len());
                    let wanted = FRAME_HEAD_BYTES - self.kept.len().min(FRAME_HEAD_BYTES);
                    self.kept.extend_from_slice(&bytes[..count.min(wanted)]);
                    self.part = Part::Payload {
                        left: left - count,
                        is_frame,
                    };
                    bytes = &bytes[count..];
                }
            }
            self.complete(take);
        }
        Ok(())
    }

    /// Hands the frame on if it is complete.
    fn complete(&mut self, take: &mut impl FnMut(Frame<'_>)) {
        let Part::Payload { left: 0, is_frame } = self.part else {
            return;
        };
        if is_frame {
            take(Frame {
                head: &self.kept,
                wire_bytes: std::mem::take(&mut self.wire_bytes),
            });
        }
        self.kept.clear();
        self.part = Part::Head;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{PART_TAIL, part_head};
    use crate::door::Door;
    use crate::link::{Keep, SCRATCH_BYTES};
    use crate::material::{Stamp, Template};
    use crate::tls::Target;
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    const FIRST_LINE: &[u8] = b"--abanico\r\n";

    fn chunk(out: &mut Vec<u8>, data: &[u8]) {
        out.extend_from_slice(format!("{:X}\r\n", data.len()).as_bytes());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }

    /// Sends `bytes` in parts and says which pictures are seen, and how the body ended.
    fn seen(bytes: Vec<u8>, part: usize, chunked: bool) -> (Vec<Option<Stamp>>, usize, LinkError) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let keep = Keep { head: 0, tail: 0 };
        let mut link =
            Link::connect(&Target::plain(listener.local_addr().unwrap()), 0, keep).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_nodelay(true).unwrap();
        let sending = thread::spawn(move || {
            for part in bytes.chunks(part) {
                // The client may have had enough.
                if server.write_all(part).is_err() {
                    return;
                }
            }
        });
        let mut scratch = vec![0; SCRATCH_BYTES];
        let mut body = Body::new(Content::Pictures, chunked);
        let (mut stamps, mut wire_bytes) = (Vec::new(), 0);
        let error = loop {
            let result = body.receive(&mut link, &mut scratch, |picture| {
                stamps.push(Stamp::of_binary(picture.head));
                wire_bytes += picture.wire_bytes;
            });
            assert!(body.kept.len() <= 1_024 + READ_BYTES);
            if let Err(error) = result {
                break error;
            }
        };
        drop(link);
        sending.join().unwrap();
        (stamps, wire_bytes, error)
    }

    fn stamp(number: u64) -> Stamp {
        Stamp {
            number,
            sent_us: 1_000 + number,
        }
    }

    #[test]
    fn pictures_are_seen_however_they_come() {
        let mut template = Template::delivered("key", 70_000, Door::Http);
        let (mut bare, mut chunked) = (FIRST_LINE.to_vec(), Vec::new());
        chunk(&mut chunked, FIRST_LINE);
        for number in 0..3 {
            let sent = template.stamped(stamp(number)).to_vec();
            bare.extend_from_slice(&sent);
            // Head, picture and the line behind it, as hyper cuts what it is given.
            let (head, rest) = sent.split_at(sent.len() - PART_TAIL.len() - 70_000);
            let (picture, tail) = rest.split_at(70_000);
            for part in [head, picture, tail] {
                chunk(&mut chunked, part);
            }
        }
        let wanted: Vec<_> = (0..3).map(|number| Some(stamp(number))).collect();
        for (bytes, is_chunked) in [(bare, false), (chunked, true)] {
            let whole = bytes.len();
            for part in [whole, 999, 70_021, 7] {
                let (stamps, wire_bytes, error) = seen(bytes.clone(), part, is_chunked);
                assert_eq!(stamps, wanted, "in parts of {part}");
                // All but what follows the last picture, give or take what was read with it.
                assert!(wire_bytes <= whole && wire_bytes + 64 >= whole, "{part}");
                assert!(matches!(error, LinkError::Closed), "{error}");
            }
        }
    }

    #[test]
    fn a_picture_may_lie_in_many_chunks_or_in_none() {
        let mut bare = FIRST_LINE.to_vec();
        for _ in 0..2 {
            let picture = [&b"\xff\xd8"[..], &[7; 5_000]].concat();
            bare.extend_from_slice(part_head(picture.len()).as_bytes());
            bare.extend_from_slice(&picture);
            bare.extend_from_slice(PART_TAIL);
        }
        let mut chunked = Vec::new();
        for part in bare.chunks(1_000) {
            chunk(&mut chunked, part);
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        for (bytes, is_chunked) in [(bare, false), (chunked, true)] {
            let (stamps, _, error) = seen(bytes, 4_000, is_chunked);
            assert_eq!(stamps, [None, None]);
            assert!(matches!(error, LinkError::Closed), "{error}");
        }
    }

    #[test]
    fn what_is_no_multipart_body_is_refused() {
        let endless = vec![b'x'; 5_000];
        assert!(matches!(
            seen(endless.clone(), 5_000, false).2,
            LinkError::NoFrame
        ));
        assert!(matches!(seen(endless, 5_000, true).2, LinkError::NoFrame));
        let lengthless = b"--abanico\r\nContent-Type: image/jpeg\r\n\r\n".to_vec();
        assert!(matches!(
            seen(lengthless, 5_000, false).2,
            LinkError::NoFrame
        ));
    }
}
