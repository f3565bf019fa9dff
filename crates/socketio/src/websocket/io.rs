//! The socket below a WebSocket: the [`Cable`] where it can be had, anything that hyper can upgrade otherwise.

use std::io::{self, IoSlice};
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
use tokio::net::TcpStream;

use crate::websocket::cable::Cable;
use crate::websocket::line::Line;

/// A connection after its upgrade.
pub(crate) enum Io {
    Tcp(Arc<Line>),
    Other(Box<Upgraded>),
}

impl Io {
    /// Takes the stream back, with the bytes that hyper had read beyond the request.
    pub(crate) fn from_upgraded(upgraded: Upgraded) -> (Self, Bytes) {
        let other = match taken_back::<Cable>(upgraded) {
            Ok(taken) => return taken,
            Err(other) => other,
        };
        match taken_back::<TcpStream>(other) {
            Ok(taken) => taken,
            Err(other) => (Self::Other(Box::new(other)), Bytes::new()),
        }
    }

    /// A socket of our own.
    pub(crate) fn of(cable: Cable) -> Self {
        Self::Tcp(Arc::new(Line::new(cable)))
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
            Self::Tcp(line) => line.stream.poll_read_into(cx, buffer),
            Self::Other(upgraded) => {
                let mut buffer = HyperReadBuf::new(buffer);
                ready!(Pin::new(upgraded.as_mut()).poll_read(cx, buffer.unfilled()))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Reads what is there, of a plain socket whether or not the runtime has noticed it yet; zero is the end or nothing.
    pub(crate) fn read_now(&mut self, buffer: &mut [u8]) -> usize {
        let Self::Tcp(line) = self else {
            return 0;
        };
        line.stream.read_now(buffer).unwrap_or(0)
    }

    /// The time in which whoever accepted the connection wants its peer to acknowledge something.
    pub(crate) fn stall_timeout(&self) -> Option<Duration> {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(line) = self {
            return SockRef::from(line.stream.tcp())
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
            let _ = SockRef::from(line.stream.tcp()).set_tcp_user_timeout(timeout);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = timeout;
    }

    /// Has the system throw away what the peer has not taken when the connection is closed.
    pub(crate) fn forget_unsent(&self) {
        if let Self::Tcp(line) = self {
            // As above.
            let _ = SockRef::from(line.stream.tcp()).set_linger(Some(Duration::ZERO));
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
            Self::Tcp(line) => line.stream.poll_write_some(cx, slices, len),
            Self::Other(upgraded) => {
                let taken = ready!(Pin::new(upgraded.as_mut()).poll_write_vectored(cx, slices))?;
                if taken == 0 && len > 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(taken))
            }
        }
    }

    /// Makes sure that what was written leaves: encryption may hold it back.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(line) => line.stream.poll_sent(cx),
            Self::Other(upgraded) => Pin::new(upgraded.as_mut()).poll_flush(cx),
        }
    }

    /// Ends our direction.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(line) => line.stream.poll_end(cx),
            Self::Other(upgraded) => Pin::new(upgraded.as_mut()).poll_shutdown(cx),
        }
    }
}

/// The stream of this kind below an upgrade and the bytes that hyper had read beyond the request, or the upgrade as it was.
fn taken_back<T>(upgraded: Upgraded) -> Result<(Io, Bytes), Upgraded>
where
    T: Into<Cable> + 'static,
    TokioIo<T>: Read + Write + Unpin,
{
    // `auto::Builder` wraps the stream once more than `http1::Builder` does.
    let (io, unread) = match upgrade::downcast::<TokioIo<T>>(upgraded) {
        Ok(parts) => (parts.io, parts.read_buf),
        Err(upgraded) => {
            let parts = upgraded.downcast::<TokioIo<T>>()?;
            (parts.io, parts.read_buf)
        }
    };
    Ok((Io::of(io.into_inner().into()), unread))
}

impl Drop for Io {
    fn drop(&mut self) {
        if let Self::Tcp(line) = self {
            line.retire();
        }
    }
}
