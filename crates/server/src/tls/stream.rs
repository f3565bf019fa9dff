//! One TLS connection: the handshake, and then the cable that sessions and hyper read and write.
//!
//! Shared bytes are encrypted for each viewer straight into a buffer that all connections of a thread use by turns, and sent
//! from there; only what a socket does not take is kept, and that is bounded. The lock is held while bytes are encrypted or
//! decrypted, never while somebody waits.

use super::handshake::Handshake;
use super::traffic::Traffic;
use abanico_records::{CONTENT_BYTES_MAX, OVERHEAD_BYTES_MAX, Sealer};
use abanico_socketio::Secure;
use parking_lot::Mutex;
use rustls::ServerConfig;
use socket2::SockRef;
use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Content that is encrypted before the socket is asked to take it. What it does not take waits here; what is beyond waits
/// where it can be skipped.
const AT_ONCE_BYTES_MAX: usize = 8 * CONTENT_BYTES_MAX;

/// Bytes that are read at once: room for several records, whole ones beside the beginning of one.
const READ_BYTES_MAX: usize = 4 * (CONTENT_BYTES_MAX + OVERHEAD_BYTES_MAX + 256);

thread_local! {
    /// Where records are made.
    static MADE: RefCell<Vec<u8>> = RefCell::new(vec![0; Sealer::sealed_bytes(AT_ONCE_BYTES_MAX)]);
    /// Where records are decrypted.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

/// A connection after its handshake.
pub(crate) struct Stream {
    tcp: TcpStream,
    traffic: Mutex<Traffic>,
}

impl Stream {
    /// Shakes hands. Whoever calls bounds the time.
    pub(crate) async fn accept(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut handshake = Handshake::new(config)?;
        loop {
            match handshake.step() {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => {
                    // Nobody waits for a peer that is sent away.
                    let _ = tcp.try_write(&handshake.unsent);
                    return Err(io::Error::new(ErrorKind::InvalidData, error));
                }
            }
            while !handshake.unsent.is_empty() {
                tcp.writable().await?;
                match send(&tcp, &handshake.unsent) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    sent => drop(handshake.unsent.drain(..sent?)),
                }
            }
            while !read(&tcp, &mut handshake.unread)? {
                tcp.readable().await?;
            }
        }
        let traffic = Mutex::new(handshake.finish()?);
        let stream = Self { tcp, traffic };
        // What does not leave now does with what is written next.
        match stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(stream),
        }
    }

    /// What was agreed to be spoken.
    pub(crate) fn protocol(&self) -> Option<Vec<u8>> {
        self.traffic.lock().protocol().map(<[u8]>::to_vec)
    }
}

/// Appends what has come. Says whether something has.
fn read(tcp: &TcpStream, unread: &mut Vec<u8>) -> io::Result<bool> {
    READ.with_borrow_mut(|raw| match tcp.try_read(raw) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => {
            unread.extend_from_slice(&raw[..count]);
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    })
}

/// Reads once what the socket has, and takes of it what has room in `buffer`. Zero may be nothing yet.
fn receive(tcp: &TcpStream, traffic: &mut Traffic, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    READ.with_borrow_mut(|raw| {
        let kept = traffic.sealed().len();
        raw[..kept].copy_from_slice(traffic.sealed());
        let count = tcp.try_read(&mut raw[kept..])?;
        if count == 0 {
            // What is spoken above says for itself whether it was whole.
            return Ok(None);
        }
        let received = traffic.receive(&mut raw[..kept + count], buffer);
        // An answer or an alert leaves now if it can, and else with what is written next.
        let sent = send_kept(tcp, traffic);
        match sent {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => received.map(Some),
        }
    })
}

/// Sends what was kept.
fn send_kept(tcp: &TcpStream, traffic: &mut Traffic) -> io::Result<()> {
    while !traffic.unsent().is_empty() {
        let count = send(tcp, traffic.unsent())?;
        traffic.sent(count);
    }
    Ok(())
}

/// Sends what the socket takes.
fn send(tcp: &TcpStream, records: &[u8]) -> io::Result<usize> {
    loop {
        match tcp.try_write(records) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            sent => return sent,
        }
    }
}

/// Sends what the socket takes at once, which may be nothing. Less than all means that it is to be waited for.
fn send_now(tcp: &TcpStream, records: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    let result = tcp.try_io(Interest::WRITABLE, || {
        sent = SockRef::from(tcp).send(records)?;
        // Said now, it saves the system call that would find out.
        if sent < records.len() {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match result {
        Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Err(error)
        }
        _ => Ok(sent),
    }
}

impl Secure for Stream {
    fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut traffic = self.traffic.lock();
        loop {
            let taken = traffic.take(buffer);
            if taken > 0 || traffic.has_ended() || buffer.is_empty() {
                return Ok(taken);
            }
            match receive(&self.tcp, &mut traffic, buffer)? {
                Some(0) => {}
                taken => return Ok(taken.unwrap_or(0)),
            }
        }
    }

    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut traffic = self.traffic.lock();
        while traffic.content().is_empty() && !traffic.has_ended() {
            if receive(&self.tcp, &mut traffic, &mut [])?.is_none() {
                break;
            }
        }
        let content = traffic.content();
        let len = content.len().min(buffer.len());
        buffer[..len].copy_from_slice(&content[..len]);
        Ok(len)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut traffic = self.traffic.lock();
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        MADE.with_borrow_mut(|made| {
            let mut taken = 0;
            while taken < len {
                traffic.prepare()?;
                // What was kept goes first, and while there is some nothing is added.
                match send_kept(&self.tcp, &mut traffic) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock && taken > 0 => break,
                    sent => sent?,
                }
                let (content, records) = traffic.seal(slices, taken, made)?;
                taken += content;
                let sent = send_now(&self.tcp, &made[..records])?;
                if sent < records {
                    traffic.keep(&made[sent..records]);
                    break;
                }
            }
            Ok(taken)
        })
    }

    fn flush(&self) -> io::Result<()> {
        send_kept(&self.tcp, &mut self.traffic.lock())
    }

    fn close(&self) {
        self.traffic.lock().close();
    }
}
