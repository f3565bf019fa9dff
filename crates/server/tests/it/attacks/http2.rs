//! What one connection of HTTP/2 takes of the server, and one address over many: heads, bodies and answers that nobody
//! finishes. The client is frames as they are, because no client that behaves would do it.

use super::{COUNTED, connect_from};
use crate::answer::Answer;
use crate::node::{Node, PATIENCE};
use crate::secure::{Authority, Secured, client, shake, tcp};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::time::Instant;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

const END: u8 = 1;
const ACK: u8 = 1;
const END_OF_HEADERS: u8 = 4;

const STREAMS_MAX: u16 = 3;
const WINDOW: u16 = 4;

/// `:status: 200` and `:status: 404`, as the table of HPACK has them.
const OK: u8 = 0x88;
const NOT_FOUND: u8 = 0x8d;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A client that leaves its own window as wide as it was told.
struct Http2(Secured);

impl Http2 {
    /// Connects. Each answer may send so much before more is asked for.
    fn connect(authority: &Authority, node: &Node, window: u32) -> Self {
        let config = authority.client(&["h2"]);
        Self::over(shake(config, tcp(node), "localhost").unwrap(), window)
    }

    fn over(mut secured: Secured, window: u32) -> Self {
        secured
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .unwrap();
        let mut connected = Self(secured);
        let settings = [&WINDOW.to_be_bytes()[..], &window.to_be_bytes()].concat();
        connected.say(SETTINGS, 0, 0, &settings);
        // All answers together have room.
        connected.widen(0, WIDE);
        connected
    }

    fn say(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).unwrap();
    }

    /// Asks for something. Headers are names and values shorter than 127 bytes.
    fn ask(&mut self, stream: u32, method: &str, path: &str, headers: &[(&str, &str)], flags: u8) {
        let mut block = Vec::new();
        let usual = [
            (":method", method),
            (":scheme", "https"),
            (":path", path),
            (":authority", "localhost"),
        ];
        for (name, value) in usual.iter().chain(headers) {
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).unwrap());
                block.extend(text.as_bytes());
            }
        }
        self.say(HEADERS, END_OF_HEADERS | flags, stream, &block);
    }

    fn get(&mut self, stream: u32, path: &str) {
        self.ask(stream, "GET", path, &[], END);
    }

    /// Has an answer send more.
    fn widen(&mut self, stream: u32, bytes: u32) {
        self.say(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    }

    /// The next frame that is about an answer, or the settings. Pings are answered.
    fn hear(&mut self) -> std::io::Result<Frame> {
        loop {
            let frame = self.next()?;
            match frame.kind {
                PING if frame.flags & ACK == 0 => self.say(PING, ACK, 0, &frame.payload),
                PING | WINDOW_UPDATE => {}
                _ => return Ok(frame),
            }
        }
    }

    /// The next frame, whatever it is about.
    fn next(&mut self) -> std::io::Result<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head)?;
        let [_, a, b, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([a, b]))];
        self.0.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes(stream);
        Ok(Frame {
            kind,
            flags,
            stream,
            payload,
        })
    }

    /// What the answer of a stream begins with.
    fn status(&mut self, stream: u32) -> u8 {
        loop {
            let frame = self.hear().unwrap();
            if frame.kind == HEADERS && frame.stream == stream {
                return frame.payload[0];
            }
        }
    }

    /// What the answer of a stream says, to its end.
    fn text(&mut self, stream: u32) -> String {
        let mut text = Vec::new();
        loop {
            let frame = self.hear().unwrap();
            assert!(frame.kind != RESET || frame.stream != stream, "it is reset");
            if frame.kind == DATA && frame.stream == stream {
                text.extend(frame.payload);
                if frame.flags & END != 0 {
                    return String::from_utf8(text).unwrap();
                }
            }
        }
    }
}

/// Any window that these answers fit in.
const WIDE: u32 = 1 << 20;

#[test]
fn nobody_reads_on_for_a_session_that_there_is_not() {
    let authority = Authority::new();
    let node = authority.start(&[]);
    let fragment = ("content-type", "application/trickle-ice-sdpfrag");
    let mut held = Http2::connect(&authority, &node, WIDE);
    // A body that does not come.
    held.ask(1, "PATCH", "/whep/x/abc", &[fragment], 0);
    assert_eq!(held.status(1), NOT_FOUND);
    let mut plain = node.connect();
    let head = "PATCH /whip/x/abc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65000\r\n\
        Content-Type: application/trickle-ice-sdpfrag\r\n\r\n";
    plain.write_all(head.as_bytes()).unwrap();
    let mut begun = [0; 12];
    plain.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 404");
}

#[test]
fn nobody_reads_on_for_a_code_when_there_is_none() {
    let lan = [
        "--lan",
        "--tls-listen",
        "127.0.0.1:0",
        "--publishing",
        "open",
    ];
    let node = Node::start_with(&lan);
    let root = node.get("/trust/abanico-ca.crt").body.into();
    let secured = shake(client(root, &["h2"]), tcp(&node), "localhost").unwrap();
    let mut held = Http2::over(secured, WIDE);
    held.ask(1, "POST", "/trust/pair", &[], 0);
    assert!(held.text(1).starts_with("this code has run out"));
}

