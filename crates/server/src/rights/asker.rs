//! Who asks: the address behind a request, and whether somebody at this machine stands behind it.
//!
//! Being at this machine is worth something (see `publishing`), and nobody else may borrow it. A browser at this machine
//! shows pages of everybody; a proxy at this machine speaks for everybody. So whoever comes over loopback is at this
//! machine only if the request names this machine as its host and comes from no page but this machine's own, and if no
//! proxy says that it passed the request on.

use super::networks::Networks;
use abanico_core::rights::Place;
use abanico_socketio::{Handshake, PeerAddr};
use http::uri::Authority;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use uuid::Uuid;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Any of these says that a proxy passed the request on.
const PASSED_ON: [&str; 5] = [
    FORWARDED_FOR,
    "x-forwarded-host",
    "x-real-ip",
    "forwarded",
    "via",
];

/// Sets the sessions of this process apart from those of every other.
static RUN: LazyLock<u64> = LazyLock::new(|| Uuid::new_v4().as_u64_pair().0);

/// Who asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asker {
    /// The client's address, as far as it can be known.
    pub(crate) address: IpAddr,
    /// Where it stands.
    pub(crate) place: Place,
    /// Its connection, as others are told of it.
    pub(crate) connection: Uuid,
}

/// What a request tells of who asks.
#[derive(Debug, Clone, Default)]
struct Traces<'a> {
    peer: Option<IpAddr>,
    host: Option<&'a str>,
    origin: Option<&'a str>,
    /// The addresses that proxies wrote down, the nearest last.
    forwarded_for: Vec<&'a str>,
    passed_on: bool,
}

impl Asker {
    /// Behind a request.
    pub(crate) fn of<B>(request: &http::Request<B>, proxies: &Networks) -> Self {
        let peer = request.extensions().get::<PeerAddr>();
        // A value that is no text is there all the same.
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("")));
        let mut traces = Traces::read(headers);
        traces.peer = peer.map(|peer| peer.0.ip());
        // HTTP/2 has the host in the address.
        let authority = request.uri().authority().map(Authority::as_str);
        traces.host = traces.host.or(authority);
        // What goes on over HTTP, or on a socket that it becomes, has one request behind it.
        Self::behind(&traces, proxies, Uuid::new_v4())
    }

    /// Behind a Socket.IO session.
    pub(crate) fn of_session(handshake: &Handshake, proxies: &Networks) -> Self {
        let mut traces = Traces::read(handshake.headers());
        traces.peer = handshake.peer_addr().map(|peer| peer.ip());
        let connection = Uuid::from_u64_pair(*RUN, handshake.number());
        Self::behind(&traces, proxies, connection)
    }

    fn behind(traces: &Traces<'_>, proxies: &Networks, connection: Uuid) -> Self {
        // Nobody knows where a request without an address comes from.
        let peer = traces.peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let peer = peer.to_canonical();
        if proxies.contain(peer) {
            return Self {
                address: client(&traces.forwarded_for, proxies).unwrap_or(peer),
                place: Place::Elsewhere,
                connection,
            };
        }
        let is_here = peer.is_loopback()
            && !traces.passed_on
            // A browser always names a host; an old Icecast source does not.
            && traces.host.is_none_or(names_this_machine)
            && traces.origin.is_none_or(is_of_this_machine);
        Self {
            address: peer,
            place: if is_here {
                Place::Here
            } else {
                Place::Elsewhere
            },
            connection,
        }
    }
}

impl<'a> Traces<'a> {
    /// From the headers, whose names are in lower case.
    fn read(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut traces = Self::default();
        for (name, value) in headers {
            match name {
                "host" => traces.host = traces.host.or(Some(value)),
                "origin" => traces.origin = traces.origin.or(Some(value)),
                _ => {}
            }
            if name == FORWARDED_FOR {
                // Several lines are one list.
                traces.forwarded_for.extend(value.split(',').map(str::trim));
            }
            traces.passed_on |= PASSED_ON.contains(&name);
        }
        traces
    }
}

/// The nearest address in the list that is no proxy of ours: what stands before it anybody may have written.
fn client(list: &[&str], proxies: &Networks) -> Option<IpAddr> {
    for one in list.iter().rev() {
        let address = address(one)?;
        if !proxies.contain(address) {
            return Some(address);
        }
    }
    None
}

/// An address as proxies write it: bare, in brackets, with a port.
fn address(text: &str) -> Option<IpAddr> {
    let parsed = text.parse().ok().or_else(|| {
        let with_port: Option<std::net::SocketAddr> = text.parse().ok();
        with_port.map(|address| address.ip()).or_else(|| {
            let inner = text.strip_prefix('[')?.strip_suffix(']')?;
            inner.parse().ok()
        })
    });
    parsed.map(|address: IpAddr| address.to_canonical())
}

