//! A WebRTC peer of the tests: str0m's own client on a socket of its own, driven by whoever holds it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{
    Direction, Frequency, MediaKind, MediaTime, Mid, Rid, Simulcast, SimulcastLayer,
};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    picture: Mid,
    sound: Mid,
    buffer: Vec<u8>,
    /// So many of five packets of media do not reach it.
    pub(crate) loses_of_five: u64,
    packets: u64,
}

impl Peer {
    /// A peer that goes that way, and its offer. With names of layers its picture is simulcast.
    pub(crate) fn new(direction: Direction, layers: &[&str]) -> (Self, String) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let mut rtc = RtcConfig::new()
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut api = rtc.sdp_api();
        let simulcast = (!layers.is_empty()).then(|| {
            let mut simulcast = Simulcast::new();
            for layer in layers {
                simulcast.add_send_layer(SimulcastLayer::new(layer));
            }
            simulcast
        });
        let picture = api.add_media(MediaKind::Video, direction, None, None, simulcast);
        let sound = api.add_media(MediaKind::Audio, direction, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        let peer = Self {
            rtc,
            socket,
            address,
            pending: Some(pending),
            picture,
            sound,
            buffer: vec![0; 2000],
            loses_of_five: 0,
            packets: 0,
        };
        (peer, offer.to_sdp_string())
    }

    pub(crate) fn answered(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        let pending = self.pending.take().unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
    }

    /// The same, and the server is found at that address alone.
    pub(crate) fn answered_by_way_of(&mut self, answer: &str, address: SocketAddr) {
        let is_other = |line: &&str| {
            line.starts_with("a=candidate:") && !line.contains(&format!(" {} ", address.port()))
        };
        let lines: Vec<&str> = answer.lines().filter(|line| !is_other(line)).collect();
        self.answered(&(lines.join("\r\n") + "\r\n"));
    }

    /// Sends a frame of the picture.
    pub(crate) fn send_picture(
        &mut self,
        layer: Option<&str>,
        at: Duration,
        data: &[u8],
        heard: &mut impl FnMut(Event),
    ) {
        self.send(self.picture, layer, at, Frequency::NINETY_KHZ, data);
        self.turn(heard);
    }

    /// Sends a packet of sound.
    pub(crate) fn send_sound(&mut self, at: Duration, data: &[u8], heard: &mut impl FnMut(Event)) {
        self.send(self.sound, None, at, Frequency::FORTY_EIGHT_KHZ, data);
        self.turn(heard);
    }

    fn send(&mut self, mid: Mid, layer: Option<&str>, at: Duration, rate: Frequency, data: &[u8]) {
        let mut writer = self.rtc.writer(mid).unwrap();
        let payload = writer.payload_params().next().unwrap().pt();
        if let Some(layer) = layer {
            writer = writer.rid(Rid::from(layer));
        }
        let ticks = at.as_micros() as u64 * u64::from(rate.get()) / 1_000_000;
        writer
            .write(payload, Instant::now(), MediaTime::new(ticks, rate), data)
            .unwrap();
        self.rtc
            .handle_input(Input::Timeout(Instant::now()))
            .unwrap();
    }

    /// Asks for a keyframe.
    pub(crate) fn want_keyframe(&mut self) {
        let mut writer = self.rtc.writer(self.picture).unwrap();
        writer
            .request_keyframe(None, str0m::media::KeyframeRequestKind::Pli)
            .unwrap();
    }

    /// Hears and answers until then, or until it has heard enough.
    pub(crate) fn run(&mut self, until: Instant, heard: &mut impl FnMut(Event)) {
        while Instant::now() < until && self.rtc.is_alive() {
            let next = self.turn(heard).min(until);
            let wait = next.saturating_duration_since(Instant::now());
            self.socket
                .set_read_timeout(Some(wait.max(Duration::from_micros(200))))
                .unwrap();
            if let Ok((length, source)) = self.socket.recv_from(&mut self.buffer)
                && !self.is_lost(length)
            {
                let receive = Receive {
                    proto: Protocol::Udp,
                    source,
                    destination: self.address,
                    contents: self.buffer[..length].try_into().unwrap(),
                };
                self.rtc
                    .handle_input(Input::Receive(Instant::now(), receive))
                    .unwrap();
            }
            self.rtc
                .handle_input(Input::Timeout(Instant::now()))
                .unwrap();
        }
    }

    fn is_lost(&mut self, length: usize) -> bool {
        let is_media =
            matches!(self.buffer[..length], [128..=255, kind, ..] if !(192..224).contains(&kind));
        self.packets += u64::from(is_media);
        is_media && self.packets % 5 < self.loses_of_five
    }

    /// Says all that there is to say. Returns when there may be more.
    fn turn(&mut self, heard: &mut impl FnMut(Event)) -> Instant {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => return at,
                Output::Transmit(transmit) => {
                    // What the system has no room for is lost.
                    let _ = self
                        .socket
                        .send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(event) => heard(event),
            }
        }
    }
}

/// A frame of VP8 as far as anybody here looks: of that size, in a picture so wide.
pub(crate) fn vp8(keyframe: bool, width: u16, bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x55; bytes.max(16)];
    frame[0] = 0x10 | u8::from(!keyframe);
    if keyframe {
        let height = width * 3 / 4;
        frame[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
        frame[6..8].copy_from_slice(&width.to_le_bytes());
        frame[8..10].copy_from_slice(&height.to_le_bytes());
    }
    // Who is given a delta frame can tell which picture it belongs to.
    frame[10..12].copy_from_slice(&width.to_le_bytes());
    frame
}
