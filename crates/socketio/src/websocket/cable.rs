//! The bytes below a connection: a TCP socket, plain or with encryption on the way.
//!
//! What encrypts is whoever's accepted the connection; here it is anything that is [`Secure`]. All of it takes a shared
//! reference, because the socket of a session can be lent ([`crate::websocket::turn`]) while its owner reads on.

use std::any::Any;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A connection whose bytes are encrypted on their way. Nothing here waits: `WouldBlock` says that the socket, which has
/// noted that by then, is to be waited for.
pub trait Secure: Send + Sync + 'static {
    /// The socket below.
    fn tcp(&self) -> &TcpStream;

    /// Reads into the front of `buffer`; zero is the end.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Copies what can be read next without taking it away; zero is the end.
    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Takes some of the slices, and sends of it what the socket takes at once. What it keeps beyond that is bounded.
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Sends what was kept.
    fn flush(&self) -> io::Result<()>;

    /// Says goodbye; nothing is written after it. It leaves with [`Secure::flush`].
    fn close(&self);
}

/// The socket of a connection, as an accept loop hands it on.
pub struct Cable {
    kind: Kind,
    held: Option<Held>,
}

enum Kind {
    /// As it is.
    Plain(TcpStream),
    /// Encrypted.
    Secure(Box<dyn Secure>),
}

/// Whatever is to be let go of when its connection is closed, wherever that happens.
pub type Held = Box<dyn Any + Send + Sync>;

impl Cable {
    /// A connection that is encrypted.
    pub fn secure(secure: Box<dyn Secure>) -> Self {
        Self {
            kind: Kind::Secure(secure),
            held: None,
        }
    }

    /// Has it hold something for as long as the connection is open.
    pub fn holding(mut self, held: impl Any + Send + Sync) -> Self {
        self.held = Some(Box::new(held));
        self
    }

    /// The TCP socket alone, with what is to be held beside it; back again if it is encrypted.
    pub fn into_plain(self) -> Result<(TcpStream, Option<Held>), Self> {
        match self.kind {
            Kind::Plain(stream) => Ok((stream, self.held)),
            kind @ Kind::Secure(_) => Err(Self { kind, ..self }),
        }
    }

    /// Reads what is there, whether or not the runtime has noticed it yet.
    pub(crate) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.kind {
            Kind::Plain(stream) => (&*SockRef::from(stream)).read(buffer),
            Kind::Secure(secure) => secure.read(buffer),
        }
    }

    /// The TCP socket.
    pub fn tcp(&self) -> &TcpStream {
        match &self.kind {
            Kind::Plain(stream) => stream,
            Kind::Secure(secure) => secure.tcp(),
        }
    }

    /// Whether it is encrypted.
    pub fn is_secure(&self) -> bool {
        matches!(self.kind, Kind::Secure(_))
    }

    /// Copies what can be read next without taking it away, when there is something; zero is the end.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.kind {
            Kind::Plain(stream) => stream.peek(buffer).await,
            Kind::Secure(secure) => loop {
                match secure.peek(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        secure.tcp().readable().await?;
                    }
                    result => return result,
                }
            },
        }
    }

    /// Reads into the front of `buffer`; zero is the end.
    pub(crate) fn poll_read_into(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let result = match &self.kind {
                Kind::Plain(stream) => {
                    ready!(stream.poll_read_ready(cx))?;
                    read_now(stream, buffer)
                }
                // It may have bytes that left the socket long ago.
                Kind::Secure(secure) => secure.read(buffer),
            };
            match result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.tcp().poll_read_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Whether a write may take something.
    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        self.tcp().poll_write_ready(cx)
    }

    /// Writes some of the slices, `len` bytes in all.
    pub(crate) fn poll_write_some(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        len: usize,
    ) -> Poll<io::Result<usize>> {
        match &self.kind {
            Kind::Plain(stream) => poll_send(stream, cx, slices, len),
            Kind::Secure(secure) => loop {
                match secure.write(slices) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        ready!(secure.tcp().poll_write_ready(cx))?;
                    }
                    result => return Poll::Ready(result),
                }
            },
        }
    }

    /// Ready when nothing that was written is kept here any more.
    pub(crate) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Kind::Secure(secure) = &self.kind else {
            return Poll::Ready(Ok(()));
        };
        loop {
            match secure.flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(secure.tcp().poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Ends our direction.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Kind::Secure(secure) = &self.kind {
            secure.close();
            ready!(self.poll_sent(cx))?;
        }
        Poll::Ready(SockRef::from(self.tcp()).shutdown(std::net::Shutdown::Write))
    }

    /// Writes what is taken at once and says how much that is. A refusal counts as nothing: the owner will meet it again.
    pub(crate) fn send(&self, slices: &[IoSlice<'_>]) -> usize {
        loop {
            let sent = match &self.kind {
                Kind::Plain(stream) => match slices {
                    // The kernel takes one slice more cheaply than a list of one.
                    [slice] => SockRef::from(stream).send(slice),
                    slices => SockRef::from(stream).send_vectored(slices),
                },
                Kind::Secure(secure) => secure.write(slices),
            };
            match sent {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                sent => return sent.unwrap_or(0),
            }
        }
    }

    /// Whether all that was written has left for the system.
    pub(crate) fn is_sent(&self) -> bool {
        match &self.kind {
            Kind::Plain(_) => true,
            Kind::Secure(secure) => secure.flush().is_ok(),
        }
    }
}

/// Reads what a plain socket has.
fn read_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let len = buffer.len();
    let mut taken = 0;
    let result = stream.try_io(Interest::READABLE, || {
        taken = (&*SockRef::from(stream)).read(buffer)?;
        // Less than there was room for means that nothing is left: say so now and save the system call that would find
        // out. The end of the connection is known by other means, and stays known.
        if 0 < taken && taken < len {
            Err(ErrorKind::WouldBlock.into())
        } else {
            Ok(())
        }
    });
    match result {
        Err(error) if taken == 0 => Err(error),
        Ok(()) | Err(_) => Ok(taken),
    }
}

/// Writes to a plain socket some of the slices, `len` bytes in all.
fn poll_send(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
    len: usize,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        let mut taken = 0;
        let result = stream.try_io(Interest::WRITABLE, || {
            let socket = SockRef::from(stream);
            // The kernel takes one slice more cheaply than a list of one.
            taken = match slices {
                [slice] => socket.send(slice)?,
                slices => socket.send_vectored(slices)?,
            };
            // Part of it means that the buffer is full: say so now and save the system call that would find out.
            if taken < len {
                Err(ErrorKind::WouldBlock.into())
            } else {
                Ok(())
            }
        });
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock && taken == 0 => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
            Ok(()) | Err(_) => return Poll::Ready(Ok(taken)),
        }
    }
}

impl AsyncRead for Cable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Kind::Plain(stream) = &mut self.kind {
            return Pin::new(stream).poll_read(cx, buffer);
        }
        let count = ready!(self.poll_read_into(cx, buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cable {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Kind::Plain(stream) = &mut self.kind {
            return Pin::new(stream).poll_write_vectored(cx, slices);
        }
        let len = slices.iter().map(|slice| slice.len()).sum();
        self.poll_write_some(cx, slices, len)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx)
    }
}

impl From<TcpStream> for Cable {
    fn from(stream: TcpStream) -> Self {
        Self {
            kind: Kind::Plain(stream),
            held: None,
        }
    }
}

impl fmt::Debug for Cable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cable")
            .field("tcp", self.tcp())
            .field("is_secure", &self.is_secure())
            .finish()
    }
}
