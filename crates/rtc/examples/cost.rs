//! What a viewer of WHEP costs the server, against a loop that only encrypts and sends as many bytes.
//!
//! `cargo run --release -p abanico-rtc --example cost -- [VIEWERS] [SECONDS]`. Both run one after the other, on one thread
//! each, whose time on the processor the kernel tells; the players have threads of their own. The stream has 2.5 Mb/s at
//! 30 pictures a second. With `layers` as a third word it is the best of three layers, among which the server chooses for each viewer.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a program for people"
)]

#[path = "../tests/it/peer.rs"]
#[expect(dead_code, reason = "the tests do more with it")]
mod peer;

use abanico_live::native::Header;
use abanico_live::{Bounds, Channel, Format, Layer, Pool};
use abanico_media::frame::{Codec, Track, TrackKind};
use abanico_rtc::{Config, Endpoint, Side};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use peer::{Peer, vp8};
use quinn_udp::{Transmit, UdpSocketState};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use str0m::Event;
use str0m::media::Direction;

const FRAME_BYTES: usize = 10_417;
const FRAME_EVERY: Duration = Duration::from_micros(33_333);
/// As many bytes of payload as a packet of ours has at most.
const PACKET_BYTES: usize = 1_120;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let viewers = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(40);
    let seconds = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(5);
    let layers = words.get(2).is_some_and(|word| word == "layers");
    let (whep, received) = whep(viewers, seconds, layers);
    let bare = bare(viewers, seconds);
    #[expect(clippy::cast_precision_loss, reason = "few viewers for few seconds")]
    let (lived, bits) = ((viewers as u64 * seconds) as f64, received as f64 * 8.0);
    let of_one = |spent: Duration| spent.as_secs_f64() * 100.0 / lived;
    let rate = bits / 1e6 / lived;
    println!("{viewers} viewers, {seconds} s, {rate:.2} Mb/s each arrived");
    println!("WHEP           {:.3} % of a core per viewer", of_one(whep));
    println!("encrypt, send  {:.3} % of a core per viewer", of_one(bare));
    println!(
        "ratio          {:.2}",
        whep.as_secs_f64() / bare.as_secs_f64()
    );
}

/// What this thread has had of the processor.
fn spent() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// The channel as the best of three layers.
fn layers_of(channel: &Channel) -> Arc<[Layer]> {
    let layer = |bits_per_second, is_main| Layer {
        channel: if is_main {
            channel.clone()
        } else {
            channel.beside()
        },
        bits_per_second,
        is_main,
    };
    [
        layer(150_000, false),
        layer(600_000, false),
        layer(2_500_000, true),
    ]
    .into()
}

