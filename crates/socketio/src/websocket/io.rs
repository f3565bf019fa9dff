//! The socket below a WebSocket: the plain TCP stream where it can be had, anything that hyper can upgrade otherwise.

use std::io::{self, IoSlice, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::rt::{Read, ReadBuf as HyperReadBuf, Write};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::websocket::line::Line;

/// A connection after its upgrade.
pub(crate) enum Io {
    Tcp(Arc<Line>),
    Other(Box<Upgraded>),
}

impl Io {
    /// Takes the stream back, with the bytes that hyper had read beyond the request.
    pub(crate) fn from_upgraded(upgraded: Upgraded) -> (Self, Bytes) {
        // `auto::Builder` wraps the stream once more than `http1::Builder` does.
        match upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => (Self::of(parts.io.into_inner()), parts.read_buf),
            Err(upgraded) => match upgraded.downcast::<TokioIo<TcpStream>>() {
                Ok(parts) => (Self::of(parts.io.into_inner()), parts.read_buf),
                Err(upgraded) => (Self::Other(Box::new(upgraded)), Bytes::new()),
            },
        }
    }

    /// A plain TCP stream.
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self::Tcp(Arc::new(Line::new(stream)))
    }

    /// The socket, if it is one that can be lent.
    pub(crate) fn line(&self) -> Option<&Arc<Line>> {
        match self {
            Self::Tcp(line) => Some(line),
            Self::Other(_) => None,
        }
    }

    /// Reads into the front of `buffer`; zero is the end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(line) => loop {
                ready!(line.stream.poll_read_ready(cx))?;
                match line.stream.try_read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            Self::Other(upgraded) => {
                let mut buffer = HyperReadBuf::new(buffer);
                ready!(Pin::new(upgraded.as_mut()).poll_read(cx, buffer.unfilled()))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Reads what is there whether or not the runtime has noticed it yet; zero is the end or nothing.
    pub(crate) fn read_now(&mut self, buffer: &mut [u8]) -> usize {
        match self {
            Self::Tcp(line) => (&*SockRef::from(&line.stream)).read(buffer).unwrap_or(0),
            Self::Other(_) => 0,
        }
    }

    /// The time in which whoever accepted the connection wants its peer to acknowledge something.
    pub(crate) fn stall_timeout(&self) -> Option<Duration> {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(line) = self {
            return SockRef::from(&line.stream)
                .tcp_user_timeout()
                .ok()
                .flatten();
        }
        None
    }

    /// Has the system end the connection after so long without progress as it understands it, or never.
    pub(crate) fn set_stall_timeout(&self, timeout: Option<Duration>) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(line) = self {
            // A connection that is over cannot be set, and need not be.
            let _ = SockRef::from(&line.stream).set_tcp_user_timeout(timeout);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = timeout;
    }

    /// Has the system throw away what the peer has not taken when the connection is closed.
    pub(crate) fn forget_unsent(&self) {
        if let Self::Tcp(line) = self {
            // As above.
            let _ = SockRef::from(&line.stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Whether a write may take something. Always for what cannot tell.
    pub(crate) fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(line) => line.stream.poll_write_ready(cx),
            Self::Other(_) => Poll::Ready(Ok(())),
        }
    }

    /// Writes some of the slices, `len` bytes in all.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        len: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(line) => loop {
                ready!(line.stream.poll_write_ready(cx))?;
                let mut taken = 0;
                let result = line.stream.try_io(Interest::WRITABLE, || {
                    let socket = SockRef::from(&line.stream);
                    // The kernel takes one slice more cheaply than a list of one.
                    taken = match slices {
                        [slice] => socket.send(slice)?,
                        slices => socket.send_vectored(slices)?,
                    };
                    // Part of it means that the buffer is full: say so now and save the system call that would find out.
                    if taken < len {
                        Err(io::ErrorKind::WouldBlock.into())
                    } else {
                        Ok(())
                    }
                });
                match result {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken == 0 => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                        return Poll::Ready(Err(error));
                    }
                    Ok(()) | Err(_) => return Poll::Ready(Ok(taken)),
                }
            },
            Self::Other(upgraded) => {
                let taken = ready!(Pin::new(upgraded.as_mut()).poll_write_vectored(cx, slices))?;
                if taken == 0 && len > 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(taken))
            }
        }
    }

    /// Makes sure that what was written leaves: TLS may hold it back.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Other(upgraded) => Pin::new(upgraded.as_mut()).poll_flush(cx),
        }
    }

    /// Ends our direction.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(line) => {
                Poll::Ready(SockRef::from(&line.stream).shutdown(std::net::Shutdown::Write))
            }
            Self::Other(upgraded) => Pin::new(upgraded.as_mut()).poll_shutdown(cx),
        }
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        if let Self::Tcp(line) = self {
            line.retire();
        }
    }
}
