//! Requests of Icecast sources: a body that lasts until the connection is closed, and no word of that in the head.
//!
//! HTTP gives such a request no body at all. So the head of a publisher's first request is looked at before hyper reads
//! it, and the length that it lacks is written into it. Every other connection is left as it is.

use abanico_socketio::Cable;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Marks a request whose body ends with the connection: that is then no fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UntilClosed;

/// A connection, and how it is to be read.
pub(crate) enum Opening {
    /// As it is.
    Plain(Cable),
    /// A publisher's, whose head was read already.
    Publisher {
        stream: Prefixed,
        until_closed: bool,
    },
}

/// How the requests begin that are looked at.
const BEGINNINGS: [&[u8]; 2] = [b"PUT /live/", b"SOURCE /live/"];

/// The length that is written: more than anybody sends, and as much as hyper takes for one.
const LENGTH: &[u8] = b"Content-Length: 9223372036854775807\r\n";

/// Looks at how a connection begins.
pub(crate) async fn look(mut stream: Cable, head_bytes_max: usize) -> io::Result<Opening> {
    let mut first = [0; 16];
    let peeked = stream.peek(&mut first).await?;
    let begins = |beginning: &&[u8]| first[..peeked].starts_with(beginning);
    if !BEGINNINGS.iter().any(begins) {
        return Ok(Opening::Plain(stream));
    }
    let mut bytes = Vec::with_capacity(1024);
    let head = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break Some(end + 2);
        }
        // What has no end here is hyper's to refuse.
        if bytes.len() >= head_bytes_max || stream.read_buf(&mut bytes).await? == 0 {
            break None;
        }
    };
    let until_closed = head.is_some_and(|head| !has_length(&bytes[..head]));
    if let Some(head) = head.filter(|_| until_closed) {
        bytes.splice(head..head, LENGTH.iter().copied());
    }
    let stream = Prefixed {
        prefix: bytes,
        read: 0,
        stream,
    };
    Ok(Opening::Publisher {
        stream,
        until_closed,
    })
}

fn has_length(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"content-length")
            || name.eq_ignore_ascii_case(b"transfer-encoding")
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// A connection of which some bytes were read already.
pub(crate) struct Prefixed {
    prefix: Vec<u8>,
    read: usize,
    stream: Cable,
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.prefix[self.read..];
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let len = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..len]);
        self.read += len;
        if self.read == self.prefix.len() {
            self.prefix = Vec::new();
            self.read = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_found_in_any_case_and_nowhere_else() {
        assert!(has_length(b"PUT /live/a HTTP/1.1\r\ncontent-Length: 5\r\n"));
        assert!(has_length(
            b"PUT /live/a HTTP/1.1\r\nTransfer-Encoding:chunked\r\n"
        ));
        assert!(!has_length(
            b"PUT /live/a HTTP/1.1\r\nIce-Name: Content-Length\r\n"
        ));
    }
}
