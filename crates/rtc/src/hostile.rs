//! What anybody may send, tried without a network: offers, fragments and datagrams; what a peer may send once it is
//! [`connected`]. The properties below and the fuzz targets use it, and nobody else.
//!
//! What is tried may be refused, and may end its session. It may not panic, and it may leave nothing behind.

#![allow(missing_docs, reason = "it is there for tests alone")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

pub mod connected;
#[cfg(test)]
mod corpus;
mod peer;

use crate::driver::Driver;
use crate::endpoint::{Accepted, Config, Endpoint};
use crate::ingress::Publishing;
use crate::negotiation::Negotiated;
use crate::payload::{PAYLOAD_BYTES_MAX, Payloads};
use crate::registry::{Listed, Side};
use crate::session::LEAVES_WITHIN;
use crate::socket::Datagram;
use crate::trickle::{self, Asked, TrickleRefused};
use abanico_live::{Bounds, Channel, Format, Pool};
use abanico_media::frame::Codec;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;
use str0m::IceCreds;
use str0m::net::Protocol;
use tokio::runtime::Runtime;

/// An endpoint that nobody drives but its caller.
pub struct Hostile {
    runtime: Runtime,
    endpoint: Endpoint,
    driver: Driver,
}

/// Where what is tried comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// An address that has shown nothing.
    Anywhere,
    /// One that has shown the ICE password of the session.
    ThePeer,
}

impl Default for Hostile {
    fn default() -> Self {
        Self::new()
    }
}

impl Hostile {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let config = Config {
            sessions_max: 8,
            candidates: vec![socket.local_addr().unwrap()],
            tcp_candidates: Vec::new(),
        };
        let (endpoint, driver) = Endpoint::make(socket, config).unwrap();
        drop(_inside);
        Self {
            runtime,
            endpoint,
            driver,
        }
    }

    /// An offer, to either side. What is answered begins a session.
    pub fn offer(&mut self, text: &str) {
        let runtime = self.runtime.handle().clone();
        let _inside = runtime.enter();
        for side in [Side::Publisher, Side::Viewer] {
            // What we do ourselves does not panic. What str0m panics at is refused as malformed.
            let _ = crate::offer::read(text, side);
            let Ok(negotiated) = self.endpoint.answer(text, side) else {
                continue;
            };
            for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Hevc] {
                let _ = negotiated.suits(&codec);
            }
            let channel = Channel::new(&Pool::new(Bounds::default()));
            let (accepted, publishing) = self.start(side, negotiated, &channel);
            drop(publishing);
            self.end(side, &accepted.name);
            assert_eq!(channel.watching(), 0, "nobody watches any more");
        }
    }

    /// The body of a `PATCH` behind a line that is its `If-Match`, which is empty where there is none.
    pub fn fragment(&self, text: &str) {
        let _ = Self::judge(text);
    }

    fn judge(text: &str) -> Result<Asked, TrickleRefused> {
        let remote = IceCreds {
            ufrag: "frag".to_owned(),
            pass: "9876543210987654321098".to_owned(),
        };
        let listed = Listed {
            etag: "tag".to_owned(),
            ..Listed::new(1, Side::Viewer, "demo", remote)
        };
        let (if_match, body) = text.split_once('\n').unwrap_or(("", text));
        trickle::judge(&listed, Some(if_match).filter(|tag| !tag.is_empty()), body)
    }

    /// Datagrams for a session on that side that waits for its peer.
    pub fn datagrams<'a>(
        &mut self,
        side: Side,
        datagrams: impl IntoIterator<Item = (From, &'a [u8])>,
    ) {
        let _inside = self.runtime.enter();
        let channel = Channel::new(&Pool::new(Bounds::default()));
        let direction = match side {
            Side::Publisher => "a=sendonly\r\n",
            Side::Viewer => "a=recvonly\r\n",
        };
        let offer = crate::offer::example(direction);
        let (accepted, publishing) = self.begin(side, &offer, &channel);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 4));
        self.driver.believe(peer);
        for (from, bytes) in datagrams {
            let source = match from {
                From::Anywhere => SocketAddr::from((Ipv4Addr::LOCALHOST, 5)),
                From::ThePeer => peer,
            };
            let heard = self.driver.heard();
            self.driver.take(&Datagram {
                proto: Protocol::Udp,
                source,
                destination: Some(Ipv4Addr::LOCALHOST.into()),
                bytes,
            });
            assert!(
                from == From::ThePeer || self.driver.heard() == heard,
                "what has shown no password reaches no session"
            );
        }
        drop(publishing);
        self.end(side, &accepted.name);
        assert_eq!(channel.watching(), 0, "nobody watches any more");
    }

    /// Begins a session on that side of the channel's stream.
    fn begin(
        &mut self,
        side: Side,
        offer: &str,
        channel: &Channel,
    ) -> (Accepted, Option<Publishing>) {
        let negotiated = self.endpoint.answer(offer, side).unwrap();
        self.start(side, negotiated, channel)
    }

    /// Begins the session of an offer that was answered.
    fn start(
        &mut self,
        side: Side,
        negotiated: Negotiated,
        channel: &Channel,
    ) -> (Accepted, Option<Publishing>) {
        let begun = match side {
            Side::Publisher => {
                let (accepted, publishing) = self.endpoint.publish(negotiated, "demo", channel);
                (accepted, Some(publishing))
            }
            Side::Viewer => {
                let watching = channel.watch(Format::Rtp).unwrap();
                let accepted = self.endpoint.watch(negotiated, "demo", watching, ());
                (accepted, None)
            }
        };
        self.driver.obey_all();
        begun
    }

    /// Ends the only session, if it has not ended by itself.
    fn end(&mut self, side: Side, name: &str) {
        let _ = self.endpoint.end(side, "demo", name);
        self.driver.obey_all();
        self.driver.pass(Instant::now() + LEAVES_WITHIN);
        assert!(self.driver.is_empty(), "nothing is left behind");
        assert_eq!(self.driver.panicked, 0, "no session panics");
    }
}

