//! Messages over a WebSocket and events over Socket.IO: packed, in tiny pieces, too large, too deep, never whole, without end.

use super::close_code;
use super::innocent::Innocent;
use crate::answer::Answer;
use crate::client::Client;
use crate::node::Node;
use crate::socket::{Socket, connected, frame, websocket};
use serde_json::json;
use std::io::{ErrorKind, Write};
use std::time::Duration;

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
    let short = &bomb[..20_000];
    assert_eq!(
        node.request("POST", "/whip/bomb", &offer, short).status,
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
