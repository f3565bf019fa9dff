//! What all connections of one address together take of what others need: less than there is.

use super::{COUNTED, offered};
use crate::client::Client;
use crate::node::Node;
use crate::socket::{Socket, connected, frame, websocket};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn whoever_floods_a_publisher_with_signals_from_one_address_others_reach_it() {
    let node = Node::start_with(&[
        "--trusted-proxies",
        "127.0.0.1",
        "--publishing",
        "open",
        "--address-signal-bytes-rate",
        "1B/s burst 256KiB",
        "--room-signal-bytes-rate",
        "1B/s burst 1MiB",
    ]);
    let user = json!({"username": "Ada", "role": "STREAMER"});
    let (mut ada, registered) = Client::register(&node, &user);
    let host = registered["user"]["socketId"].as_str().unwrap();
    let created = ada.go_live(&json!({}));
    let key = created["stream"]["streamKey"].as_str().unwrap();
    let send = |name: &str, from: &[&str], signals: usize| {
        let user = json!({"username": name, "role": "VIEWER"});
        let (mut viewer, registered) = Client::register_with(&node, from, &user);
        viewer.emit("stream:join", &json!({"streamKey": key}));
        viewer.heard("stream:joined");
        let own = &registered["user"]["socketId"];
        let data = "x".repeat(62_000);
        let payload =
            json!({"type": name, "data": data, "from": own, "to": host, "streamKey": key});
        let signal = format!("42{}", json!(["webrtc:ice-candidate", payload]));
        viewer.post(&vec![signal; signals].join("\x1e"));
        viewer.emit("clock:get", &json!({}));
        loop {
            let heard = viewer.heard_any();
            if heard[0] == "clock:now" || heard[0] == "stream:error" {
                break heard[1]["limit"].as_str().map(str::to_owned);
            }
        }
    };
    // Sixteen connections may send more than all of a stream together, each with a share of its own.
    let limits: Vec<_> = (0..16)
        .map(|_| send("Eve", &["X-Forwarded-For: 203.0.113.1"], 2))
        .collect();
    let full = Some("address-signal-bytes-rate".to_owned());
    assert_eq!(limits, [vec![None; 2], vec![full; 14]].concat());
    let fetched = (0..4).map(|_| ada.heard("webrtc:ice-candidate"));
    assert!(fetched.into_iter().all(|signal| signal["type"] == "Eve"));
    let bob = send("Bob", &["X-Forwarded-For: 198.51.100.1"], 2);
    assert_eq!(bob, None);
    assert_eq!(ada.heard("webrtc:ice-candidate")["type"], "Bob");
}