/// A frame of somebody's, cut for the viewers.
pub fn frame(codec: &Codec, frame: &[u8]) {
    let payloads = Payloads::of(frame, codec);
    assert!(
        payloads.iter().all(|payload| !payload.is_empty()),
        "a packet carries something"
    );
    // Opus travels in one piece: who takes it in bounds it.
    let is_cut = *codec != Codec::Opus;
    let most = payloads.iter().map(<[u8]>::len).max();
    assert!(!is_cut || most <= Some(PAYLOAD_BYTES_MAX), "{most:?}");
    let bytes: usize = payloads.iter().map(<[u8]>::len).sum();
    assert_eq!(bytes, payloads.bytes());
    assert!(
        bytes <= 2 * frame.len() + 8,
        "{bytes} bytes of {}",
        frame.len()
    );
}

#[cfg(test)]
mod tests {
    use super::corpus::{holds, seeds};
    use super::*;
    use abanico_fuzz::mutation::mutate_lines;
    use proptest::prelude::*;

    /// Offers, each of which that is answered begins a session: a second or two.
    const OFFERS: u64 = 1_000;

    /// Fragments: a moment.
    const FRAGMENTS: u64 = 20_000;

    /// Lines that mean something in an offer.
    const LINES: [&str; 24] = [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1 2",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=video 0 UDP/TLS/RTP/SAVPF",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
        "a=mid:0",
        "a=mid:1",
        "a=sendrecv",
        "a=inactive",
        "a=rtpmap:96 VP8/90000",
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=9;profile-level-id=zz",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=97",
        "a=ssrc-group:FID 1 1",
        "a=simulcast:send a;b,~c;",
        "a=rid:a send pt=96;max-width=99999999999999999999",
        "a=extmap:15/sendonly urn:ietf:params:rtp-hdrext:sdes:mid",
    ];

