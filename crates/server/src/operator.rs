//! Who may see what is the operator's alone: who asks from this machine itself, at a loopback address, by no proxy.
//!
//! A proxy on this machine has a loopback address, too, but says for whom it asks. A page of somebody else's, whose name
//! was made to lead here, says that name.

use http::HeaderMap;
use http::header::HOST;
use std::net::{IpAddr, SocketAddr};

/// What proxies say.
const OF_PROXIES: [&str; 5] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
];

/// Whether a request from `peer` with these headers is the operator's.
pub(crate) fn is_operator(peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    let is_here = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let is_forwarded = OF_PROXIES.iter().any(|name| headers.contains_key(*name));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    is_here && !is_forwarded && host.is_none_or(is_loopback_name)
}

/// Whether a `Host` is this machine by a name that nobody else can give.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::HeaderName;

    fn asks(peer: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        is_operator(Some(peer.parse().unwrap()), &headers.collect())
    }

    #[test]
    fn only_who_asks_from_this_machine_and_for_itself_is_the_operator() {
        for host in [
            "localhost:3000",
            "127.0.0.1:3000",
            "[::1]:3000",
            "127.0.0.1",
        ] {
            assert!(asks("127.0.0.1:5000", &[("host", host)]), "{host}");
        }
        assert!(asks("[::1]:5000", &[]));
        assert!(asks("[::ffff:127.0.0.1]:5000", &[]));
        assert!(!asks("192.0.2.7:5000", &[("host", "localhost")]));
        for forwarded in [
            "forwarded",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-real-ip",
        ] {
            assert!(!asks("127.0.0.1:5000", &[(forwarded, "192.0.2.7")]));
        }
        for host in ["evil.example:3000", "127.0.0.1.evil.example", "192.0.2.7"] {
            assert!(!asks("127.0.0.1:5000", &[("host", host)]), "{host}");
        }
        assert!(!is_operator(None, &HeaderMap::new()));
    }
}