/// What somebody hears at the native door up to the answer to a question that it asks now.
fn heard_now(socket: &mut Socket) -> Vec<String> {
    socket.say(r#"{"type":"clock","id":0}"#);
    let mut words = Vec::new();
    loop {
        let heard = socket.told();
        match heard["type"].as_str() {
            Some("clock") => return words,
            Some("warning") => words.push(heard["code"].as_str().unwrap().to_owned()),
            kind => words.push(kind.unwrap().to_owned()),
        }
    }
}

#[test]
fn whoever_wishes_for_keyframes_without_end_has_its_share_and_who_joins_from_elsewhere_its_own() {
    let node = Node::start_with(&[
        "--trusted-proxies",
        "127.0.0.1",
        "--publishing",
        "open",
        "--keyframe-rate",
        "0.001/s burst 2",
        "--address-keyframe-rate",
        "0.001/s burst 3",
    ]);
    let mut ada = Socket::open(&node, "/live/wished", "abanico.publish.v1", "");
    ada.say(r#"{"type":"publish"}"#);
    assert_eq!(ada.hear()["type"], "ready");
    let watch = |from: &str| {
        let from = format!("X-Forwarded-For: {from}");
        let mut viewer = Socket::open(&node, "/live/wished", "abanico.watch.v1", &from);
        viewer.say(r#"{"type":"watch"}"#);
        assert_eq!(viewer.hear()["type"], "welcome");
        viewer
    };
    let mut asked = 0;
    let mut count = |ada: &mut Socket| {
        let words = heard_now(ada);
        asked += words.iter().filter(|word| *word == "keyframe").count();
        asked
    };
    // One viewer has two, with the one for its coming, and both of an address have three.
    let mut eves = Vec::new();
    for asked_at_most in [2, 3] {
        let mut eve = watch("203.0.113.1");
        loop {
            eve.say(r#"{"type":"keyframe"}"#);
            let words = heard_now(&mut eve);
            if words.iter().any(|word| word == "keyframe-rate") {
                break;
            }
        }
        assert_eq!(count(&mut ada), asked_at_most);
        eves.push(eve);
    }
    // To come and go, or to be held and go on, is no way round it.
    for _ in 0..20 {
        eves.push(watch("203.0.113.1"));
        eves[0].say(r#"{"type":"hold"}"#);
        eves[0].say(r#"{"type":"resume"}"#);
    }
    assert!(!heard_now(&mut eves[0]).contains(&"keyframe-rate".to_owned()));
    assert_eq!(count(&mut ada), 3, "nobody is told twice either");
    let mut bob = watch("198.51.100.1");
    while count(&mut ada) < 4 {
        bob.say(r#"{"type":"keyframe"}"#);
        assert!(!heard_now(&mut bob).contains(&"keyframe-rate".to_owned()));
    }
}

#[test]
fn one_address_does_not_take_all_places_of_webrtc_however_few_there_are() {
    let few = ["--rtc-sessions-max", "3", "--publishing", "open"];
    let node = Node::start_with(&[&few[..], &COUNTED].concat());
    for key in ["a", "b"] {
        let begun = offered(&node, "127.0.0.1", key);
        assert_eq!(begun.status, 201, "{key}: {}", begun.text());
    }
    let refused = offered(&node, "127.0.0.1", "c");
    assert_eq!(refused.status, 429, "{}", refused.text());
    let named = refused.text().contains("(half of rtc-sessions-max)");
    assert!(named, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(offered(&node, "127.0.0.2", "d").status, 201);
    assert_eq!(offered(&node, "127.0.0.2", "e").status, 503);
}

/// With which code and words the server closes a WebSocket.
pub(super) fn goodbye(mut stream: TcpStream) -> (u16, String) {
    let mut heard = Vec::new();
    // What was still on its way to it may make the system reset the connection afterwards.
    let _ = stream.read_to_end(&mut heard);
    let words = |at: usize| heard.get(at + 2..at + 2 + usize::from(heard[at + 1]));
    let last = (0..heard.len() - 1).rev().filter(|at| heard[*at] == 0x88);
    let said = last.filter_map(words).find(|words| words.len() >= 2);
    let (code, reason) = said.expect("it says goodbye").split_at(2);
    let code = u16::from_be_bytes([code[0], code[1]]);
    (code, String::from_utf8_lossy(reason).into_owned())
}

#[test]
fn who_says_too_much_at_once_is_told_how_much_one_may_and_by_which_setting() {
    let bounds = ["--message-bytes-max", "100kB", "--frame-bytes-max", "200kB"];
    let open = ["--publishing", "open"];
    let node = Node::start_with(&[&bounds[..], &open].concat());
    let said = |mut stream: TcpStream, bytes: usize| {
        let large = frame(0x82, &vec![0; bytes]);
        // It is closed by what the head of it says.
        let _ = stream.write_all(&large);
        let (code, reason) = goodbye(stream);
        assert_eq!(code, 1009, "{reason}");
        reason
    };
    assert_eq!(
        said(connected(&node), 100_001),
        "a message has at most 100000 bytes (message-bytes-max)"
    );
    let protocol = "Sec-WebSocket-Protocol: abanico.publish.v1\r\n";
    let (stranger, _) = websocket(&node, "/live/stranger", protocol);
    assert_eq!(
        said(stranger, 70_000),
        "a message has at most 65536 bytes for now"
    );
    let mut ada = Socket::open(&node, "/live/ada", "abanico.publish.v1", "");
    ada.say(r#"{"type":"publish"}"#);
    assert_eq!(ada.hear()["type"], "ready");
    assert_eq!(
        said(ada.0, 200_001),
        "a message has at most 200000 bytes (frame-bytes-max)"
    );
    let protocol = "Sec-WebSocket-Protocol: abanico.watch.v1\r\n";
    let (viewer, _) = websocket(&node, "/live/ada", protocol);
    assert_eq!(said(viewer, 5_000), "a message has at most 4096 bytes");
}
