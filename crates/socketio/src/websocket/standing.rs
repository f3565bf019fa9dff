//! What the system knows of a connection that it tells no reader or writer: how much of what was written has arrived.
//!
//! Asked of the kernel's own directory of sockets (`sock_diag`, a netlink socket), because the system calls for it cannot
//! be made without unsafe code. An answer is a few microseconds of work, so it is asked for now and then and not per
//! message. Where there is no such directory, nothing is known.

use std::io;

use tokio::net::TcpStream;

/// How far a peer is with what it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Bytes that were written and not acknowledged.
    pub(crate) waiting: u32,
    /// All bytes that the peer has acknowledged.
    pub(crate) acknowledged: u64,
    /// The peer has no room for what comes next, and the system asks it for some.
    pub(crate) window_is_shut: bool,
}

/// How far the peer of `stream` is.
pub(crate) fn of(stream: &TcpStream) -> io::Result<Standing> {
    #[cfg(target_os = "linux")]
    return linux::ask(stream.local_addr()?, stream.peer_addr()?);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, Read, Write};
    use std::net::{IpAddr, SocketAddr};

    use parking_lot::Mutex;
    use socket2::{Domain, Protocol, Socket, Type};

    use super::Standing;

    // From the kernel's headers linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h and linux/tcp.h.
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const AF_NETLINK: i32 = 16;
    const NETLINK_SOCK_DIAG: i32 = 4;
    const IPPROTO_TCP: u8 = 6;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const INET_DIAG_INFO: u8 = 2;
    /// The message header's length.
    const HEADER: usize = 16;
    /// The length of what follows it in a question.
    const QUESTION: usize = 56;
    /// The length of what follows it in an answer, before the attributes.
    const ANSWER: usize = 72;
    const TIMER_AT: usize = 2;
    const WAITING_AT: usize = 60;
    /// Within `tcp_info`.
    const ACKNOWLEDGED_AT: usize = 120;
    /// `idiag_timer` of a socket that asks its peer for room.
    const TIMER_OF_PROBES: u8 = 4;

    /// Who is asked, opened when it is first needed.
    static DIRECTORY: Mutex<Option<Socket>> = Mutex::new(None);

    pub(super) fn ask(local: SocketAddr, peer: SocketAddr) -> io::Result<Standing> {
        let question = question(local, peer);
        let mut buffer = [0; 1024];
        let mut directory = DIRECTORY.lock();
        let mut socket = match directory.take() {
            Some(socket) => socket,
            None => open()?,
        };
        // The kernel answers within the call that asks; nobody waits here. After a failure a new socket is opened, which
        // has nothing left over from before.
        socket.write_all(&question)?;
        let count = socket.read(&mut buffer)?;
        *directory = Some(socket);
        drop(directory);
        read(&buffer[..count]).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open() -> io::Result<Socket> {
        let socket = Socket::new(
            Domain::from(AF_NETLINK),
            Type::DGRAM,
            Some(Protocol::from(NETLINK_SOCK_DIAG)),
        )?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// `struct nlmsghdr` and `struct inet_diag_req_v2`: a question for one socket by its addresses.
    fn question(local: SocketAddr, peer: SocketAddr) -> Vec<u8> {
        let (local_ip, peer_ip) = (local.ip().to_canonical(), peer.ip().to_canonical());
        let family = if local_ip.is_ipv4() {
            AF_INET
        } else {
            AF_INET6
        };
        let len = u32::try_from(HEADER + QUESTION).expect("it is small");
        let mut bytes = Vec::with_capacity(HEADER + QUESTION);
        bytes.extend(len.to_ne_bytes());
        bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes.extend(NLM_F_REQUEST.to_ne_bytes());
        // Sequence number and sender, neither of which is needed.
        bytes.extend([0; 8]);
        bytes.extend([family, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0]);
        // In whatever state.
        bytes.extend(u32::MAX.to_ne_bytes());
        bytes.extend(local.port().to_be_bytes());
        bytes.extend(peer.port().to_be_bytes());
        for ip in [local_ip, peer_ip] {
            let mut field = [0; 16];
            match ip {
                IpAddr::V4(ip) => field[..4].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => field = ip.octets(),
            }
            bytes.extend(field);
        }
        // The interface, which a link-local address needs.
        let interface = match local {
            SocketAddr::V6(local) => local.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        bytes.extend(interface.to_ne_bytes());
        // No cookie.
        bytes.extend([u8::MAX; 8]);
        bytes
    }

    /// `struct nlmsghdr`, `struct inet_diag_msg` and its attributes. `None` for anything else, an error among it.
    fn read(bytes: &[u8]) -> Option<Standing> {
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let message = bytes.get(HEADER..)?;
        if kind != SOCK_DIAG_BY_FAMILY || message.len() < ANSWER {
            return None;
        }
        let waiting = u32::from_ne_bytes(*message[WAITING_AT..].first_chunk()?);
        let mut attributes = &message[ANSWER..];
        loop {
            let len = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?));
            let kind = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?);
            let value = attributes.get(4..len)?;
            if kind == u16::from(INET_DIAG_INFO) {
                let acknowledged = value.get(ACKNOWLEDGED_AT..)?.first_chunk()?;
                return Some(Standing {
                    waiting,
                    acknowledged: u64::from_ne_bytes(*acknowledged),
                    window_is_shut: message[TIMER_AT] == TIMER_OF_PROBES,
                });
            }
            attributes = attributes.get(len.next_multiple_of(4)..)?;
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_no_answer_tells_nothing() {
            assert_eq!(read(&[]), None);
            assert_eq!(read(&[0; 200]), None);
            let mut cut = [0; HEADER + ANSWER + 6];
            cut[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            assert_eq!(read(&cut), None);
            // An attribute that says it is longer than the message.
            cut[HEADER + ANSWER..][..2].copy_from_slice(&u16::MAX.to_ne_bytes());
            assert_eq!(read(&cut), None);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_a_peer_has_and_what_waits_for_it_is_known() {
        let addresses: [std::net::IpAddr; 2] =
            [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        for address in addresses {
            // A machine may have no IPv6.
            let Ok(listener) = TcpListener::bind((address, 0)).await else {
                continue;
            };
            let mut peer = TcpStream::connect(listener.local_addr().unwrap())
                .await
                .unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&[7; 1000]).await.unwrap();
            // In some containers the kernel's directory of sockets cannot be asked.
            if of(&stream).is_err() {
                return;
            }
            peer.read_exact(&mut [0; 1000]).await.unwrap();
            // The system acknowledges when it likes.
            while of(&stream).unwrap().waiting > 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(of(&stream).unwrap().acknowledged, 1000);
            // More than the peer's system takes for it, so that the rest stays here.
            while stream.try_write(&[7; 65536]).is_ok() {}
            let standing = of(&stream).unwrap();
            assert!(standing.waiting > 0, "{standing:?}");
        }
    }
}
