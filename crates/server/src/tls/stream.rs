//! One TLS connection: the handshake, and then the cable that sessions and hyper read and write.
//!
//! Shared bytes are encrypted for each viewer straight into rustls's records, whose buffer is bounded; nothing else is
//! copied. The lock is held while bytes are encrypted or decrypted, never while somebody waits.

use abanico_socketio::Secure;
use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use tokio::net::TcpStream;

/// Encrypted bytes that wait here for a socket that takes no more. What is beyond waits where it can be skipped.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A connection after its handshake.
pub(crate) struct Stream {
    tcp: TcpStream,
    tls: Mutex<ServerConnection>,
}

impl Stream {
    /// Shakes hands. Whoever calls bounds the time.
    pub(crate) async fn accept(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(KEPT_BYTES_MAX));
        loop {
            match send(&tcp, &mut tls) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    tcp.writable().await?;
                    continue;
                }
                sent => sent?,
            }
            if !tls.is_handshaking() {
                break;
            }
            match receive(&tcp, &mut tls) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => tcp.readable().await?,
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                received => drop(received?),
            }
        }
        Ok(Self {
            tcp,
            tls: Mutex::new(tls),
        })
    }

    /// What was agreed to be spoken.
    pub(crate) fn protocol(&self) -> Option<Vec<u8>> {
        self.tls.lock().alpn_protocol().map(<[u8]>::to_vec)
    }

    /// What `take` finds in the bytes that were decrypted. More are read until there are any.
    fn decrypted(
        &self,
        mut take: impl FnMut(&mut rustls::Reader<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut tls = self.tls.lock();
        loop {
            match take(&mut tls.reader()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    receive(&self.tcp, &mut tls)?;
                }
                // What is spoken above says for itself whether it was whole.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                taken => return taken,
            }
        }
    }
}

impl Secure for Stream {
    fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decrypted(|reader| reader.read(buffer))
    }

    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decrypted(|reader| {
            let chunk = reader.fill_buf()?;
            let len = chunk.len().min(buffer.len());
            buffer[..len].copy_from_slice(&chunk[..len]);
            Ok(len)
        })
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut tls = self.tls.lock();
        // What was kept goes first, and while there is some nothing is added.
        send(&self.tcp, &mut tls)?;
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut taken = tls.writer().write_vectored(slices)?;
        loop {
            match send(&self.tcp, &mut tls) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(taken),
                sent => sent?,
            }
            if taken == len {
                return Ok(taken);
            }
            let mut rest: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
            let mut rest = &mut rest[..];
            IoSlice::advance_slices(&mut rest, taken);
            taken += tls.writer().write_vectored(rest)?;
        }
    }

    fn flush(&self) -> io::Result<()> {
        send(&self.tcp, &mut self.tls.lock())
    }

    fn close(&self) {
        self.tls.lock().send_close_notify();
    }
}

/// Reads once what the socket has, and decrypts it.
fn receive(tcp: &TcpStream, tls: &mut ServerConnection) -> io::Result<usize> {
    let count = tls.read_tls(&mut Socket(tcp))?;
    let processed = tls.process_new_packets();
    // An answer or an alert leaves now if it can, and else with what is written next.
    let sent = send(tcp, tls);
    processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    match sent {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Ok(count),
    }
}

/// Sends the records that there are.
fn send(tcp: &TcpStream, tls: &mut ServerConnection) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(&mut Socket(tcp)) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            sent => drop(sent?),
        }
    }
    Ok(())
}

/// A socket that is never waited for.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
