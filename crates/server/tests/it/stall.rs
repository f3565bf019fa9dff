//! Who reads little is a slow viewer, who reads nothing is none.
//!
//! A slow reader's pace is its behaviour; nothing here is judged by the clock. The slow ones have less room than one large
//! packet of the sender's, which it cuts into segments.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::material::picture;
use crate::node::{Node, PATIENCE};
use crate::secure::{Authority, Peer};
use crate::socket::{frame, upgrade};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Small, so that several of them pass within a test, and that little is ahead of what is skipped.
const FLAGS: &[&str] = &[
    "--stall-timeout",
    "3s",
    "--unsent-bytes-max",
    "32KiB",
    "--unacknowledged-bytes-max",
    "64KiB",
    "--lag-max",
    "500ms",
    // A ping comes to a slow reader behind all that waits for it, after more than its time.
    "--ping-interval",
    "1s",
    "--ping-timeout",
    "2s",
];

/// As it stands there.
const STALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a slow reader begins that could not read because the machine did not let it.
const TRIES_MAX: usize = 5;

/// What a slow reader takes in ten seconds, which is three times the time-out and more.
const SLOW_BYTES: usize = 200_000;
/// It is told of skipped frames after what the system holds for it, which is at most so much.
const TOLD_BYTES_MAX: usize = 600_000;

/// Pictures of 20 kB, twenty a second, until it is dropped.
struct Publisher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    fn start(node: &Node) -> Self {
        let mut stream = node.connect();
        let head = "PUT /live/slow HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
            Content-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let picture = picture(20_000);
        let mut part = format!(
            "--b\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
            picture.len()
        )
        .into_bytes();
        part.extend(picture);
        part.extend(b"\r\n");
        let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
        chunk.extend(part);
        chunk.extend(b"\r\n");
        stream.write_all(&chunk).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) && stream.write_all(&chunk).is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let begun = Instant::now();
        while node.json("/health")["activeStreams"] != 1 {
            assert!(begun.elapsed() < PATIENCE, "the stream does not begin");
        }
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// How the server is reached.
struct Way<'a> {
    node: &'a Node,
    /// Over HTTPS, with a certificate of this authority.
    authority: Option<&'a Authority>,
}

