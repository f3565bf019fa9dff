//! The UDP socket that all sessions share: datagrams in with the address they were sent to, and out in batches.

use crate::streams::Streams;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use str0m::net::Protocol;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams that are read with one call.
const BATCH: usize = 16;

/// What one of the buffers holds: the system may put many datagrams of one peer into it.
const BUFFER_BYTES: usize = 64 << 10;

/// What the system may hold for us while we are busy.
const SYSTEM_BYTES: usize = 4 << 20;

/// One datagram that came.
pub(crate) struct Datagram<'a> {
    pub(crate) proto: Protocol,
    pub(crate) source: SocketAddr,
    /// The address of this machine that it was sent to, as far as the system says.
    pub(crate) destination: Option<IpAddr>,
    pub(crate) bytes: &'a [u8],
}

/// Where a peer is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) proto: Protocol,
    /// The address of this machine that it knows.
    pub(crate) source: IpAddr,
    pub(crate) destination: SocketAddr,
}

/// The socket, and the datagrams that are about to be sent.
pub(crate) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    is_ipv6: bool,
    port: u16,
    outgoing: Vec<u8>,
    batch: Option<Batch>,
    /// The ways past this socket.
    pub(crate) streams: Streams,
}

/// Datagrams of one size to one peer, the last of which may be shorter.
#[derive(Clone, Copy)]
struct Batch {
    source: IpAddr,
    destination: SocketAddr,
    segment: usize,
    count: usize,
    /// A shorter one came: nothing can follow it.
    closed: bool,
}

impl Socket {
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let state = UdpSocketState::new((&socket).into())?;
        // The system may allow less; then that is it.
        let _ = state.set_recv_buffer_size((&socket).into(), SYSTEM_BYTES);
        let _ = state.set_send_buffer_size((&socket).into(), SYSTEM_BYTES);
        Ok(Self {
            io: UdpSocket::from_std(socket)?,
            state,
            is_ipv6: address.is_ipv6(),
            port: address.port(),
            outgoing: Vec::new(),
            batch: None,
            streams: Streams::default(),
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Reads what there is, once.
    pub(crate) fn receive(&self, received: &mut Received) -> io::Result<()> {
        received.filled = 0;
        let mut slices: [IoSliceMut<'_>; BATCH] = {
            let mut buffers = received.buffers.chunks_exact_mut(BUFFER_BYTES);
            std::array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()))
        };
        received.filled = self.io.try_io(Interest::READABLE, || {
            self.state
                .recv((&self.io).into(), &mut slices, &mut received.metas)
        })?;
        Ok(())
    }

    /// Takes a datagram to be sent at the latest with [`Socket::flush`].
    pub(crate) fn send_to(&mut self, target: &Target, datagram: &[u8]) {
        self.compose(target, datagram.len(), |out| {
            out.extend_from_slice(datagram);
        });
    }

    /// Takes a datagram of that length, which is written where it is sent from: after what `write` finds there.
    pub(crate) fn compose(
        &mut self,
        target: &Target,
        length: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if target.proto == Protocol::Udp {
            write(self.place(target.source, target.destination, length));
        } else {
            let mut datagram = Vec::with_capacity(length);
            write(&mut datagram);
            self.streams.send(&target.destination, datagram);
        }
    }

    /// Makes room for a datagram of that length.
    fn place(&mut self, source: IpAddr, destination: SocketAddr, length: usize) -> &mut Vec<u8> {
        let fits = self.batch.as_ref().is_some_and(|batch| {
            !batch.closed
                && batch.destination == destination
                && batch.source == source
                && length <= batch.segment
                && batch.count < self.state.max_gso_segments()
                && self.outgoing.len() + length < BUFFER_BYTES - 1024
        });
        if !fits {
            self.flush();
        }
        let batch = self.batch.get_or_insert(Batch {
            source,
            destination,
            segment: length,
            count: 0,
            closed: false,
        });
        batch.count += 1;
        batch.closed = length < batch.segment;
        &mut self.outgoing
    }

    /// Sends what was taken. What the system has no room for is lost, as on any network.
    pub(crate) fn flush(&mut self) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        let (destination, source) = if self.is_ipv6 {
            (mapped_address(batch.destination), mapped(batch.source))
        } else {
            (batch.destination, batch.source)
        };
        let transmit = Transmit {
            destination,
            ecn: None,
            contents: &self.outgoing,
            segment_size: (batch.count > 1).then_some(batch.segment),
            src_ip: (!source.is_unspecified()).then_some(source),
        };
        // Past tokio, which would have a datagram wait until it has asked the system whether there is room.
        let sent = self.state.try_send((&self.io).into(), &transmit);
        if let Err(error) = sent {
            tracing::trace!(%error, %destination, "datagrams lost at the socket");
        }
        self.outgoing.clear();
    }
}

/// The datagrams of one read.
pub(crate) struct Received {
    metas: [RecvMeta; BATCH],
    buffers: Vec<u8>,
    filled: usize,
}

impl Received {
    pub(crate) fn new() -> Self {
        Self {
            metas: [RecvMeta::default(); BATCH],
            buffers: vec![0; BATCH * BUFFER_BYTES],
            filled: 0,
        }
    }

    /// Each datagram that came.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let filled = self
            .metas
            .iter()
            .zip(self.buffers.chunks_exact(BUFFER_BYTES));
        filled.take(self.filled).flat_map(|(meta, buffer)| {
            let source = canonical(meta.addr);
            let destination = meta.dst_ip.map(|ip| ip.to_canonical());
            buffer[..meta.len.min(BUFFER_BYTES)]
                .chunks(meta.stride.max(1))
                .map(move |bytes| Datagram {
                    proto: Protocol::Udp,
                    source,
                    destination,
                    bytes,
                })
        })
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn mapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V4(ip) => IpAddr::V6(ip.to_ipv6_mapped()),
        IpAddr::V6(_) => ip,
    }
}

fn mapped_address(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(mapped(address.ip()), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn datagrams_arrive_one_by_one_however_they_were_batched() {
        let peer = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let bound = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let local = bound.local_addr().unwrap();
        let mut socket = Socket::new(bound).unwrap();
        let to = peer.local_addr().unwrap();
        let patience = std::time::Duration::from_secs(20);
        peer.set_read_timeout(Some(patience)).unwrap();
        for datagram in [&b"first"[..], b"other", b"last", b"a longer one"] {
            let target = Target {
                proto: Protocol::Udp,
                source: local.ip(),
                destination: to,
            };
            socket.send_to(&target, datagram);
        }
        socket.flush();
        let mut buffer = [0; 64];
        for expected in [&b"first"[..], b"other", b"last", b"a longer one"] {
            let (length, source) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], source), (expected, local));
        }

        peer.send_to(b"back", local).unwrap();
        let mut received = Received::new();
        while socket.receive(&mut received).is_err() {
            socket.readable().await.unwrap();
        }
        let came: Vec<_> = received
            .datagrams()
            .map(|datagram| (datagram.bytes, datagram.source))
            .collect();
        assert_eq!(came, [(&b"back"[..], to)]);
    }
}