/// The server's thread with so many viewers: what it spent, and the bytes that the players received meanwhile.
fn whep(viewers: usize, seconds: u64, layers: bool) -> (Duration, u64) {
    let (told, endpoint) = mpsc::channel();
    let ready = Arc::new(AtomicUsize::new(0));
    let received = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let server = {
        let (ready, received, over) =
            (Arc::clone(&ready), Arc::clone(&received), Arc::clone(&over));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                let config = Config {
                    sessions_max: viewers + 1,
                    candidates: vec![socket.local_addr().unwrap()],
                    tcp_candidates: Vec::new(),
                };
                let endpoint = Endpoint::open(socket, config).unwrap();
                let channel = Channel::new(&Pool::new(Bounds::default()));
                if layers {
                    channel.set_layers(layers_of(&channel));
                }
                told.send((endpoint, channel.clone())).unwrap();
                let mut encoder = channel.encoder();
                encoder.tracks(vec![picture()]).unwrap();
                let mut ticks = tokio::time::interval(FRAME_EVERY);
                let (mut begun, mut before) = (None, 0);
                for n in 0_u32.. {
                    ticks.tick().await;
                    let header = Header {
                        track: 0,
                        keyframe: n % 60 == 0,
                        gap: false,
                        sequence: n,
                        duration: 0,
                        timestamp: i64::from(n) * 33_333,
                        captured: 0,
                    };
                    encoder
                        .push(&header, vp8(n % 60 == 0, 640, FRAME_BYTES).into())
                        .unwrap();
                    // A while after the last one has come, so that all have caught up.
                    if begun.is_none() && ready.load(Ordering::Relaxed) == viewers {
                        begun = Some((n + 90, Duration::ZERO));
                    }
                    if let Some((at, since)) = &mut begun {
                        if n == *at {
                            *since = spent();
                            before = received.load(Ordering::Relaxed);
                        } else if n == *at + u32::try_from(seconds * 30).unwrap() {
                            let spent = spent() - *since;
                            over.store(true, Ordering::Relaxed);
                            return (spent, received.load(Ordering::Relaxed) - before);
                        }
                    }
                }
                unreachable!("it returns when the time is over")
            })
        })
    };
    let (endpoint, channel) = endpoint.recv().unwrap();
    let players: Vec<_> = (0..viewers)
        .map(|_| {
            let (mut peer, offer) = Peer::new(Direction::RecvOnly, &[]);
            let negotiated = endpoint.answer(&offer, Side::Viewer).unwrap();
            let watching = channel.watch(Format::Rtp).unwrap();
            let accepted = endpoint.watch(negotiated, "demo", watching, ());
            peer.answered(&accepted.answer);
            let (ready, received, over) =
                (Arc::clone(&ready), Arc::clone(&received), Arc::clone(&over));
            std::thread::spawn(move || {
                let mut heard = |event: Event| match event {
                    Event::Connected => {
                        ready.fetch_add(1, Ordering::Relaxed);
                    }
                    Event::MediaData(data) => {
                        received.fetch_add(data.data.len() as u64, Ordering::Relaxed);
                    }
                    _ => {}
                };
                while !over.load(Ordering::Relaxed) {
                    peer.run(Instant::now() + Duration::from_millis(100), &mut heard);
                }
            })
        })
        .collect();
    let spent = server.join().unwrap();
    for player in players {
        player.join().unwrap();
    }
    spent
}

/// A loop that encrypts as many packets for as many peers, and sends them in batches.
fn bare(viewers: usize, seconds: u64) -> Duration {
    let over = Arc::new(AtomicBool::new(false));
    let mut addresses = Vec::new();
    let mut sinks = Vec::new();
    for _ in 0..viewers {
        let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        addresses.push(sink.local_addr().unwrap());
        sink.set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let over = Arc::clone(&over);
        sinks.push(std::thread::spawn(move || {
            let mut buffer = [0; 2000];
            while !over.load(Ordering::Relaxed) {
                let _ = sink.recv(&mut buffer);
            }
        }));
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let state = UdpSocketState::new((&socket).into()).unwrap();
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).unwrap());
    let frame = vp8(false, 640, FRAME_BYTES);
    let sends = std::thread::spawn(move || {
        let (begun, since) = (Instant::now(), spent());
        let mut out = Vec::new();
        let mut nonce = 0_u64;
        for n in 0..u32::try_from(seconds * 30).unwrap() {
            std::thread::sleep((begun + FRAME_EVERY * n).saturating_duration_since(Instant::now()));
            for address in &addresses {
                out.clear();
                for packet in frame.chunks(PACKET_BYTES) {
                    let from = out.len();
                    out.extend_from_slice(&[0x80; 24]);
                    out.extend_from_slice(packet);
                    nonce += 1;
                    let mut iv = [0; 12];
                    iv[..8].copy_from_slice(&nonce.to_be_bytes());
                    let (head, body) = out[from..].split_at_mut(24);
                    let nonce = Nonce::assume_unique_for_key(iv);
                    let tag = key
                        .seal_in_place_separate_tag(nonce, Aad::from(&*head), body)
                        .unwrap();
                    out.extend_from_slice(tag.as_ref());
                }
                let transmit = Transmit {
                    destination: *address,
                    ecn: None,
                    contents: &out,
                    segment_size: Some(PACKET_BYTES + 24 + 16),
                    src_ip: None,
                };
                state.try_send((&socket).into(), &transmit).unwrap();
            }
        }
        spent() - since
    });
    let spent = sends.join().unwrap();
    over.store(true, Ordering::Relaxed);
    for sink in sinks {
        sink.join().unwrap();
    }
    spent
}

fn picture() -> Track {
    Track::new(0, Codec::Vp8, TrackKind::UNSIZED_VIDEO)
}