/// A connection with next to no room of its own.
fn narrow(way: &Way<'_>) -> Box<dyn Peer> {
    let address = match way.authority {
        Some(_) => way.node.tls.unwrap(),
        None => way.node.address,
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    // Segments as on a network. To a window below one of the loopback's the system sends at the moments of its probes alone,
    // and those become rare.
    socket.set_tcp_mss(1448).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match way.authority {
        Some(authority) => Box::new(authority.secure(stream, "localhost").unwrap()),
        None => Box::new(stream),
    }
}

fn upgraded(stream: &mut dyn Peer, path: &str, protocol: &str) {
    let answer = upgrade(stream, path, protocol);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
}

fn say(stream: &mut dyn Peer, text: &str) {
    stream.write_all(&frame(0x81, text.as_bytes())).unwrap();
}

fn native(way: &Way<'_>) -> Box<dyn Peer> {
    let mut stream = narrow(way);
    let protocol = "Sec-WebSocket-Protocol: abanico.watch.v1\r\n";
    upgraded(&mut *stream, "/live/slow", protocol);
    say(&mut *stream, r#"{"type":"watch"}"#);
    stream
}

fn socketio(way: &Way<'_>) -> Box<dyn Peer> {
    let mut stream = narrow(way);
    upgraded(&mut *stream, "/socket.io/?EIO=4&transport=websocket", "");
    say(&mut *stream, "40");
    say(
        &mut *stream,
        r#"42["user:register",{"username":"slow","role":"VIEWER"}]"#,
    );
    say(&mut *stream, r#"42["stream:join",{"streamKey":"slow"}]"#);
    stream
}

fn body(way: &Way<'_>) -> Box<dyn Peer> {
    let mut stream = narrow(way);
    let request = "GET /live/slow.mjpeg HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Comes in at a door.
type Door = fn(&Way<'_>) -> Box<dyn Peer>;

/// How a door's ping looks, and what a client answers.
type Ping = (&'static [u8], &'static [u8]);

const NATIVE_PING: Ping = (b"\x89\0", b"\x8a\x80\0\0\0\0");
/// How it is said that frames were skipped.
const NATIVE_TOLD: &str = r#"{"type":"skipped","#;
const SOCKETIO_TOLD: &str = r#"42["stream:skipped",{"#;
const SOCKETIO_PING: Ping = (b"\x81\x012", b"\x81\x81\0\0\0\x003");

/// Nobody waits for who has failed.
struct OneForAll<'a>(&'a AtomicIsize);

impl Drop for OneForAll<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(0, Ordering::Relaxed);
        }
    }
}

/// Reads 20 kB a second, so much in all and until it is told what it waits for and nobody is behind, and answers pings
/// when it comes to them. `None` if its connection has ended while it was not let run itself and read nothing.
fn read_slowly(
    stream: &mut dyn Peer,
    words: Option<(Ping, &str)>,
    behind: &AtomicIsize,
) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    // Only what is new is looked at, and as much before it as may be half of a word.
    let mut seen = 0_usize;
    let (mut is_told, mut is_behind) = (words.is_none(), true);
    let mut read_at = Instant::now();
    let mut longest = Duration::ZERO;
    // Who would stop now would be one that reads nothing.
    while behind.load(Ordering::Relaxed) > 0 {
        if is_behind && read.len() >= SLOW_BYTES && (read.len() >= TOLD_BYTES_MAX || is_told) {
            is_behind = false;
            behind.fetch_sub(1, Ordering::Relaxed);
        }
        longest = longest.max(read_at.elapsed());
        let mut some = [0; 1000];
        // Whoever is stopped while it waits with a time-out is interrupted when it goes on, which is no end.
        let taken = loop {
            match stream.read(&mut some) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                taken => break taken,
            }
        };
        let count = taken.as_ref().map_or(0, |count| *count);
        read_at = Instant::now();
        if count == 0 {
            assert!(
                longest > STALL_TIMEOUT / 2,
                "a slow viewer's connection lasts; it paused for {longest:?} at most: {taken:?}"
            );
            if !is_behind {
                behind.fetch_add(1, Ordering::Relaxed);
            }
            return None;
        }
        read.extend(&some[..count]);
        if let Some(((ping, pong), told)) = words {
            let from = |word: usize| seen.saturating_sub(word - 1);
            is_told |= has(&read[from(told.len())..], told);
            let pings = read[from(ping.len())..].windows(ping.len());
            for _ in pings.filter(|window| *window == ping) {
                stream.write_all(pong).unwrap();
            }
            seen = read.len();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(read)
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn who_reads_little_goes_down_the_ladder_and_stays_and_who_reads_nothing_is_closed() {
    let authority = Authority::new();
    let node = authority.start(FLAGS);
    let publisher = Publisher::start(&node);
    let ways = [None, Some(&authority)].map(|authority| Way {
        node: &node,
        authority,
    });
    // They are told that it takes them, and then take nothing.
    let mut silent: Vec<_> = ways
        .iter()
        .flat_map(|way| [native(way), socketio(way), body(way)])
        .collect();
    for stream in &mut silent {
        stream.read_exact(&mut [0; 16]).unwrap();
    }
    // Until they are closed they are listed as what they are.
    let begun = Instant::now();
    loop {
        let listed = node.json("/streams/slow/viewers");
        let viewers = listed["viewers"].as_array().unwrap();
        let still = |viewer: &serde_json::Value| {
            viewer["stalledSeconds"].as_u64() >= Some(1) && viewer["behind"].as_u64() >= Some(1)
        };
        if viewers.iter().filter(|viewer| still(viewer)).count() == silent.len() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "they look healthy: {listed:#}");
    }
    let doors: [(Door, _); 3] = [
        (native, Some((NATIVE_PING, NATIVE_TOLD))),
        (socketio, Some((SOCKETIO_PING, SOCKETIO_TOLD))),
        (body, None),
    ];
    // The last of all is whoever waits for the silent ones to be closed.
    let behind = AtomicIsize::new(7);
    std::thread::scope(|scope| {
        for way in &ways {
            for (door, words) in doors {
                let behind = &behind;
                scope.spawn(move || {
                    let _all = OneForAll(behind);
                    let read = (0..TRIES_MAX).find_map(|_| {
                        let mut stream = door(way);
                        read_slowly(&mut *stream, words, behind)
                    });
                    let read = read.expect("the machine lets nobody read");
                    let told = words.map_or("HTTP/1.1 200", |(_, told)| told);
                    let is_secure = way.authority.is_some();
                    assert!(has(&read, told), "{told} is not read, TLS: {is_secure}");
                });
            }
        }
        let _all = OneForAll(&behind);
        while behind.load(Ordering::Relaxed) > 1 {
            std::thread::sleep(Duration::from_millis(20));
        }
        let begun = Instant::now();
        while node.json("/health")["distribution"]["totalViewers"] != 6 {
            assert!(begun.elapsed() < PATIENCE, "the silent ones stay");
            std::thread::sleep(Duration::from_millis(20));
        }
        behind.fetch_sub(1, Ordering::Relaxed);
    });
    for stream in &mut silent {
        // What had come before may be read still; then there is no more.
        while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
    }
    drop(publisher);
}
