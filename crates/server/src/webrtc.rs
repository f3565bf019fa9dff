//! The UDP port of WebRTC: opened beside the HTTP port, and named to peers by the addresses that they can reach.

use crate::banner::lan_addresses;
use crate::config::{Listen, WebRtc};
use abanico_rtc::{Config, Endpoint};
use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Opens the port that was asked for, or that of the same number and address as HTTP's. `None` if WebRTC is off, or if
/// nobody asked for a port and that one is taken.
pub(crate) fn bind(config: &WebRtc, http: SocketAddr) -> anyhow::Result<Option<UdpSocket>> {
    if config.rtc_sessions_max.0 == 0 {
        return Ok(None);
    }
    let asked = config.rtc_listen.map(|listen| match listen {
        Listen::Everywhere { port } => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        Listen::At(address) => address,
    });
    let address = asked.unwrap_or(http);
    let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    let bound = open_socket(address).or_else(|error| {
        let everywhere = address.ip() == Ipv6Addr::UNSPECIFIED;
        let in_use = error.kind() == io::ErrorKind::AddrInUse;
        if everywhere && !in_use {
            open_socket(fallback)
        } else {
            Err(error)
        }
    });
    match bound {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if asked.is_none() => {
            tracing::warn!(%address, %error, "no WebRTC: its UDP port cannot be opened; rtc-listen names another");
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "cannot open UDP {address} for WebRTC\n  hint: choose another with --rtc-listen"
            )
        }),
    }
}

fn open_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Begins to serve WebRTC through a socket, and through the connections of HTTP's address.
pub(crate) fn open(
    config: &WebRtc,
    socket: UdpSocket,
    http: SocketAddr,
) -> anyhow::Result<Endpoint> {
    let bound = socket.local_addr().context("the UDP port has no address")?;
    let candidates = candidates(config, bound, lan_addresses);
    let tcp_candidates = tcp_candidates(&candidates, http);
    tracing::info!(address = %bound, ?candidates, ?tcp_candidates, "WebRTC");
    let config = Config {
        sessions_max: config.rtc_sessions_max.0,
        candidates,
        tcp_candidates,
    };
    Endpoint::open(socket, config).context("the UDP port cannot be used")
}

/// Where peers are told that HTTP's port is, which takes ICE over TCP too: at the same addresses, as far as it listens there.
fn tcp_candidates(candidates: &[SocketAddr], http: SocketAddr) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = candidates
        .iter()
        .map(|candidate| candidate.ip())
        .filter(|ip| http.is_ipv6() || ip.is_ipv4())
        .filter(|ip| http.ip().is_unspecified() || *ip == http.ip())
        .map(|ip| SocketAddr::new(ip, http.port()))
        .collect();
    addresses.dedup();
    addresses
}

/// Where peers are told that the port is.
fn candidates(
    config: &WebRtc,
    bound: SocketAddr,
    interfaces: impl FnOnce() -> Vec<IpAddr>,
) -> Vec<SocketAddr> {
    if let Some(addresses) = &config.rtc_address {
        return addresses
            .0
            .iter()
            .map(|(ip, port)| SocketAddr::new(*ip, port.unwrap_or(bound.port())))
            .collect();
    }
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let mut addresses = interfaces();
    addresses.retain(|ip| ip.is_ipv4() || bound.is_ipv6());
    // Who opens the page on this machine may have no other way.
    addresses.push(Ipv4Addr::LOCALHOST.into());
    addresses
        .into_iter()
        .map(|ip| SocketAddr::new(ip, bound.port()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Count;

    fn config(listen: Option<&str>, address: Option<&str>) -> WebRtc {
        WebRtc {
            rtc_listen: listen.map(|listen| listen.parse().unwrap()),
            rtc_address: address.map(|address| address.parse().unwrap()),
            rtc_sessions_max: Count(10),
            rtc_connecting_per_address_max: Count(10),
            rtc_offer_rate: "5/s burst 100".parse().unwrap(),
            ice_servers: None,
            peer_viewers: Count(0),
        }
    }

    #[test]
    fn peers_are_told_addresses_that_they_can_reach() {
        let lan = || vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let told = |config: &WebRtc, bound: &str| -> Vec<String> {
            candidates(config, bound.parse().unwrap(), lan)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let plain = config(None, None);
        assert_eq!(
            told(&plain, "[::]:3000"),
            ["192.0.2.7:3000", "[2001:db8::7]:3000", "127.0.0.1:3000"]
        );
        assert_eq!(
            told(&plain, "0.0.0.0:3000"),
            ["192.0.2.7:3000", "127.0.0.1:3000"]
        );
        assert_eq!(told(&plain, "127.0.0.1:3000"), ["127.0.0.1:3000"]);
        let public = config(None, Some("203.0.113.5,203.0.113.6:4000"));
        assert_eq!(
            told(&public, "[::]:3000"),
            ["203.0.113.5:3000", "203.0.113.6:4000"]
        );
    }

    #[test]
    fn a_port_that_nobody_asked_for_may_be_taken_and_one_that_was_asked_for_may_not() {
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        assert!(bind(&config(None, None), address).unwrap().is_none());
        let asked = config(Some(&address.to_string()), None);
        let error = format!("{:#}", bind(&asked, address).unwrap_err());
        assert!(error.contains("--rtc-listen"), "{error}");
        let off = WebRtc {
            rtc_sessions_max: Count(0),
            ..asked
        };
        assert!(bind(&off, address).unwrap().is_none());
    }

    #[test]
    fn tcp_is_offered_where_http_listens() {
        let at = |address: &str| -> SocketAddr { address.parse().unwrap() };
        let known = [
            at("192.0.2.1:5000"),
            at("[2001:db8::1]:5000"),
            at("127.0.0.1:5000"),
        ];
        let ports = |http| tcp_candidates(&known, at(http));
        assert_eq!(
            ports("[::]:80"),
            [
                at("192.0.2.1:80"),
                at("[2001:db8::1]:80"),
                at("127.0.0.1:80")
            ]
        );
        assert_eq!(
            ports("0.0.0.0:80"),
            [at("192.0.2.1:80"), at("127.0.0.1:80")]
        );
        assert_eq!(ports("127.0.0.1:80"), [at("127.0.0.1:80")]);
    }
}
