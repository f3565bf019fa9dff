//! What a viewer of WHEP costs the server, against a loop that only encrypts and sends as many bytes.
//!
//! `cargo run --release -p abanico-rtc --example whep_cost -- [VIEWERS] [SECONDS]`. Both run one after the other, on one thread
//! each, whose time on the processor the kernel tells; the players have threads of their own. The stream has 2.5 Mb/s at
//! 30 pictures a second. With `layers` as a third word it is the best of three layers, among which the server chooses for each viewer;
//! with `lesser` it is the second of three, which they are given after a loss that is over before the measurement begins.

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

/// A frame of 2.5 Mb/s, which is what is measured, and how wide it is.
const MEASURED: (usize, u16) = (10_417, 640);
/// The layers of which it is the best, 600 and 150 kb/s beside it.
const BEST_OF: [(usize, u16); 3] = [MEASURED, (2_500, 320), (625, 160)];
/// The layers of which it is the second: 12 Mb/s and 600 kb/s beside it.
const SECOND_OF: [(usize, u16); 3] = [(50_000, 1_280), MEASURED, (2_500, 320)];
/// For so long a viewer loses most of what comes: the server judges once a second, from the third on.
const LOSES_FOR: Duration = Duration::from_millis(3_200);
const FRAME_EVERY: Duration = Duration::from_micros(33_333);
/// What the viewers are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// The only picture.
    Whole,
    /// The best of the layers.
    Best,
    /// The second of them.
    Lesser,
}

impl Given {
    fn layers(self) -> [(usize, u16); 3] {
        match self {
            Self::Whole | Self::Best => BEST_OF,
            Self::Lesser => SECOND_OF,
        }
    }
}

/// As many bytes of payload as a packet of ours has at most.
const PACKET_BYTES: usize = 1_120;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let viewers = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(40);
    let seconds = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(5);
    let given = match words.get(2).map(String::as_str) {
        Some("layers") => Given::Best,
        Some("lesser") => Given::Lesser,
        _ => Given::Whole,
    };
    let (whep, received) = whep(viewers, seconds, given);
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

/// The channel as the best of three layers, and the channels of all.
fn layers_of(channel: &Channel, layers: [(usize, u16); 3]) -> Vec<Channel> {
    let channels = [channel.clone(), channel.beside(), channel.beside()];
    let layers: Arc<[Layer]> = std::iter::zip(&channels, layers)
        .enumerate()
        .map(|(at, (channel, (bytes, _)))| Layer {
            channel: channel.clone(),
            bits_per_second: bytes as u64 * 8 * 30,
            is_main: at == 0,
        })
        .collect();
    channel.set_layers(layers);
    channels.into()
}

/// The server's thread with so many viewers: what it spent, and the bytes that the players received meanwhile.
fn whep(viewers: usize, seconds: u64, given: Given) -> (Duration, u64) {
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
                let channels = match given {
                    Given::Whole => vec![channel.clone()],
                    Given::Best | Given::Lesser => layers_of(&channel, given.layers()),
                };
                let mut encoders: Vec<_> = channels.iter().map(Channel::encoder).collect();
                for encoder in &mut encoders {
                    encoder.tracks(vec![picture()]).unwrap();
                }
                told.send((endpoint, channel)).unwrap();
                let mut ticks = tokio::time::interval(FRAME_EVERY);
                let (mut begun, mut before) = (None, 0);
                for n in 0_u32.. {
                    ticks.tick().await;
                    let header = Header {
                        track: 0,
                        keyframe: n % 30 == 0,
                        gap: false,
                        sequence: n,
                        duration: 0,
                        timestamp: i64::from(n) * 33_333,
                        captured: 0,
                    };
                    for (encoder, (bytes, width)) in std::iter::zip(&mut encoders, given.layers()) {
                        encoder
                            .push(&header, vp8(n % 30 == 0, width, bytes).into())
                            .unwrap();
                        // Layers come one by one.
                        tokio::task::yield_now().await;
                    }
                    // A while after the last one has come, so that all have caught up; and before any is given more.
                    if begun.is_none() && ready.load(Ordering::Relaxed) == viewers {
                        let settles = if given == Given::Lesser { 45 } else { 90 };
                        begun = Some((n + settles, Duration::ZERO));
                    }
                    if let Some((at, since)) = &mut begun {
                        if n == *at {
                            *since = spent();
                            before = received.load(Ordering::Relaxed);
                        } else if n == *at + u32::try_from(seconds * 30).unwrap() {
                            let spent = spent() - *since;
                            let given = ready.load(Ordering::Relaxed);
                            assert_eq!(given, viewers, "all are given what is measured");
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
            if given == Given::Lesser {
                peer.loses_of_five = 3;
            }
            std::thread::spawn(move || {
                let (mut has_it, mut connected) = (false, None);
                while !over.load(Ordering::Relaxed) {
                    let mut heard = |event: Event| {
                        let Event::MediaData(data) = event else {
                            return;
                        };
                        connected.get_or_insert_with(Instant::now);
                        received.fetch_add(data.data.len() as u64, Ordering::Relaxed);
                        let width = u16::from_le_bytes([data.data[10], data.data[11]]);
                        let is_measured = width == MEASURED.1;
                        if is_measured && !has_it {
                            ready.fetch_add(1, Ordering::Relaxed);
                        } else if has_it && !is_measured {
                            ready.fetch_sub(1, Ordering::Relaxed);
                        }
                        has_it = is_measured;
                    };
                    peer.run(Instant::now() + Duration::from_millis(100), &mut heard);
                    if connected.is_some_and(|at| at.elapsed() > LOSES_FOR) {
                        peer.loses_of_five = 0;
                    }
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
    let frame = vp8(false, 640, MEASURED.0);
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