    /// An offer with something done to it.
    fn offers() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            3 => prop::sample::select(&LINES[..]).prop_map(str::to_owned),
            1 => "[a-z]=[ -~]{0,40}",
            1 => "\\PC{0,40}",
        ];
        let changes = prop::collection::vec((0_usize..40, any::<bool>(), line), 0..12);
        changes.prop_map(|changes| {
            let whole = crate::offer::example("a=sendonly\r\n");
            let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
            for (at, replaces, line) in changes {
                let at = at % (lines.len() + 1);
                if replaces && at < lines.len() {
                    lines[at] = line;
                } else {
                    lines.insert(at, line);
                }
            }
            lines.join("\r\n") + "\r\n"
        })
    }

    /// Datagrams whose first byte names a protocol.
    fn datagram() -> impl Strategy<Value = (From, Vec<u8>)> {
        let from = prop_oneof![Just(From::Anywhere), Just(From::ThePeer)];
        let first = prop_oneof![0_u8..4, 20_u8..64, 128_u8..192, any::<u8>()];
        (from, first, prop::collection::vec(any::<u8>(), 0..300)).prop_map(
            |(from, first, mut rest)| {
                rest.insert(0, first);
                (from, rest)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn no_offer_panics(offers in prop::collection::vec(offers(), 1..4)) {
            let mut hostile = Hostile::new();
            for offer in &offers {
                hostile.offer(offer);
            }
        }

        #[test]
        fn no_fragment_panics(text in "\\PC{0,20}\n(a=ice-(ufrag|pwd):[ -~]{0,30}\r\n|\\PC{0,30}\n){0,6}") {
            Hostile::new().fragment(&text);
        }

        #[test]
        fn no_datagram_panics_or_leaves_anything_behind(datagrams in prop::collection::vec(datagram(), 0..12)) {
            let mut hostile = Hostile::new();
            for side in [Side::Publisher, Side::Viewer] {
                hostile.datagrams(side, datagrams.iter().map(|(from, bytes)| (*from, &bytes[..])));
            }
        }
    }

    #[test]
    fn no_offer_like_those_of_clients_breaks_anything() {
        let mut hostile = Hostile::new();
        holds("offer", OFFERS, mutate_lines, |bytes| {
            hostile.offer(&String::from_utf8_lossy(bytes));
        });
    }

    #[test]
    fn no_fragment_like_those_of_clients_breaks_anything() {
        let hostile = Hostile::new();
        holds("fragment", FRAGMENTS, mutate_lines, |bytes| {
            hostile.fragment(&String::from_utf8_lossy(bytes));
        });
    }

    #[test]
    fn the_corpus_is_understood() {
        let hostile = Hostile::new();
        for (name, offer) in seeds("offer") {
            let side = if name.ends_with("viewer") {
                Side::Viewer
            } else {
                Side::Publisher
            };
            let offer = String::from_utf8(offer).unwrap();
            let answered = hostile.endpoint.answer(&offer, side);
            let answered = answered.unwrap_or_else(|refused| panic!("{name}: {refused}"));
            let lines = answered.lines;
            assert!(lines.picture.is_some() && lines.sound.is_some(), "{name}");
            let ours = if side == Side::Viewer {
                "a=sendonly"
            } else {
                "a=recvonly"
            };
            let count = |wanted: &str| answered.answer.matches(wanted).count();
            assert_eq!(
                (count(ours), count("m=")),
                (2, 2),
                "{name}: {}",
                answered.answer
            );
        }
        for (name, fragment) in seeds("fragment") {
            let judged = Hostile::judge(std::str::from_utf8(&fragment).unwrap());
            let restarts = matches!(judged, Ok(Asked::Restart(_)));
            assert!(judged.is_ok(), "{name}: {judged:?}");
            assert_eq!(restarts, name.starts_with("restart"), "{name}");
        }
    }

    /// Bytes that mean something to a codec, among others: start codes, lengths, heads of units.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            2 => prop::collection::vec(any::<u8>(), 0..1_500),
            1 => Just(vec![0, 0, 0, 1]),
            1 => Just(vec![0, 0, 1, 0x67]),
            1 => Just(vec![0, 0, 1, 0x68]),
            1 => Just(vec![0x0a, 0x0b]),
            1 => Just(vec![0x32, 0xff, 0xff, 0xff, 0x7f]),
            1 => Just(vec![0x12, 0]),
            1 => (any::<u8>(), 0_usize..3_000).prop_map(|(byte, count)| vec![byte; count]),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_frame_is_cut_into_packets_that_fit(
            bytes in frames(),
            codec in prop::sample::select(vec![Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Opus]),
        ) {
            frame(&codec, &bytes);
        }
    }
}
