//! One connection of a client: a non-blocking socket, what is still to be sent, and frames of which only the ends are read.
//!
//! The kernel throws the middle of a long frame away (`MSG_TRUNC`): nothing is copied that nobody looks at.
//!
//! Invariant: a connection holds no more than a few hundred bytes of ours, however long the frames are.

use crate::secure::Secure;
use crate::tls::{Target, refusal};
use crate::words::opcode;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

/// How much of a frame is kept. What lies between is never read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    /// Bytes from its beginning.
    pub(crate) head: usize,
    /// Bytes from its end.
    pub(crate) tail: usize,
}

/// A frame whose last byte has arrived.
#[derive(Debug)]
pub(crate) struct Heard<'a> {
    pub(crate) opcode: u8,
    /// The payload, without its middle if it was long.
    pub(crate) payload: &'a [u8],
    /// Bytes of the payload with its middle.
    pub(crate) len: usize,
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The server has closed it.
    #[error("closed by the server")]
    Closed,
    /// The system says so.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server says no.
    #[error("{0}")]
    Refused(String),
    /// Something came that is no server's frame.
    #[error("not a frame of a server")]
    NoFrame,
}

impl From<Errno> for LinkError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Socket,
    /// What encrypts it, where something does.
    secure: Option<Box<Secure>>,
    keep: Keep,
    /// What was read and not yet understood.
    buffer: Vec<u8>,
    /// The frame that is being read.
    frame: Option<Frame>,
    /// What is to be said.
    out: Vec<u8>,
    /// The same as it is sent, where it is encrypted.
    sealed: Vec<u8>,
    sent: usize,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: u8,
    /// Where the payload begins in the buffer.
    start: usize,
    len: usize,
    /// Bytes that the kernel throws away, once that is decided.
    cut: Option<usize>,
    /// Those of them that are still to come.
    cut_left: usize,
}

/// The longest header of a server's frame.
const HEADER_BYTES_MAX: usize = 10;
/// Less than this is not worth a system call of its own.
const CUT_BYTES_MIN: usize = 256;
/// Bytes that one call may throw away; what there is room for in the scratch space.
pub(crate) const SCRATCH_BYTES: usize = 1 << 20;

/// Where the client with this number connects from, unless the system may choose: one address has some 28,000 ports
/// towards a server, so each so many clients have a loopback address of their own.
fn source(to: SocketAddr, number: usize) -> Option<SocketAddr> {
    const CLIENTS_AN_ADDRESS: usize = 20_000;
    let SocketAddr::V4(to) = to else { return None };
    let beyond = u32::try_from(number / CLIENTS_AN_ADDRESS).ok()?;
    let from = Ipv4Addr::from_bits(to.ip().to_bits() + beyond);
    (beyond > 0).then(|| (from, 0).into())
}

/// What the system may hold for a client that reads. Left to itself it begins with little and learns from how the first
/// bytes come, differently from run to run: of two senders one would then meet shut windows and the other none.
const RECEIVE_BYTES: usize = 512 * 1024;

