//! Opens the sockets that the server listens on, and says in plain words why it cannot.

use crate::config::Listen;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;

/// Connections that the system may hold for us before they are accepted. A longer queue than the system allows is cut
/// to that by the system itself (`net.core.somaxconn`); a client beyond it tries again by itself.
const QUEUE_MAX: i32 = 4096;

/// Why the server cannot listen, and what to type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ListenError {
    #[error(
        "{address} is in use by another program\n  hint: `ss -ltnp 'sport = :{port}'` names it; or choose another port: \
         `abanico --{setting} :{other}`",
        port = .address.port(), other = other_port(.address.port())
    )]
    InUse {
        setting: &'static str,
        address: SocketAddr,
    },
    #[error(
        "no right to listen at {address}: ports below 1024 belong to the administrator\n  hint: choose another port, \
         `abanico --{setting} :3000`, or give the right: `setcap cap_net_bind_service=+ep $(which abanico)`"
    )]
    Forbidden {
        setting: &'static str,
        address: SocketAddr,
    },
    #[error(
        "{address} is not an address of this machine\n  hint: `ip -brief address` lists them; `--{setting} :{port}` means all",
        port = .address.port()
    )]
    NotHere {
        setting: &'static str,
        address: SocketAddr,
    },
    #[error("cannot listen at {address}: {source}")]
    Other {
        address: SocketAddr,
        source: io::Error,
    },
}

/// Opens the listening socket that `setting` asks for. Everywhere means IPv6 and IPv4 through one socket, or IPv4 where the system has no IPv6.
pub(crate) fn open(setting: &'static str, listen: Listen) -> Result<TcpListener, ListenError> {
    let (address, fallback) = match listen {
        Listen::Everywhere { port } => (
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        ),
        Listen::At(address) => (address, None),
    };
    let opened = match (bind(address), fallback) {
        (Err(error), Some(fallback)) if no_ipv6(&error) => bind(fallback),
        (opened, _) => opened,
    };
    opened.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { setting, address },
        io::ErrorKind::PermissionDenied => ListenError::Forbidden { setting, address },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { setting, address },
        _ => ListenError::Other { address, source },
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the last run's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(QUEUE_MAX)?;
    TcpListener::from_std(socket.into())
}

/// Whether the system has no IPv6 at all, or none to bind to, as in many containers.
fn no_ipv6(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// A port to suggest in place of `port`.
fn other_port(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(3000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everywhere_takes_ipv4_and_ipv6_through_one_socket() {
        let listener = open("listen", Listen::Everywhere { port: 0 }).unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            tokio::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_a_way_out() {
        let first = open("listen", Listen::At(([127, 0, 0, 1], 0).into())).unwrap();
        let address = first.local_addr().unwrap();
        let error = open("listen", Listen::At(address)).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{address} is in use by another program\n  hint: ")),
            "{error}"
        );
        assert!(
            error.contains(&format!("`abanico --listen :{}`", address.port() + 1)),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_foreign_address_is_refused_as_such() {
        let error = open("listen", Listen::At(([192, 0, 2, 1], 4000).into()))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("192.0.2.1:4000 is not an address of this machine"),
            "{error}"
        );
    }
}