/// Whether a `Host` is a name that only this machine has for itself. Any other name can be made to lead here by who owns
/// it.
fn names_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_name = |local: &str| {
        let tail = name.len().checked_sub(local.len());
        tail.is_some_and(|tail| {
            name.is_char_boundary(tail)
                && name[tail..].eq_ignore_ascii_case(local)
                && (tail == 0 || name[..tail].ends_with('.'))
        })
    };
    is_name("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Whether a page with this origin was served by this machine.
fn is_of_this_machine(origin: &str) -> bool {
    let name = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    name.is_some_and(names_this_machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request over `peer` tells whose headers are `lines`.
    fn asker(peer: &str, lines: &[(&str, &str)], proxies: &str) -> Asker {
        let proxies = match proxies {
            "" => Networks::default(),
            some => some.parse().unwrap(),
        };
        let mut request = http::Request::builder().uri("/");
        for (name, value) in lines {
            request = request.header(
                *name,
                http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        let mut request = request.body(()).unwrap();
        if !peer.is_empty() {
            let peer: IpAddr = peer.parse().unwrap();
            request
                .extensions_mut()
                .insert(PeerAddr((peer, 4711).into()));
        }
        Asker::of(&request, &proxies)
    }

    #[test]
    fn a_program_and_a_page_of_this_machine_are_here() {
        for (peer, host, origin) in [
            ("127.0.0.1", "127.0.0.1:3000", None),
            ("127.0.0.1", "localhost:3000", Some("http://localhost:3000")),
            ("127.0.0.1", "LOCALHOST", Some("https://app.localhost")),
            ("::1", "[::1]:3000", Some("http://[::1]:3000")),
            (
                "::ffff:127.0.0.1",
                "localhost",
                Some("http://127.0.0.1:8080"),
            ),
        ] {
            let mut lines = vec![("Host", host)];
            lines.extend(origin.map(|origin| ("Origin", origin)));
            assert_eq!(
                asker(peer, &lines, "").place,
                Place::Here,
                "{peer} {lines:?}"
            );
        }
        assert_eq!(asker("127.0.0.1", &[], "").place, Place::Here);
    }

    #[test]
    fn nobody_else_borrows_the_place_of_this_machine() {
        let host = ("Host", "localhost:3000");
        for (what, peer, lines) in [
            ("another machine", "192.0.2.1", vec![host]),
            ("nobody known", "", vec![host]),
            (
                "a foreign name that leads here",
                "127.0.0.1",
                vec![("Host", "example.org:3000")],
            ),
            (
                "a name that ends alike",
                "127.0.0.1",
                vec![("Host", "notlocalhost")],
            ),
            (
                "a page of elsewhere",
                "127.0.0.1",
                vec![host, ("Origin", "https://example.org")],
            ),
            (
                "a page that looks like ours",
                "127.0.0.1",
                vec![host, ("Origin", "http://localhost.example.org")],
            ),
            (
                "a page without an address",
                "127.0.0.1",
                vec![host, ("Origin", "null")],
            ),
            (
                "a proxy",
                "127.0.0.1",
                vec![host, ("X-Forwarded-For", "127.0.0.1")],
            ),
            (
                "a proxy that was told nonsense",
                "127.0.0.1",
                vec![host, ("X-Forwarded-For", "\u{fffd}")],
            ),
            (
                "a proxy of another kind",
                "127.0.0.1",
                vec![host, ("Forwarded", "for=127.0.0.1")],
            ),
            (
                "a proxy that only names itself",
                "127.0.0.1",
                vec![host, ("Via", "1.1 proxy")],
            ),
        ] {
            assert_eq!(asker(peer, &lines, "").place, Place::Elsewhere, "{what}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_who_asks() {
        let proxies = "127.0.0.1, 10.0.0.0/8";
        for (peer, lists, expected) in [
            ("127.0.0.1", vec!["203.0.113.7"], "203.0.113.7"),
            // What the client wrote itself stands further away.
            ("127.0.0.1", vec!["127.0.0.1, 203.0.113.7"], "203.0.113.7"),
            ("127.0.0.1", vec!["127.0.0.1", "203.0.113.7"], "203.0.113.7"),
            ("127.0.0.1", vec!["203.0.113.7, 10.1.2.3"], "203.0.113.7"),
            ("127.0.0.1", vec!["[2001:db8::7]:4711"], "2001:db8::7"),
            ("127.0.0.1", vec!["203.0.113.7, nonsense"], "127.0.0.1"),
            ("127.0.0.1", vec![], "127.0.0.1"),
            ("192.0.2.1", vec!["203.0.113.7"], "192.0.2.1"),
        ] {
            let mut lines = vec![("Host", "localhost")];
            lines.extend(lists.iter().map(|list| ("X-Forwarded-For", *list)));
            let asker = asker(peer, &lines, proxies);
            assert_eq!(asker.place, Place::Elsewhere, "{peer} {lines:?}");
            assert_eq!(asker.address.to_string(), expected, "{peer} {lines:?}");
        }
    }
}
