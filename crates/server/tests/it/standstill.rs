//! A process that stood still, as in a suspended laptop, a paused virtual machine or a debugger, blames nobody for it.
//!
//! How long it stands still is what is tried here: longer than every time that a peer has. It is stopped while peers owe it
//! something, which they say while it sleeps.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::material::picture;
use crate::node::{Node, PATIENCE};
use crate::socket::{Socket, connected, frame};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const FLAGS: &[&str] = &[
    "--ping-interval",
    "1s",
    "--ping-timeout",
    "2s",
    "--body-timeout",
    "2s",
    "--stall-timeout",
    "2s",
];

/// Longer than each of these, and what is late by all that a machine may be late.
const STANDS_STILL: Duration = Duration::from_secs(4);

/// What a server says that is waited for.
fn read_to(stream: &mut TcpStream, word: &[u8]) {
    let mut read = Vec::new();
    while !read.ends_with(word) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        read.extend(byte);
    }
}

const PING: &[u8] = b"\x81\x012";
const NATIVE_PING: &[u8] = b"\x89\0";

/// A poller that has been asked for a pong.
fn pinged_poller(node: &Node) -> String {
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = node.get(path);
    let opened: serde_json::Value = serde_json::from_str(&opened.text()[1..]).unwrap();
    let path = format!("{path}&sid={}", opened["sid"].as_str().unwrap());
    assert_eq!(node.request("POST", &path, &[], b"40").status, 200);
    while !node
        .get(&path)
        .text()
        .split('\x1e')
        .any(|packet| packet == "2")
    {}
    path
}

/// A part of a multipart body with a picture, as a chunk.
fn part() -> Vec<u8> {
    let picture = picture(2_000);
    let length = picture.len();
    let mut part =
        format!("--b\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    part.extend(picture);
    part.extend(b"\r\n");
    let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
    chunk.extend(part);
    chunk.extend(b"\r\n");
    chunk
}

#[test]
fn who_spoke_while_the_process_stood_still_stays_and_who_is_silent_is_closed_later() {
    let node = Node::start_with(FLAGS);
    let mut publisher = node.connect();
    let head = "PUT /live/still HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
    publisher.write_all(head.as_bytes()).unwrap();
    publisher.write_all(&part()).unwrap();
    let begun = Instant::now();
    while node.json("/health")["activeStreams"] != 1 {
        assert!(begun.elapsed() < PATIENCE, "the stream does not begin");
    }
    let mut viewers = [true, false].map(|speaks| {
        let mut watching = Socket::open(&node, "/live/still", "abanico.watch.v1", "").0;
        let watch = frame(0x81, br#"{"type":"watch"}"#);
        watching.write_all(&watch).unwrap();
        (speaks, connected(&node), watching)
    });
    let poller = pinged_poller(&node);
    publisher.write_all(&part()).unwrap();
    for (_, connected, watching) in &mut viewers {
        read_to(connected, PING);
        read_to(watching, NATIVE_PING);
    }

    node.signal("STOP");
    for (speaks, connected, watching) in &mut viewers {
        if *speaks {
            connected.write_all(&frame(0x81, b"3")).unwrap();
            watching.write_all(&frame(0x8a, b"")).unwrap();
        }
    }
    publisher.write_all(&part()).unwrap();
    std::thread::sleep(STANDS_STILL);
    node.signal("CONT");

    let posted = node.request("POST", &poller, &[], b"3");
    assert_eq!(posted.status, 200, "{}", posted.text());
    // The silent ones wait to be read to their ends, meanwhile the others answer as before.
    let [(_, mut connected, mut watching), (_, silent, unheard)] = viewers;
    let silent = [silent, unheard].map(|mut silent| {
        std::thread::spawn(move || {
            let mut rest = Vec::new();
            silent.read_to_end(&mut rest).map(|_| rest)
        })
    });
    while !silent.iter().all(std::thread::JoinHandle::is_finished) {
        read_to(&mut connected, PING);
        connected.write_all(&frame(0x81, b"3")).unwrap();
        read_to(&mut watching, NATIVE_PING);
        watching.write_all(&frame(0x8a, b"")).unwrap();
        publisher.write_all(&part()).unwrap();
    }
    for silent in silent {
        let rest = silent.join().unwrap().unwrap();
        assert!(rest.ends_with(b"ping timeout"));
    }
    assert_eq!(node.json("/health")["activeStreams"], 1);
}
