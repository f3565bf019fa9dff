//! A peer that has shaken hands with the endpoint, and may send whatever it likes.
//!
//! The handshake is a real one, with str0m's client; then its keys are ours. Nothing here waits: on one machine a datagram is there as
//! soon as it was sent, and the client's clock goes ahead.

use super::Hostile;
use crate::ingress::Publishing;
use crate::keys::{self, Escrow};
use crate::registry::Side;
use crate::socket::Datagram;
use crate::srtp::Seal;
use abanico_live::Channel;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// A session is tried with so many inputs, and for so long. Then its peer would have to show that it is still there.
const TRIED_WITH: u32 = 256;
const TRIED_FOR: Duration = Duration::from_secs(5);

/// The codecs of a publisher, by the first three bits of what says how a packet is made.
pub(super) const CODECS: [&str; 5] = ["VP8/", "VP9/", "H264/", "AV1/", "opus/"];

/// How the packets of one codec travel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    kind: u8,
    ssrc: u32,
}

/// Ends a session that cannot be tried any more.
pub(super) fn renew<T>(tried: &mut Option<(Session, T)>) {
    if let Some((session, beside)) = tried.take_if(|(session, _)| !session.goes_on()) {
        drop(beside);
        session.end();
    }
}

/// A session whose peer is connected.
pub(super) struct Session {
    pub(super) hostile: Hostile,
    channel: Channel,
    side: Side,
    pub(super) name: String,
    publishing: Option<Publishing>,
    pub(super) peer: Peer,
    seal: Seal,
    began: Instant,
    pub(super) inputs: u32,
}

impl Session {
    pub(super) fn begin(side: Side, channel: Channel) -> Self {
        Self::begin_amid(side, channel, &[])
    }

    /// The same, while somebody else sends that from the peer's address, again and again until it is connected.
    fn begin_amid(side: Side, channel: Channel, noise: &[&[u8]]) -> Self {
        let mut hostile = Hostile::new();
        let (mut peer, offer) = Peer::new(side);
        let runtime = hostile.runtime.handle().clone();
        let _inside = runtime.enter();
        let (accepted, publishing) = hostile.begin(side, &offer, &channel);
        peer.shake_hands(&accepted.answer, &mut hostile, noise);
        let seal = Seal::new(peer.escrow.get().unwrap()).unwrap();
        Self {
            hostile,
            channel,
            side,
            name: accepted.name,
            publishing,
            peer,
            seal,
            began: Instant::now(),
            inputs: 0,
        }
    }

    /// Whether it is still there, and need not show that its peer is.
    fn goes_on(&self) -> bool {
        let is_new = self.inputs < TRIED_WITH && self.began.elapsed() < TRIED_FOR;
        self.hostile.driver.heard().is_some() && is_new
    }

    fn end(mut self) {
        drop(self.publishing);
        self.hostile.end(self.side, &self.name);
        assert_eq!(self.channel.watching(), 0, "nobody watches any more");
    }

    pub(super) fn send_rtcp(&mut self, mut packet: Vec<u8>) {
        packet.resize(packet.len().max(8), 0);
        packet[0] = 0x80 | packet[0] & 0x3f;
        packet[1] = 200 + packet[1] % 8;
        let ssrc = u32::from_be_bytes(packet[4..8].try_into().unwrap());
        self.seal.rtcp(&mut packet, ssrc).unwrap();
        self.take(&packet);
    }

    pub(super) fn send_rtp(
        &mut self,
        way: Way,
        marker: u8,
        number: u64,
        time: u32,
        payload: &[u8],
    ) {
        let [.., high, low] = number.to_be_bytes();
        let mut packet = vec![0x80, way.kind | marker, high, low];
        packet.extend_from_slice(&time.to_be_bytes());
        packet.extend_from_slice(&way.ssrc.to_be_bytes());
        let head = packet.len();
        packet.extend_from_slice(payload);
        let sealed = self.seal.rtp(&mut packet, 0, head, way.ssrc, number);
        sealed.unwrap();
        self.take(&packet);
    }

    fn take(&mut self, bytes: &[u8]) {
        let runtime = self.hostile.runtime.handle().clone();
        let _inside = runtime.enter();
        self.peer.send(&mut self.hostile, bytes);
        assert_eq!(self.hostile.driver.panicked, 0, "no session panics");
    }
}

/// The other end.
pub(super) struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    escrow: Escrow,
    pub(super) ways: [Option<Way>; CODECS.len()],
}

