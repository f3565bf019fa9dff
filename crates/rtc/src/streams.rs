//! ICE over TCP, for peers whose network lets no UDP through: datagrams with their length before them (RFC 4571), on
//! connections that somebody else accepted.
//!
//! A connection is a task that brings what it reads to the one that drives all sessions, and writes what that one gives it.
//! Invariants: a connection over which no session's password was shown is closed after seconds; what a peer does not take
//! in time is lost, as on any network, and never waited for.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// A connection that nothing was written to after so long is closed: its peer has shown no password.
const PROVEN_WITHIN: Duration = Duration::from_secs(10);

/// A peer that takes nothing for so long is gone.
const TAKES_WITHIN: Duration = Duration::from_secs(10);

/// A longer datagram ends its connection: WebRTC has none.
const DATAGRAM_BYTES_MAX: usize = 4096;

/// What the driver has for one connection. More is lost.
const WAITING_MAX: usize = 512;

/// What all connections together have for the driver. Then they wait.
pub(crate) const ARRIVALS_MAX: usize = 256;

/// What the driver hears of a connection.
pub(crate) enum Arrival {
    /// It is there, and takes datagrams.
    Opened(SocketAddr, mpsc::Sender<Bytes>),
    /// It brought one, to that address of this machine.
    Datagram(SocketAddr, IpAddr, Bytes),
    /// It is gone.
    Closed(SocketAddr),
}

/// The connections that are open, by their peers' addresses.
#[derive(Default)]
pub(crate) struct Streams(HashMap<SocketAddr, mpsc::Sender<Bytes>>);

impl Streams {
    pub(crate) fn opened(&mut self, peer: SocketAddr, takes: mpsc::Sender<Bytes>) {
        self.0.insert(peer, takes);
    }

    /// It is gone, or is to go.
    pub(crate) fn close(&mut self, peer: &SocketAddr) {
        self.0.remove(peer);
    }

    /// Sends a datagram over the connection of that peer. Without room, or without the connection, it is lost.
    pub(crate) fn send(&self, peer: &SocketAddr, datagram: Vec<u8>) {
        if let Some(takes) = self.0.get(peer) {
            let _ = takes.try_send(datagram.into());
        }
    }
}

/// Serves a connection until its peer closes it, or until the driver lets go of it.
pub(crate) async fn serve(mut stream: TcpStream, peer: SocketAddr, driver: mpsc::Sender<Arrival>) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let (takes, has) = mpsc::channel(WAITING_MAX);
    if driver.send(Arrival::Opened(peer, takes)).await.is_err() {
        return;
    }
    if let Err(error) = carry(&mut stream, peer, &driver, has).await {
        tracing::debug!(%peer, %error, "ICE over TCP ended");
    }
    // Without the driver there is nobody to tell.
    let _ = driver.send(Arrival::Closed(peer)).await;
}

async fn carry(
    stream: &mut TcpStream,
    peer: SocketAddr,
    driver: &mpsc::Sender<Arrival>,
    mut has: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let here = stream.local_addr()?.ip().to_canonical();
    let (mut came, mut goes) = (BytesMut::new(), BytesMut::new());
    let mut proven = false;
    let doubt = sleep(PROVEN_WITHIN);
    tokio::pin!(doubt);
    loop {
        tokio::select! {
            read = stream.read_buf(&mut came) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some(datagram) = next(&mut came)? {
                    let arrival = Arrival::Datagram(peer, here, datagram);
                    if driver.send(arrival).await.is_err() {
                        return Ok(());
                    }
                }
            }
            datagram = has.recv() => {
                let Some(datagram) = datagram else {
                    return Ok(());
                };
                proven = true;
                put(&mut goes, &datagram);
                while let Ok(datagram) = has.try_recv() {
                    put(&mut goes, &datagram);
                }
                timeout(TAKES_WITHIN, stream.write_all(&goes)).await??;
                goes.clear();
            }
            () = &mut doubt, if !proven => return Ok(()),
        }
    }
}

/// The first datagram of what came, if all of it has come.
fn next(came: &mut BytesMut) -> io::Result<Option<Bytes>> {
    let Some(length) = came.first_chunk().map(|length| u16::from_be_bytes(*length)) else {
        return Ok(None);
    };
    let length = usize::from(length);
    if length > DATAGRAM_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if came.len() < 2 + length {
        return Ok(None);
    }
    came.advance(2);
    Ok(Some(came.split_to(length).freeze()))
}

fn put(goes: &mut BytesMut, datagram: &[u8]) {
    if let Ok(length) = u16::try_from(datagram.len()) {
        goes.put_u16(length);
        goes.put_slice(datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_the_same_however_the_stream_is_cut() {
        let mut whole = BytesMut::new();
        for datagram in [&b"first"[..], b"", b"second"] {
            put(&mut whole, datagram);
        }
        for cut in 0..whole.len() {
            let (mut came, mut found) = (BytesMut::new(), Vec::new());
            for part in [&whole[..cut], &whole[cut..]] {
                came.extend_from_slice(part);
                while let Some(datagram) = next(&mut came).unwrap() {
                    found.push(datagram);
                }
            }
            assert_eq!(found, [&b"first"[..], b"", b"second"]);
        }
        assert!(next(&mut BytesMut::from(&[0xff, 0xff, 0][..])).is_err());
    }
}
