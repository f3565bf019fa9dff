//! What an attacker tries with a few connections and with many. In each: the server lives, who watches and publishes does
//! not notice, and memory has a bound.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::answer::{Answer, head_of};
use crate::client::Client;
use crate::material::{body, offer, picture};
use crate::node::{Node, PATIENCE};
use crate::socket::{Socket, connected, frame, websocket};
use serde_json::json;
use socket2::{Domain, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Counts connections of this machine, too: whoever names a proxy has told who speaks for others.
pub(crate) const COUNTED: [&str; 2] = ["--trusted-proxies", "192.0.2.1"];

/// A stream of pictures with a viewer, which must not notice anything.
pub(crate) struct Innocent {
    publisher: TcpStream,
    viewer: TcpStream,
    sent: u8,
    rss_before: usize,
}

impl Innocent {
    pub(crate) fn new(node: &Node) -> Self {
        let mut publisher = node.connect();
        let head =
            "PUT /live/innocent HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        publisher.write_all(head.as_bytes()).unwrap();
        // The stream is there as soon as the head was read; who comes before that is told 404.
        while node.status("HEAD", "/live/innocent.mjpeg", &[]) == 404 {}
        let mut viewer = node.connect();
        let request = "GET /live/innocent.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n";
        viewer.write_all(request.as_bytes()).unwrap();
        let mut innocent = Self {
            publisher,
            viewer,
            sent: 100,
            rss_before: 0,
        };
        innocent.goes_on();
        innocent.rss_before = node.rss_kb();
        innocent
    }

    /// A picture that is published now is seen now.
    fn goes_on(&mut self) {
        self.sent += 1;
        let mut picture = picture(3000);
        let mark = [self.sent; 64];
        picture[1000..1064].copy_from_slice(&mark);
        // One picture is known to be whole when the next begins.
        for _ in 0..2 {
            let chunk = [
                format!("{:x}\r\n", picture.len()).as_bytes(),
                &picture,
                b"\r\n",
            ]
            .concat();
            self.publisher.write_all(&chunk).unwrap();
        }
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.windows(64).any(|bytes| bytes == mark) {
            let count = self.viewer.read(&mut buffer).expect("the viewer is served");
            assert!(count > 0, "the viewer is cut off");
            seen.extend_from_slice(&buffer[..count]);
        }
    }

    pub(crate) fn noticed_nothing(mut self, node: &Node) {
        self.goes_on();
        assert_eq!(node.get("/health").status, 200);
        let grown = node.rss_kb().saturating_sub(self.rss_before);
        assert!(grown < 60_000, "{grown} kB more");
    }
}

/// The code with which the server closes a WebSocket.
fn close_code(mut stream: TcpStream) -> u16 {
    let mut heard = Vec::new();
    // What was still on its way to it may make the system reset the connection afterwards.
    let _ = stream.read_to_end(&mut heard);
    let at = heard
        .iter()
        .rposition(|byte| *byte == 0x88)
        .expect("it says goodbye");
    u16::from_be_bytes([heard[at + 2], heard[at + 3]])
}

/// Reads until the server closes.
fn closed(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn who_speaks_slowly_is_closed_wherever_it_is_in_what_it_says() {
    let node = Node::start_with(&["--header-timeout", "400ms"]);
    let mut innocent = Innocent::new(&node);
    let beginnings = [
        "",
        "G",
        "GET /health HTTP/1.1\r\nX-Slow: ",
        "GET /live/innocent.mjpeg HTTP/1.1\r\nHost: ",
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nUpgrade: webso",
        "PUT /live/slow HTTP/1.1\r\nContent-Le",
    ];
    let slow: Vec<_> = (0..240)
        .map(|number| {
            let mut stream = node.connect();
            let beginning = beginnings[number % beginnings.len()];
            stream.write_all(beginning.as_bytes()).unwrap();
            stream
        })
        .collect();
    innocent.goes_on();
    for stream in slow {
        let heard = closed(stream);
        assert!(
            heard.is_empty() || heard.starts_with("HTTP/1.1 408"),
            "{heard}"
        );
    }
    innocent.noticed_nothing(&node);
}

#[test]
fn a_body_that_stands_still_has_broken_off() {
    let node = Node::start_with(&["--body-timeout", "300ms"]);
    let mut body = node.connect();
    body.write_all(
        b"PUT /live/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n\xff\xd8",
    )
    .unwrap();
    let heard = closed(body);
    assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
    assert!(heard.contains("(body-timeout)"), "{heard}");
}

#[test]
fn a_publisher_that_closes_right_behind_its_body_has_ended_its_stream() {
    let node = Node::start_with(&["--publisher-grace", "10m"]);
    for round in 0..20 {
        let path = format!("/live/brief{round}");
        let mut publisher = node.connect();
        let head =
            format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        publisher.write_all(head.as_bytes()).unwrap();
        let picture = picture(3000);
        let chunk = [b"bb8\r\n", &picture[..], b"\r\n"].concat();
        publisher.write_all(&chunk.repeat(2)).unwrap();
        let watched = format!("{path}.mjpeg");
        while node.status("HEAD", &watched, &[]) == 404 {}
        let mut viewer = node.connect();
        let request =
            format!("GET {watched} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        viewer.write_all(request.as_bytes()).unwrap();
        viewer.read_exact(&mut [0; 1000]).unwrap();
        publisher
            .write_all(&[&chunk[..], b"0\r\n\r\n"].concat())
            .unwrap();
        drop(publisher);
        // Not after the grace: nobody could come back.
        viewer.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(node.status("HEAD", &watched, &[]), 410);
    }
}

/// Connects from another address of the loopback network.
pub(crate) fn connect_from(node: &Node, address: &str) -> TcpStream {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let local: SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(&local.into()).unwrap();
    socket.connect(&node.address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn one_address_has_its_share_of_connections_and_others_have_theirs() {
    let flags = [&["--connections-per-address-max", "20"], &COUNTED[..]].concat();
    let node = Node::start_with(&flags);
    let innocent = Innocent::new(&node);
    let path = "/socket.io/?EIO=4&transport=websocket";
    // What becomes a WebSocket keeps its place.
    let mut held = Vec::new();
    let refused = loop {
        let mut stream = node.connect();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        // Who is refused may be closed before it has said anything.
        let _ = stream.write_all(head.as_bytes());
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        if &status == b"HTTP/1.1 429" {
            break closed(stream);
        }
        assert_eq!(&status, b"HTTP/1.1 101");
        held.push(stream);
        assert!(held.len() <= 20, "the bound does not hold");
    };
    assert!(
        refused.contains("(connections-per-address-max)"),
        "{refused}"
    );
    assert!(refused.contains("Retry-After"), "{refused}");
    // The innocent have two, and the last that was asked for their sake may not be gone yet.
    assert!(held.len() >= 17, "{}", held.len());

    let mut other = connect_from(&node, "127.0.0.2");
    other
        .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(Answer::read(&mut other).status, 200);
    drop(held);
    let begun = Instant::now();
    loop {
        let mut stream = node.connect();
        let _ = stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        if closed(stream).starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "who has gone leaves no place");
    }
    innocent.noticed_nothing(&node);
}

/// The answer to an offer to publish that comes from this address.
pub(crate) fn offered(node: &Node, address: &str, key: &str) -> Answer {
    let offer = offer("sendonly");
    let mut stream = connect_from(node, address);
    let head = format!(
        "POST /whip/{key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
        offer.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    Answer::read(&mut stream)
}

#[test]
fn one_address_has_its_share_of_webrtc_that_is_not_connected_and_others_have_theirs() {
    let share = ["--rtc-connecting-per-address-max", "2"];
    let node = Node::start_with(&[&share[..], &COUNTED].concat());
    let offered = |address: &str, key: &str| offered(&node, address, key);
    let first = offered("127.0.0.1", "a");
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(offered("127.0.0.1", "b").status, 201);
    let refused = offered("127.0.0.1", "c");
    assert_eq!(refused.status, 429, "{}", refused.text());
    let named = refused.text().contains("(rtc-connecting-per-address-max)");
    assert!(named, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(offered("127.0.0.2", "d").status, 201);
    let session = first.header("location").unwrap();
    assert_eq!(node.status("DELETE", session, &[]), 200);
    let begun = Instant::now();
    while offered("127.0.0.1", "e").status != 201 {
        assert!(begun.elapsed() < PATIENCE, "who has gone leaves no place");
    }
}

#[test]
fn one_address_begins_so_many_sessions_whatever_proxy_it_comes_through() {
    let node = Node::start_with(&[
        "--session-rate",
        "0/s burst 4",
        "--trusted-proxies",
        "127.0.0.1",
    ]);
    let from = |address: &str| format!("X-Forwarded-For: {address}");
    let visitor = from("203.0.113.1");
    let open = "/socket.io/?EIO=4&transport=polling";
    let sessions: Vec<_> = (0..3)
        .map(|_| node.request("GET", open, &[&visitor], ""))
        .collect();
    assert!(sessions.iter().all(|opened| opened.status == 200));
    // A viewer past the routes is one as well.
    assert_eq!(
        node.request("GET", "/live/none.webm", &[&visitor], "")
            .status,
        404
    );
    for (method, path) in [
        ("GET", open),
        ("GET", "/live/none.webm"),
        ("PUT", "/live/none"),
        ("POST", "/whip/none"),
    ] {
        let refused = node.request(method, path, &[&visitor], "");
        assert_eq!(refused.status, 429, "{method} {path}");
        assert!(
            refused.text().contains("(session-rate)"),
            "{}",
            refused.text()
        );
        assert!(refused.header("retry-after").is_some());
    }
    // What it has goes on, and so does everybody else.
    let sid = sessions[0].text().split('"').nth(3).unwrap();
    let posted = node.request("POST", &format!("{open}&sid={sid}"), &[&visitor], "40");
    assert_eq!(posted.text(), "ok");
    let neighbour = from("203.0.113.2");
    assert_eq!(node.request("GET", open, &[&neighbour], "").status, 200);
}

#[test]
fn one_address_asks_for_so_many_stills() {
    let rate = ["--still-rate", "0/s burst 2"];
    let node = Node::start_with(&[rate, ["--trusted-proxies", "127.0.0.1"]].concat());
    let visitor = ["X-Forwarded-For: 203.0.113.1"];
    let neighbour = ["X-Forwarded-For: 203.0.113.2"];
    for path in ["/live/none.jpg", "/streams/none/poster"] {
        assert_eq!(node.request("GET", path, &visitor, "").status, 404);
    }
    for path in ["/live/none.jpeg", "/streams/none/poster"] {
        let refused = node.request("GET", path, &visitor, "");
        let said = (refused.status, refused.text().contains("(still-rate)"));
        assert_eq!(said, (429, true), "{path}: {}", refused.text());
        assert!(refused.header("retry-after").is_some());
        assert_eq!(node.request("GET", path, &neighbour, "").status, 404);
    }
}

#[test]
fn one_address_registers_so_many_new_users_and_who_is_known_takes_nothing() {
    let rate = ["--new-user-rate", "0/s burst 2"];
    let node = Node::start_with(&[rate, ["--trusted-proxies", "127.0.0.1"]].concat());
    let visitor = ["X-Forwarded-For: 203.0.113.1"];
    let neighbour = ["X-Forwarded-For: 203.0.113.2"];
    let viewer = |name: &str| json!({"username": name, "role": "VIEWER"});
    let (_ada, first) = Client::register_with(&node, &visitor, &viewer("Ada"));
    let (mut bob, _) = Client::register_with(&node, &visitor, &viewer("Bob"));
    // By its token, or over its connection.
    let mut known = viewer("Ada");
    known["resumeToken"] = first["resumeToken"].clone();
    let (_ada, again) = Client::register_with(&node, &visitor, &known);
    assert_eq!(again["user"]["id"], first["user"]["id"]);
    bob.emit("user:register", &viewer("bob"));
    bob.heard("user:registered");
    bob.emit("user:register", &viewer("Eve"));
    let refused = &bob.heard_any()[1];
    assert_eq!(refused["limit"], "new-user-rate", "{refused}");
    assert!(refused["retryAfterMs"].is_u64(), "{refused}");
    Client::register_with(&node, &neighbour, &viewer("Eve"));
}

#[test]
fn whatever_is_said_to_a_body_without_an_end_its_connection_is_closed() {
    let node = Node::start_with(&["--trusted-proxies", "127.0.0.1"]);
    let key = format!("Authorization: Bearer {}", node.key());
    let said = |method: &str, path: &str, header: &str| {
        let mut stream = node.connect();
        let from = "X-Forwarded-For: 203.0.113.9";
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{from}\r\n{header}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let answer = head_of(&mut stream).to_lowercase();
        (stream, answer)
    };
    for (path, header, status) in [
        ("/live/a", "X: y", 401),
        ("/live/a", "Authorization: Basic ???", 401),
        ("/live/a", "Authorization: Bearer abt-x", 401),
        ("/live/a%20b", &key, 400),
        ("/live/a.webm/x", &key, 404),
    ] {
        for method in ["PUT", "SOURCE"] {
            let (_, answer) = said(method, path, header);
            let name = format!("{method} {path} {header}: {answer}");
            assert!(answer.starts_with(&format!("http/1.1 {status}")), "{name}");
            assert!(answer.contains("connection: close\r\n"), "{name}");
        }
    }
    // Such a source is answered before it sends anything, and what it sends then is its stream.
    let kind = "Content-Type: multipart/x-mixed-replace; boundary=b";
    let (mut source, answer) = said("SOURCE", "/live/a", &format!("{key}\r\n{kind}"));
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    let body = body();
    source
        .write_all(&body[..body.len() - "--b--\r\n".len()])
        .unwrap();
    source.write_all(b"--b\r\n").unwrap();
    let begun = Instant::now();
    while node.json("/streams")["streams"] == json!([]) {
        assert!(begun.elapsed() < PATIENCE, "the stream does not begin");
    }
}

#[test]
fn nothing_that_comes_is_unpacked() {
    let node = Node::start_with(&["--publishing", "open"]);
    let innocent = Innocent::new(&node);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    for (path, protocol) in [
        ("/socket.io/?EIO=4&transport=websocket", ""),
        (
            "/live/demo",
            "Sec-WebSocket-Protocol: abanico.publish.v1\r\n",
        ),
    ] {
        let (mut stream, answer) = websocket(&node, path, &format!("{offer}{protocol}"));
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        assert!(!answer.to_lowercase().contains("extensions"), "{answer}");
        // A frame that says it is compressed all the same.
        stream.write_all(&frame(0xc1, &[0; 100])).unwrap();
        assert_eq!(close_code(stream), 1002);
    }
    // Ten bytes of gzip's head, and what would become a gigabyte if somebody unpacked it.
    let bomb = [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &[0xed; 50_000]].concat();
    let coded = ["Content-Encoding: gzip"];
    assert_eq!(node.request("PUT", "/live/bomb", &coded, &bomb).status, 415);
    let offer = [coded[0], "Content-Type: application/sdp"];
    assert_eq!(
        node.request("POST", "/whip/bomb", &offer, &bomb).status,
        400
    );
    let opened = node.get("/socket.io/?EIO=4&transport=polling");
    let sid = opened.text().split('"').nth(3).unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    assert_eq!(node.request("POST", &path, &coded, &bomb).status, 400);
    innocent.noticed_nothing(&node);
}

#[test]
fn tiny_pieces_cost_who_sends_them() {
    let node = Node::start();
    let innocent = Innocent::new(&node);
    let mut bytewise = node.connect();
    bytewise.set_nodelay(true).unwrap();
    for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" {
        bytewise.write_all(&[*byte]).unwrap();
    }
    assert_eq!(Answer::read(&mut bytewise).status, 200);

    let mut stream = connected(&node);
    let mut fragments = frame(0x01, b"4");
    for _ in 0..5000 {
        fragments.extend(frame(0x00, b"2"));
    }
    // It is closed before it has sent all of them.
    let _ = stream.write_all(&fragments);
    assert_eq!(close_code(stream), 1008);
    innocent.noticed_nothing(&node);
}

#[test]
fn names_without_end_are_refused() {
    let node = Node::start_with(&["--publishing", "open"]);
    let innocent = Innocent::new(&node);
    let long = "x".repeat(900_000);
    let (mut client, _) = Client::register(&node, &json!({"username": "Bob", "role": "STREAMER"}));
    client.emit("user:register", &json!({"username": long}));
    let refused = client.heard_any();
    assert_eq!(
        (&refused[0], &refused[1]["limit"]),
        (&json!("stream:error"), &json!("name-chars-max"))
    );
    for event in [
        "stream:join",
        "stream:start",
        "stream:end",
        "chat:message:send",
    ] {
        client.emit(event, &json!({"streamKey": long, "content": "x"}));
    }
    client.emit(&long[..100_000], &json!({}));
    client.emit("clock:get", &json!({"id": long}));
    assert_eq!(client.heard_after_refusals("clock:now")["id"], json!(null));
    for (method, path) in [
        ("PUT", "/live/"),
        ("POST", "/whip/"),
        ("GET", "/streams/"),
        ("GET", "/"),
    ] {
        let status = node
            .request(method, &format!("{path}{}", &long[..5000]), &[], "")
            .status;
        assert!(
            [400, 404, 415].contains(&status),
            "{method} {path} {status}"
        );
    }
    innocent.noticed_nothing(&node);
}

#[test]
fn json_without_bottom_ends_its_session_alone() {
    let node = Node::start();
    let innocent = Innocent::new(&node);
    for packet in [
        format!("42[\"stream:join\",{}", "[".repeat(400_000)),
        format!(
            "42[\"webrtc:offer\",{}1{}]",
            "{\"a\":".repeat(30_000),
            "}".repeat(30_000)
        ),
        format!("40{}", "{\"a\":".repeat(100_000)),
    ] {
        let mut stream = connected(&node);
        let _ = stream.write_all(&frame(0x81, packet.as_bytes()));
        assert_eq!(close_code(stream), 1002);
    }
    innocent.noticed_nothing(&node);
}

#[test]
fn a_storm_of_clients_that_come_and_go_leaves_nothing_behind() {
    let node = Node::start();
    let innocent = Innocent::new(&node);
    let before = node.open_files();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..250 {
                    match round % 4 {
                        0 => drop(node.connect()),
                        1 => drop(connected(&node)),
                        2 => drop(node.get("/socket.io/?EIO=4&transport=polling")),
                        _ => {
                            let mut stream = node.connect();
                            let request =
                                b"GET /live/innocent.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n";
                            let _ = stream.write_all(request);
                        }
                    }
                }
            });
        }
    });
    let begun = Instant::now();
    while node.open_files() > before + 8 {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} files are open, {before} were",
            node.open_files()
        );
        std::thread::yield_now();
    }
    innocent.noticed_nothing(&node);
}