#[test]
fn one_address_has_so_many_requests_open_and_others_have_theirs() {
    let authority = Authority::new();
    let node = authority.start(&[&["--requests-per-address-max", "3"], &COUNTED[..]].concat());
    let mut held = Http2::connect(&authority, &node, 0);
    for stream in [1, 3, 5] {
        held.get(stream, "/health");
        assert_eq!(held.status(stream), OK);
    }
    held.get(7, "/health");
    assert_ne!(held.status(7), OK);
    held.widen(7, WIDE);
    let refused = held.text(7);
    assert!(refused.contains("(requests-per-address-max)"), "{refused}");
    // Over whatever they come.
    let head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut same = node.connect();
    same.write_all(head).unwrap();
    let refused = Answer::read(&mut same);
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    let mut other = connect_from(&node, "127.0.0.2");
    other.write_all(head).unwrap();
    assert_eq!(Answer::read(&mut other).status, 200);
    // Who takes its answer leaves its place.
    held.widen(1, WIDE);
    assert!(held.text(1).contains("\"status\":\"ok\""));
    let since = Instant::now();
    while node.get("/health").status != 200 {
        assert!(since.elapsed() < PATIENCE, "an answer leaves no place");
    }
}

#[test]
fn one_connection_sends_so_much_of_bodies_that_nobody_reads_yet() {
    let authority = Authority::new();
    let node = authority.start(&[]);
    let mut connected = Http2::connect(&authority, &node, WIDE);
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    // Both begin with 65,535 bytes, and are said anew with the settings or right behind them.
    let (mut of_one, mut of_all) = (None, None);
    while of_one.is_none() || of_all.is_none() {
        let frame = connected.next().unwrap();
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            let window = frame.payload.chunks_exact(6);
            let mut window = window.filter(|one| one[..2] == WINDOW.to_be_bytes());
            of_one = window.next().map(|one| number(&one[2..]));
        } else if frame.kind == WINDOW_UPDATE && frame.stream == 0 {
            of_all = Some(65_535 + number(&frame.payload));
        }
    }
    assert_eq!((of_one, of_all), (Some(128 << 10), Some(256 << 10)));
}

#[test]
fn one_connection_has_so_many_requests_and_each_so_many_headers() {
    let authority = Authority::new();
    let node = authority.start(&[]);
    let mut asked = Http2::connect(&authority, &node, WIDE);
    let settings = loop {
        let frame = asked.hear().unwrap();
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            break frame.payload;
        }
    };
    let settings: HashMap<_, _> = settings
        .chunks_exact(6)
        .map(|one| (u16::from_be_bytes([one[0], one[1]]), one[5]))
        .collect();
    assert_eq!(settings[&STREAMS_MAX], 32);
    // The host is a header, too.
    asked.ask(1, "GET", "/health", &[("a", ""); 99], END);
    assert_eq!(asked.status(1), OK);
    asked.ask(3, "GET", "/health", &[("a", ""); 100], END);
    assert_eq!(asked.text(3), "a request has at most 100 headers\n");
}

#[test]
fn when_memory_runs_out_a_connection_ends_on_which_much_is_asked_and_another_stays() {
    let authority = Authority::new();
    // There is never any left.
    let node = authority.start(&["--memory-max", "1MiB"]);
    let mut modest = Http2::connect(&authority, &node, 0);
    modest.get(1, "/health");
    let mut greedy = Http2::connect(&authority, &node, 0);
    for stream in 0..9 {
        greedy.get(2 * stream + 1, "/health");
    }
    while greedy.hear().is_ok() {}
    assert_eq!(modest.status(1), OK);
    modest.widen(1, WIDE);
    assert!(modest.text(1).contains("\"status\":\"ok\""));
}

#[test]
fn an_answer_that_nobody_takes_is_reset_and_one_that_is_taken_slowly_is_not() {
    let authority = Authority::new();
    let node = authority.start(&["--stall-timeout", "1s"]);
    let script = "/socket.io/socket.io.js";
    let whole = node.get(script).text().len();
    let mut held = Http2::connect(&authority, &node, 0);
    for stream in [1, 3, 5] {
        held.get(stream, script);
    }
    // Of one nothing is taken, of one the first byte, and of one a byte at a time.
    held.widen(3, 1);
    held.widen(5, 1);
    let (mut reset, mut taken) = (Vec::new(), 0);
    while taken < whole {
        let frame = held.hear().unwrap();
        match (frame.kind, frame.stream) {
            (RESET, stream) => reset.push(stream),
            (DATA, 5) => {
                taken += frame.payload.len();
                held.widen(5, if reset.len() < 2 { 1 } else { WIDE });
            }
            _ => {}
        }
    }
    reset.sort_unstable();
    assert_eq!(reset, [1, 3]);
    // The connection goes on.
    held.get(7, "/health");
    held.widen(7, WIDE);
    assert!(held.text(7).contains("\"status\":\"ok\""));
}