impl Link {
    /// Begins to connect the client with this number. The socket is writable when that has succeeded or failed.
    pub(crate) fn connect(target: &Target, number: usize, keep: Keep) -> Result<Self, LinkError> {
        let to = target.address;
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_recv_buffer_size(RECEIVE_BYTES)?;
        if let Some(from) = source(to, number) {
            socket.bind(&from.into())?;
        }
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error.into()),
        }
        let mut sealed = Vec::new();
        let shaking = target.shake().map(|tls| {
            let tls = tls.map_err(|error| LinkError::Refused(refusal(&error)))?;
            Secure::new(tls, &mut sealed)
        });
        Ok(Self {
            socket,
            secure: shaking.transpose()?.map(Box::new),
            keep,
            buffer: Vec::new(),
            frame: None,
            out: Vec::new(),
            sealed,
            sent: 0,
        })
    }

    /// Lets the system hold little for this socket. A client that does not read holds its backlog elsewhere, not in the
    /// memory of the machine that is measured.
    pub(crate) fn hold_little(&self) -> io::Result<()> {
        const LITTLE_BYTES: usize = 64 * 1024;
        self.socket.set_recv_buffer_size(LITTLE_BYTES)
    }

    /// Whether connecting has worked. If so, what encryption has to say goes out.
    pub(crate) fn connected(&mut self) -> Result<(), LinkError> {
        sockopt::socket_error(&self.socket)?.map_err(LinkError::from)?;
        self.flush()
    }

    /// Adds to what is to be sent.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Whether something waits for the socket to take more.
    pub(crate) fn has_more_to_send(&self) -> bool {
        !self.out.is_empty() || !self.sealed.is_empty()
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) -> Result<(), LinkError> {
        if let Some(secure) = &mut self.secure
            && !self.out.is_empty()
        {
            secure.seal(&self.out, &mut self.sealed)?;
            self.out.clear();
        }
        let out = match &self.secure {
            Some(_) => &mut self.sealed,
            None => &mut self.out,
        };
        while self.sent < out.len() {
            match send(&self.socket, &out[self.sent..], SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        out.clear();
        self.sent = 0;
        Ok(())
    }

    /// Sends bytes that need not be kept if the socket takes them at once.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if self.secure.is_some() {
            self.out.extend_from_slice(bytes);
            return self.flush();
        }
        let mut sent = 0;
        if self.out.is_empty() {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => sent = count,
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.out.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// Reads up to `count` bytes for nothing. Says how many there were.
    pub(crate) fn discard(&mut self, scratch: &mut [u8], count: usize) -> Result<usize, LinkError> {
        match &mut self.secure {
            Some(secure) => secure.discard(&self.socket, scratch, count),
            None => self.waste(scratch, count),
        }
    }

    /// Takes up to `count` bytes off the socket, whatever they are. What comes later makes no sense then if it is encrypted.
    pub(crate) fn waste(&self, scratch: &mut [u8], count: usize) -> Result<usize, LinkError> {
        let count = count.min(scratch.len());
        Ok(receive_nothing(&self.socket, &mut scratch[..count])?.unwrap_or(0))
    }

    /// Reads more bytes as they are, up to `max`. Says whether there may be more.
    pub(crate) fn read(&mut self, max: usize) -> Result<bool, LinkError> {
        if let Some(secure) = &mut self.secure {
            let more = secure.read(&self.socket, max, &mut self.buffer, &mut self.sealed);
            // An answer of the handshake, or why there is none.
            self.flush()?;
            return more;
        }
        let before = self.buffer.len();
        self.buffer.resize(before + max, 0);
        let result = receive(&self.socket, &mut self.buffer[before..]);
        let count = match &result {
            Ok(count) => count.unwrap_or(0),
            Err(_) => 0,
        };
        self.buffer.truncate(before + count);
        result.map(|_| count == max)
    }

    /// Bytes that were read as they are.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// Forgets the first of them.
    pub(crate) fn consume(&mut self, count: usize) {
        self.buffer.drain(..count);
    }

    /// Reads what is there and hands on every frame that is complete. `take` may add to what is to be sent.
    ///
    /// Comes back when the socket is empty or a long frame is complete; a level-triggered epoll calls again.
    pub(crate) fn receive<E: From<LinkError>>(
        &mut self,
        scratch: &mut [u8],
        mut take: impl FnMut(&mut Vec<u8>, Heard<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            if let Some(frame) = &mut self.frame
                && frame.cut_left > 0
            {
                let wanted = frame.cut_left.min(scratch.len());
                let count = match &mut self.secure {
                    Some(secure) => secure.discard(&self.socket, scratch, wanted)?,
                    None => receive_nothing(&self.socket, &mut scratch[..wanted])?.unwrap_or(0),
                };
                frame.cut_left -= count;
                if count < wanted {
                    return Ok(());
                }
                if frame.cut_left > 0 {
                    continue;
                }
                if self.keep.tail == 0 {
                    return self.hand_on(&mut take);
                }
            }
            self.hand_on(&mut take)?;
            if self.frame.is_some_and(|frame| frame.cut_left > 0) {
                continue;
            }
            if !self.read(self.wanted())? {
                self.hand_on(&mut take)?;
                if self.frame.is_none_or(|frame| frame.cut_left == 0) {
                    return Ok(());
                }
            }
        }
    }

    /// How many bytes to read next.
    fn wanted(&self) -> usize {
        let target = match self.frame {
            None => HEADER_BYTES_MAX + self.keep.head,
            Some(Frame {
                start,
                len,
                cut: Some(cut),
                ..
            }) => start + len - cut,
            Some(Frame {
                start,
                len,
                cut: None,
                ..
            }) => start + len.min(self.keep.head),
        };
        target.saturating_sub(self.buffer.len()).max(1)
    }

    /// Hands on the frames that are complete, and decides what to cut of the one that is not.
    fn hand_on<E: From<LinkError>>(
        &mut self,
        take: &mut impl FnMut(&mut Vec<u8>, Heard<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self {
            buffer,
            frame: current,
            out,
            keep,
            ..
        } = self;
        let mut done = 0;
        loop {
            let frame = match current {
                Some(frame) => frame,
                None => match header(&buffer[done..])? {
                    Some(frame) => current.insert(Frame {
                        start: frame.start + done,
                        ..frame
                    }),
                    None => break,
                },
            };
            let have = buffer.len() - frame.start;
            if frame.cut.is_none() && have >= frame.len.min(keep.head) {
                let cut = frame.len.saturating_sub(have + keep.tail);
                let cut = if cut < CUT_BYTES_MIN { 0 } else { cut };
                frame.cut = Some(cut);
                frame.cut_left = cut;
            }
            let Some(cut) = frame.cut else { break };
            let end = frame.start + frame.len - cut;
            if frame.cut_left > 0 || buffer.len() < end {
                break;
            }
            let heard = Heard {
                opcode: frame.opcode,
                payload: &buffer[frame.start..end],
                len: frame.len,
            };
            done = end;
            *current = None;
            take(out, heard)?;
        }
        if done > 0 {
            buffer.drain(..done);
            if let Some(frame) = current {
                frame.start -= done;
            }
        }
        Ok(())
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Takes bytes off a socket. `None` if there are none for now.
pub(crate) fn receive(socket: &Socket, into: &mut [u8]) -> Result<Option<usize>, LinkError> {
    received(recv(socket, into, RecvFlags::empty()))
}

/// The same, but copies none: with TRUNC the kernel counts them and throws them away.
pub(crate) fn receive_nothing(
    socket: &Socket,
    scratch: &mut [u8],
) -> Result<Option<usize>, LinkError> {
    received(recv(socket, scratch, RecvFlags::TRUNC))
}

fn received(result: Result<(usize, usize), Errno>) -> Result<Option<usize>, LinkError> {
    match result {
        Ok((_, 0)) => Err(LinkError::Closed),
        Ok((_, count)) => Ok(Some(count)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads the header of a frame, if it is all there.
fn header(bytes: &[u8]) -> Result<Option<Frame>, LinkError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (start, len) = match second {
        0..126 => (2, u64::from(*second)),
        126 => match rest.first_chunk::<2>() {
            Some(len) => (4, u64::from(u16::from_be_bytes(*len))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(len) => (10, u64::from_be_bytes(*len)),
            None => return Ok(None),
        },
        // Servers do not mask.
        _ => return Err(LinkError::NoFrame),
    };
    let len = usize::try_from(len).map_err(|_| LinkError::NoFrame)?;
    Ok(Some(Frame {
        opcode: first & !opcode::FINAL,
        start,
        len,
        cut: None,
        cut_left: 0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words;
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    /// Sends `bytes` in parts and says what the client hears: opcode, kept payload, whole length.
    fn heard(bytes: Vec<u8>, part: usize, keep: Keep) -> Vec<(u8, Vec<u8>, usize)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut link =
            Link::connect(&Target::plain(listener.local_addr().unwrap()), 0, keep).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_nodelay(true).unwrap();
        let sending = thread::spawn(move || {
            for part in bytes.chunks(part) {
                server.write_all(part).unwrap();
            }
        });
        let mut scratch = vec![0; SCRATCH_BYTES];
        let mut all = Vec::new();
        let closed = loop {
            let result = link.receive(&mut scratch, |_, heard| {
                all.push((heard.opcode, heard.payload.to_vec(), heard.len));
                Ok::<_, LinkError>(())
            });
            if let Err(error) = result {
                break error;
            }
        };
        sending.join().unwrap();
        assert!(matches!(closed, LinkError::Closed), "{closed}");
        all
    }

    #[test]
    fn of_a_long_frame_only_the_ends_are_kept_and_short_ones_are_whole() {
        let long: Vec<u8> = (0..70_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut bytes = Vec::new();
        for _ in 0..3 {
            words::frame(&mut bytes, opcode::TEXT, b"short", None);
            words::frame(&mut bytes, opcode::BINARY, &long, None);
            words::frame(&mut bytes, opcode::TEXT, &[], None);
        }
        for (part, tail) in [
            (bytes.len(), 0),
            (bytes.len(), 8),
            (999, 0),
            (999, 8),
            (70_021, 8),
        ] {
            let all = heard(bytes.clone(), part, Keep { head: 32, tail });
            assert_eq!(all.len(), 9, "in parts of {part}");
            for three in all.chunks(3) {
                assert_eq!(three[0], (opcode::TEXT, b"short".to_vec(), 5));
                let (opcode, payload, len) = &three[1];
                assert_eq!((*opcode, *len), (opcode::BINARY, 70_000));
                assert_eq!(payload[..32], long[..32]);
                assert!(payload.ends_with(&long[70_000 - tail..]) && payload.len() < 200);
                assert_eq!(three[2], (opcode::TEXT, Vec::new(), 0));
            }
        }
    }

    #[test]
    fn frames_cut_byte_by_byte_are_the_same() {
        let mut bytes = Vec::new();
        words::frame(&mut bytes, opcode::TEXT, &[b'a'; 300], None);
        words::frame(&mut bytes, opcode::TEXT, b"2", None);
        let all = heard(bytes, 1, Keep { head: 64, tail: 16 });
        assert_eq!(all[0].2, 300);
        assert_eq!(all[1], (opcode::TEXT, b"2".to_vec(), 1));
    }
    #[test]
    fn more_clients_than_an_address_has_ports_come_from_further_ones() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = listener.local_addr().unwrap();
        for (number, last) in [(0, 1), (19_999, 1), (20_000, 2), (45_000, 3)] {
            let keep = Keep { head: 0, tail: 0 };
            let _link = Link::connect(&Target::plain(to), number, keep).unwrap();
            let (_, from) = listener.accept().unwrap();
            assert_eq!(from.ip(), Ipv4Addr::new(127, 0, 0, last), "{number}");
        }
    }
}