#[test]
fn who_talks_without_end_is_listened_to_at_a_pace() {
    let node = Node::start_with(&["--message-rate", "50/s burst 100"]);
    let mut innocent = Innocent::new(&node);
    let mut stream = connected(&node);
    stream
        .set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let many = frame(0x81, b"42[\"x\"]").repeat(10_000);
    let mut taken = 0;
    let stopped = loop {
        match stream.write(&many) {
            Ok(count) => taken += count,
            Err(error) => break error,
        }
        assert!(taken < 64 << 20, "it is read on and on");
    };
    assert!(
        matches!(stopped.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{stopped}"
    );
    innocent.goes_on();
    innocent.noticed_nothing(&node);
}

#[test]
fn however_many_flood_a_chat_who_reads_slowly_stays_and_the_streamer_is_heard() {
    let few = ["--room-chat-bytes-rate", "1KiB/s burst 256KiB"];
    let unbounded = [
        "--room-chat-rate",
        "1000/s burst 10000",
        "--room-chat-bytes-rate",
        "64MiB/s burst 64MiB",
    ];
    for (rates, limit) in [(&few[..], Some("room-chat-bytes-rate")), (&unbounded, None)] {
        let node = Node::start_with(&[&["--queue-bytes-max", "1MiB"], rates].concat());
        let (mut ada, key) = Client::live(&node, "Ada");
        let (mut bob, _) = Client::register(&node, &json!({"username": "Bob", "role": "VIEWER"}));
        bob.emit("stream:join", &json!({"streamKey": key}));
        bob.heard("stream:joined");
        // Neither fetches anything while 2.4 MB are said, by who is not even there.
        let words =
            json!(["chat:message:send", {"streamKey": key, "content": "\u{1f600}".repeat(2000)}]);
        let flood = vec![format!("42{words}"); 30].join("\x1e");
        for number in 0..10 {
            let user = json!({"username": format!("Eve {number}"), "role": "VIEWER"});
            let (mut eve, _) = Client::register(&node, &user);
            eve.post(&flood);
            eve.emit("clock:get", &json!({}));
            let heard = eve.heard_any();
            let refused = heard[1].get("limit").and_then(|limit| limit.as_str());
            let expected = limit.filter(|_| number > 0);
            assert_eq!(refused, expected, "Eve {number}: {heard}");
        }
        ada.emit(
            "chat:message:send",
            &json!({"streamKey": key, "content": "hold on"}),
        );
        for who in [&mut ada, &mut bob] {
            let mut chat = 0;
            while who.heard("chat:message:broadcast")["message"]["content"] != "hold on" {
                chat += 1;
            }
            assert!((1..40).contains(&chat), "{chat} of 300 messages were kept");
        }
    }
}

#[test]
fn whoever_floods_a_chat_over_many_connections_of_one_address_others_are_heard() {
    let flags = [
        "--address-chat-rate",
        "0.01/s burst 40",
        "--trusted-proxies",
        "127.0.0.1",
        "--publishing",
        "open",
    ];
    let node = Node::start_with(&flags);
    let (mut ada, key) = Client::live(&node, "Ada");
    let (_other, elsewhere) = Client::live(&node, "Bea");
    let viewer = |name: &str| json!({"username": name, "role": "VIEWER"});
    let flooder = ["X-Forwarded-For: 203.0.113.1"];
    let said = |key: &str, content: &str| json!({"streamKey": key, "content": content});
    let mut limits = Vec::new();
    for number in 0..3 {
        let user = viewer(&format!("Eve {number}"));
        let (mut eve, _) = Client::register_with(&node, &flooder, &user);
        // As many as one connection may say, the last of them in another stream.
        let keys = std::iter::repeat_n(&key, 29).chain([&elsewhere]);
        let flood: Vec<_> = keys
            .map(|key| format!("42{}", json!(["chat:message:send", said(key, "spam")])))
            .collect();
        eve.post(&flood.join("\x1e"));
        eve.emit("clock:get", &json!({}));
        limits.push(loop {
            let heard = eve.heard_any();
            if heard[0] == "clock:now" || heard[0] == "stream:error" {
                break heard[1]["limit"].as_str().map(str::to_owned);
            }
        });
    }
    let full = Some("address-chat-rate".to_owned());
    assert_eq!(limits, [None, full.clone(), full]);
    let from = ["X-Forwarded-For: 198.51.100.1"];
    let (mut bob, _) = Client::register_with(&node, &from, &viewer("Bob"));
    bob.emit("chat:message:send", &said(&key, "hello"));
    let mut spam = 0;
    while ada.heard("chat:message:broadcast")["message"]["content"] != "hello" {
        spam += 1;
    }
    assert_eq!(spam, 39, "with the one that was said elsewhere forty");
}

#[test]
fn events_that_are_never_whole_hold_little_and_are_ended_in_time() {
    let node = Node::start_with(&["--message-timeout", "1s"]);
    let innocent = Innocent::new(&node);
    let places: Vec<_> = (0..10)
        .map(|num| json!({"_placeholder": true, "num": num}))
        .collect();
    let event = format!("4510-[\"stream:data:send\",{}]", json!(places));
    let attachment = frame(0x82, &vec![0; 990_000]);
    let mut held: Vec<_> = (0..20).map(|_| connected(&node)).collect();
    for (number, stream) in held.iter_mut().enumerate() {
        stream.write_all(&frame(0x81, event.as_bytes())).unwrap();
        // Half of them send all that they may, the others nine of ten attachments.
        for _ in 0..if number % 2 == 0 { 1 } else { 9 } {
            let _ = stream.write_all(&attachment);
        }
    }
    innocent.noticed_nothing(&node);
    for (number, stream) in held.into_iter().enumerate() {
        let code = if number % 2 == 0 { 1008 } else { 1002 };
        assert_eq!(close_code(stream), code, "{number}");
    }
}

#[test]
fn who_may_not_publish_yet_is_let_say_little_and_who_may_sends_large_frames() {
    let node = Node::start_with(&["--publishing", "open"]);
    let innocent = Innocent::new(&node);
    let protocol = "Sec-WebSocket-Protocol: abanico.publish.v1\r\n";
    let strangers: Vec<_> = (0..40)
        .map(|number| {
            let (mut stream, _) = websocket(&node, &format!("/live/x{number}"), protocol);
            // 2 MB of a message that goes on.
            let _ = stream.write_all(&frame(0x02, &vec![0; 2_000_000]));
            stream
        })
        .collect();
    innocent.noticed_nothing(&node);
    for stream in strangers {
        assert_eq!(close_code(stream), 1009);
    }
    let mut native = Socket::open(&node, "/live/large", "abanico.publish.v1", "");
    native.say(r#"{"type":"publish"}"#);
    assert_eq!(native.hear()["type"], "ready");
    // No frame, but as large as one may be.
    let large = [&[9][..], &vec![0; 2_000_000]].concat();
    native.0.write_all(&frame(0x82, &large)).unwrap();
    while native.hear()["code"] != "unknown-kind" {}
}

/// Somebody who is in a stream, and its address for signals there.
fn member<'a>(node: &'a Node, name: &str, key: &str) -> (Client<'a>, String) {
    let user = json!({"username": name, "role": "VIEWER"});
    let (mut client, registered) = Client::register(node, &user);
    client.emit("stream:join", &json!({"streamKey": key}));
    client.heard("stream:joined");
    let id = registered["user"]["socketId"].as_str().unwrap();
    (client, id.to_owned())
}

/// The limits that were named in refusals of what a client has said up to now.
fn refused(client: &mut Client<'_>) -> Vec<String> {
    client.emit("clock:get", &json!({}));
    let mut limits = Vec::new();
    loop {
        let heard = client.heard_any();
        match heard[0].as_str().unwrap() {
            "clock:now" => {
                limits.dedup();
                return limits;
            }
            "stream:error" => limits.push(heard[1]["limit"].as_str().unwrap_or("?").to_owned()),
            _ => {}
        }
    }
}

#[test]
fn nobody_is_closed_for_the_signals_of_others_who_are_told_what_is_too_much() {
    let rates = [
        "--signal-request-rate",
        "1/s burst 3",
        "--room-signal-bytes-rate",
        "1KiB/s burst 600KiB",
        "--queue-bytes-max",
        "1MiB",
    ];
    let node = Node::start_with(&rates);
    let user = json!({"username": "Ada", "role": "STREAMER"});
    let (mut ada, registered) = Client::register(&node, &user);
    let host = registered["user"]["socketId"].as_str().unwrap();
    let created = ada.go_live(&json!({}));
    let key = created["stream"]["streamKey"].as_str().unwrap();
    let (mut bob, reads_nothing) = member(&node, "Bob", key);

    let packet = |event: &str, payload: serde_json::Value| format!("42{}", json!([event, payload]));
    let request = |own: &str, padding: usize| {
        let padding = "x".repeat(padding);
        let payload =
            json!({"streamKey": key, "viewerId": "v", "socketId": own, "padding": padding});
        packet("webrtc:request", payload)
    };
    let sent = |event: &str, own: &str, to: &str| {
        let data = "x".repeat(60_000);
        packet(
            event,
            json!({"type": "any", "data": data, "from": own, "to": to, "streamKey": key}),
        )
    };
    // Ada fetches nothing while 1.7 MB are sent to her.
    let (mut eve, id) = member(&node, "Eve", key);
    eve.post(&request(&id, 60_000));
    assert_eq!(refused(&mut eve), ["signal-request-bytes-max"]);
    let (mut eve, id) = member(&node, "Eve 1", key);
    eve.post(&vec![request(&id, 100); 10].join("\x1e"));
    assert_eq!(refused(&mut eve), ["signal-request-rate"]);
    let mut limits = Vec::new();
    for number in 2..12 {
        let (mut eve, id) = member(&node, &format!("Eve {number}"), key);
        // The third is one too many of her own.
        eve.post(&vec![sent("webrtc:answer", &id, host); 3].join("\x1e"));
        // She is told of the first that is too much, and of no other in the same second.
        limits.push(refused(&mut eve).remove(0));
    }
    limits.dedup();
    let reached = [
        "signal-bytes-rate",
        "queue-signal-bytes-max",
        "room-signal-bytes-rate",
    ];
    assert_eq!(limits, reached);

    // Nor does Bob fetch anything while Ada's page sends him offers without end.
    ada.post(&vec![sent("webrtc:offer", host, &reads_nothing); 15].join("\x1e"));
    ada.post(&vec![sent("webrtc:offer", host, &reads_nothing); 15].join("\x1e"));
    assert_eq!(refused(&mut ada), ["queue-signal-bytes-max"]);
    ada.emit(
        "chat:message:send",
        &json!({"streamKey": key, "content": "hold on"}),
    );
    let mut offers = 0;
    loop {
        let heard = bob.heard_any();
        if heard[1]["message"]["content"] == "hold on" {
            break;
        }
        offers += usize::from(heard[0] == "webrtc:offer");
    }
    assert!((1..10).contains(&offers), "{offers} of 30 offers");
    assert_eq!(node.json("/health")["activeStreams"], 1);
}

#[test]
fn nobody_is_closed_for_what_it_is_told_of_who_comes_and_goes() {
    let node = Node::start_with(&[
        "--queue-messages-max",
        "300",
        "--presence-rate",
        "1/s burst 10",
        "--request-rate",
        "1000/s burst 1000",
    ]);
    let (mut ada, key) = Client::live(&node, "Ada");
    let (mut bob, _) = member(&node, "Bob", &key);
    // Neither fetches anything meanwhile.
    for (number, media) in [true, false].into_iter().enumerate() {
        let (mut eve, _) = member(&node, &format!("Eve {number}"), &key);
        let join = json!(["stream:join", {"streamKey": key, "media": media}]);
        let leave = json!(["stream:leave", {"streamKey": key}]);
        let storm = vec![format!("42{join}\x1e42{leave}"); 150].join("\x1e");
        eve.post(&storm);
        assert!(refused(&mut eve).is_empty());
    }
    ada.emit(
        "chat:message:send",
        &json!({"streamKey": key, "content": "hold on"}),
    );
    for who in [&mut ada, &mut bob] {
        let (mut told, mut count) = (0, json!(null));
        loop {
            let heard = who.heard_any();
            if heard[1]["message"]["content"] == "hold on" {
                break;
            }
            match heard[0].as_str().unwrap() {
                "viewer:joined" | "viewer:left" => told += 1,
                "viewer:count:update" => count = heard[1]["viewerCount"].clone(),
                _ => {}
            }
        }
        assert!((2..50).contains(&told), "{told} of 600 are told by name");
        // Who is not named is counted all the same, when it is over.
        while count != 1 {
            count = who.heard("viewer:count:update")["viewerCount"].clone();
        }
    }
}