impl Peer {
    /// One that is on that side, and its offer.
    fn new(side: Side) -> (Self, String) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let mut rtc = RtcConfig::new()
            .set_crypto_provider(Arc::new(keys::provider()))
            .build(Instant::now());
        let escrow = keys::taken();
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let direction = match side {
            Side::Publisher => Direction::SendOnly,
            Side::Viewer => Direction::RecvOnly,
        };
        let mut api = rtc.sdp_api();
        for kind in [MediaKind::Video, MediaKind::Audio] {
            api.add_media(kind, direction, None, None, None);
        }
        let (offer, pending) = api.apply().unwrap();
        let offer = offer.to_sdp_string();
        let peer = Self {
            rtc,
            socket,
            address,
            pending: Some(pending),
            escrow,
            ways: ways(&offer),
        };
        (peer, offer)
    }

    fn shake_hands(&mut self, answer: &str, hostile: &mut Hostile, noise: &[&[u8]]) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        let pending = self.pending.take().unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let mut now = Instant::now();
        let mut connected = false;
        // Its own clock goes ahead to whatever it waits for.
        for _ in 0..10_000 {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(transmit) => {
                    self.send(hostile, &transmit.contents);
                    noise.iter().for_each(|bytes| self.send(hostile, bytes));
                    for bytes in self.received() {
                        let receive = Receive {
                            proto: Protocol::Udp,
                            source: transmit.destination,
                            destination: self.address,
                            contents: bytes[..].try_into().unwrap(),
                        };
                        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
                    }
                }
                Output::Event(event) => connected |= matches!(event, Event::Connected),
                Output::Timeout(_) if connected && hostile.driver.is_connected() => return,
                Output::Timeout(at) => {
                    now = at.max(now);
                    self.rtc.handle_input(Input::Timeout(now)).unwrap();
                }
            }
        }
        panic!("the handshake does not end");
    }

    fn send(&self, hostile: &mut Hostile, bytes: &[u8]) {
        hostile.driver.take(&Datagram {
            proto: Protocol::Udp,
            source: self.address,
            destination: Some(Ipv4Addr::LOCALHOST.into()),
            bytes,
        });
        hostile.driver.flush();
    }

    /// What has come. On this machine it is there as soon as it was sent.
    pub(super) fn received(&self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2_000];
        let mut received = Vec::new();
        while let Ok(length) = self.socket.recv(&mut buffer) {
            received.push(buffer[..length].to_vec());
        }
        received
    }
}

/// How each codec travels, as an offer says.
fn ways(offer: &str) -> [Option<Way>; CODECS.len()] {
    let mut kinds: HashMap<usize, u8> = HashMap::new();
    let mut sources = Vec::new();
    for line in offer.lines() {
        if line.starts_with("m=") {
            sources.push(None);
        }
        if let Some(rest) = line.strip_prefix("a=rtpmap:")
            && let Some((kind, name)) = rest.split_once(' ')
            && let Some(codec) = CODECS.iter().position(|codec| name.starts_with(codec))
        {
            kinds.entry(codec).or_insert(kind.parse().unwrap());
        }
        if let Some(rest) = line.strip_prefix("a=ssrc:")
            && let Some(source) = sources.last_mut()
        {
            let ssrc = rest.split(' ').next().and_then(|ssrc| ssrc.parse().ok());
            *source = source.or(ssrc);
        }
    }
    std::array::from_fn(|codec| {
        let line = usize::from(codec == CODECS.len() - 1);
        let ssrc = (*sources.get(line)?)?;
        let kind = *kinds.get(&codec)?;
        Some(Way { kind, ssrc })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use abanico_live::{Bounds, Pool};

    #[test]
    fn an_alert_that_nobody_vouches_for_ends_no_session() {
        // Fatal: handshake failure, close notify; and a fatal one behind another, and behind the head of a handshake.
        let fatal = |description| {
            [
                21,
                0xfe,
                0xfd,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                99,
                0,
                2,
                2,
                description,
            ]
        };
        let (failure, close) = (fatal(40), fatal(0));
        let two = [close, failure].concat();
        let fragment = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 98, 0, 1, 0];
        let behind = [&fragment[..], &failure].concat();
        for side in [Side::Publisher, Side::Viewer] {
            let channel = Channel::new(&Pool::new(Bounds::default()));
            let noise: [&[u8]; 4] = [&failure, &close, &two, &behind];
            let mut session = Session::begin_amid(side, channel, &noise);
            // Nor after the handshake.
            noise.iter().for_each(|bytes| session.take(bytes));
            assert!(session.goes_on(), "{side:?}");
            session.end();
        }
    }

    #[test]
    fn who_is_not_heard_while_the_process_stands_still_stays_and_who_is_silent_after_it_does_not() {
        for side in [Side::Publisher, Side::Viewer] {
            let channel = Channel::new(&Pool::new(Bounds::default()));
            let mut session = Session::begin_amid(side, channel, &[]);
            let runtime = session.hostile.runtime.handle().clone();
            let inside = runtime.enter();
            let woken = Instant::now() + Duration::from_secs(60);
            let driver = &mut session.hostile.driver;
            driver.pass(woken);
            assert!(driver.heard().is_some(), "{side:?}");
            let ended = (0..60)
                .map(|tick| woken + Duration::from_millis(500) * tick)
                .find(|now| {
                    driver.pass(*now);
                    driver.heard().is_none()
                });
            assert!(ended.is_some(), "{side:?}");
            drop(inside);
            session.end();
        }
    }
}
