//! An endpoint, a stream and whoever publishes it.

use crate::peer::{Peer, vp8};
use abanico_live::native::Header;
use abanico_live::{Bounds, Channel, Encoder, Format, Pool};
use abanico_media::frame::{Codec, Track, TrackKind};
use abanico_rtc::{Config, Endpoint, Publishing, Side};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use str0m::Event;
use str0m::media::Direction;

/// What a test waits for at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct House {
    pub(crate) endpoint: Endpoint,
    pub(crate) channel: Channel,
    pub(crate) address: SocketAddr,
}

impl House {
    /// An endpoint that peers are told to find where `told` says, given where it is.
    pub(crate) fn open(told: impl FnOnce(SocketAddr) -> SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let config = Config {
            sessions_max: 100,
            candidates: vec![address, told(address)],
            tcp_candidates: Vec::new(),
        };
        Self {
            endpoint: Endpoint::open(socket, config).unwrap(),
            channel: Channel::new(&Pool::new(Bounds::default())),
            address,
        }
    }

    /// A viewer whose offer was answered, and who finds the endpoint at that address.
    pub(crate) fn watch(&self, address: SocketAddr) -> Peer {
        self.watch_openly(address).0
    }

    /// The same, with its offer and the answer.
    pub(crate) fn watch_openly(&self, address: SocketAddr) -> (Peer, String, String) {
        let (mut peer, offer) = Peer::new(Direction::RecvOnly, &[]);
        let negotiated = self.endpoint.answer(&offer, Side::Viewer).unwrap();
        let watching = self.channel.watch(Format::Rtp).unwrap();
        let accepted = self.endpoint.watch(negotiated, "demo", watching, ());
        peer.answered_by_way_of(&accepted.answer, address);
        (peer, offer, accepted.answer)
    }

    /// A publisher inside, of a picture in VP8.
    pub(crate) fn encoder(&self) -> Encoder {
        let mut encoder = self.channel.encoder();
        let picture = Track::new(0, Codec::Vp8, TrackKind::UNSIZED_VIDEO);
        encoder.tracks(vec![picture]).unwrap();
        encoder
    }

    /// A publisher whose offer was answered.
    pub(crate) fn publish(&self, layers: &[&str]) -> (Peer, Publishing) {
        let (mut peer, offer) = Peer::new(Direction::SendOnly, layers);
        let negotiated = self.endpoint.answer(&offer, Side::Publisher).unwrap();
        let (accepted, publishing) = self.endpoint.publish(negotiated, "demo", &self.channel);
        peer.answered_by_way_of(&accepted.answer, self.address);
        (peer, publishing)
    }
}

/// Pushes one frame of so many bytes: the nth, so long after the one before it. The first is a keyframe.
pub(crate) fn push(encoder: &mut Encoder, n: u32, every: Duration, bytes: usize) {
    let header = Header {
        track: 0,
        keyframe: n == 0,
        gap: false,
        sequence: n,
        duration: 0,
        timestamp: i64::try_from((every * n).as_micros()).unwrap(),
        captured: 0,
    };
    encoder
        .push(&header, vp8(n == 0, 160, bytes).into())
        .unwrap();
}

/// A layer that a publisher sends: its name, how wide it is, and the bytes of a frame.
pub(crate) type Layer = (&'static str, u16, usize);

/// Publishes layers at 30 frames a second and sound at 50 packets a second, until it is dropped. It makes keyframes when
/// it is asked.
pub(crate) struct Camera {
    over: Arc<AtomicBool>,
    films: Option<JoinHandle<()>>,
}

impl Camera {
    pub(crate) fn new(mut peer: Peer, layers: &'static [Layer]) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let films = std::thread::spawn(move || film(&mut peer, layers, &ended));
        Self {
            over,
            films: Some(films),
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.films.take().map(JoinHandle::join);
    }
}

fn film(peer: &mut Peer, layers: &[Layer], over: &AtomicBool) {
    let mut connected = false;
    let until = Instant::now() + PATIENCE;
    while !connected && Instant::now() < until {
        peer.run(Instant::now() + Duration::from_millis(5), &mut |event| {
            connected |= matches!(event, Event::Connected);
        });
    }
    let begun = Instant::now();
    let mut wanted: Vec<&str> = layers.iter().map(|(name, ..)| *name).collect();
    // Every 20 ms sound, every 40 ms a picture.
    for tick in 0_u32.. {
        if over.load(Ordering::Relaxed) || !peer.rtc.is_alive() {
            return;
        }
        let at = Duration::from_millis(20) * tick;
        let mut asked = Vec::new();
        let mut heard = |event: Event| {
            if let Event::KeyframeRequest(request) = event {
                asked.push(request.rid.map(|rid| rid.to_string()));
            }
        };
        peer.run(begun + at, &mut heard);
        peer.send_sound(at, &[0xfc, 0xff, 0xfe], &mut heard);
        if tick % 2 == 0 {
            for (name, width, bytes) in layers {
                let keyframe = wanted.contains(name);
                let frame = vp8(keyframe, *width, if keyframe { bytes * 3 } else { *bytes });
                let layer = (layers.len() > 1).then_some(*name);
                peer.send_picture(layer, at, &frame, &mut heard);
            }
            wanted.clear();
        }
        for asked in asked {
            let all = layers.iter().map(|(name, ..)| *name);
            wanted.extend(all.filter(|name| asked.as_deref().is_none_or(|asked| asked == *name)));
        }
    }
}
