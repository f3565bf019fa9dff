//! How many sessions one address holds, whatever carries them.

use super::innocent::Innocent;
use super::{COUNTED, connect_from, offered};
use crate::answer::{Answer, head_of};
use crate::material::picture;
use crate::node::{Node, PATIENCE};
use crate::socket::websocket;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// What comes of an answer whose connection stays, to the end of its sentence.
fn sentence(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(b")\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        heard.push(byte[0]);
    }
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn one_address_holds_so_many_sessions_whatever_they_are_carried_by() {
    let node = Node::start_with(&[
        "--sessions-per-address-max",
        "6",
        "--publishing",
        "open",
        "--trusted-proxies",
        "127.0.0.1",
    ]);
    let innocent = Innocent::new(&node);
    let visitor = "X-Forwarded-For: 203.0.113.1";
    let line = format!("{visitor}\r\n");
    let open = "/socket.io/?EIO=4&transport=polling";
    let ask = |method: &str, path: &str, from: &str| node.request(method, path, &[from], "");
    let begun = |head: &str| {
        let mut stream = node.connect();
        stream
            .write_all(format!("{head} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n").as_bytes())
            .unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        stream
    };
    let polling: Vec<_> = (0..2).map(|_| ask("GET", open, visitor)).collect();
    let held = [
        websocket(&node, "/socket.io/?EIO=4&transport=websocket", &line).0,
        websocket(
            &node,
            "/live/innocent",
            &format!("{line}Sec-WebSocket-Protocol: abanico.watch.v1\r\n"),
        )
        .0,
        begun("GET /live/innocent.mjpeg"),
        begun("SOURCE /live/source"),
    ];
    for (method, path) in [
        ("GET", open),
        ("GET", "/live/innocent.webm"),
        ("PUT", "/live/none"),
        ("POST", "/whep/innocent"),
    ] {
        let refused = ask(method, path, visitor);
        assert_eq!(refused.status, 429, "{method} {path} {}", refused.text());
        let named = refused.text().contains("(sessions-per-address-max)");
        assert!(named, "{}", refused.text());
        assert!(refused.header("retry-after").is_some());
    }
    // What it has goes on, and so does everybody else.
    let sid = polling[0].text().split('"').nth(3).unwrap();
    let session = format!("{open}&sid={sid}");
    let said = node.request("POST", &session, &[visitor], "40");
    assert_eq!(said.text(), "ok");
    assert_eq!(ask("GET", open, "X-Forwarded-For: 203.0.113.2").status, 200);
    // Each that goes leaves its place.
    let leave = |what: &str| {
        let since = Instant::now();
        while ask("GET", open, visitor).status != 200 {
            assert!(since.elapsed() < PATIENCE, "{what} leaves no place");
        }
    };
    node.request("POST", &session, &[visitor], "1");
    leave("polling");
    for (number, stream) in held.into_iter().enumerate() {
        drop(stream);
        leave(&format!("connection {number}"));
    }
    innocent.noticed_nothing(&node);
}

#[test]
fn one_address_holds_so_many_sessions_of_webrtc_too() {
    let share = ["--sessions-per-address-max", "2"];
    let node = Node::start_with(&[&share[..], &COUNTED].concat());
    let first = offered(&node, "127.0.0.1", "a");
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(offered(&node, "127.0.0.1", "b").status, 201);
    let refused = offered(&node, "127.0.0.1", "c");
    assert_eq!(refused.status, 429, "{}", refused.text());
    let named = refused.text().contains("(sessions-per-address-max)");
    assert!(named, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(offered(&node, "127.0.0.2", "d").status, 201);
    let mut gone = connect_from(&node, "127.0.0.1");
    let session = first.header("location").unwrap();
    let head = format!("DELETE {session} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    gone.write_all(head.as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut gone).status, 200);
    let begun = Instant::now();
    while offered(&node, "127.0.0.1", "e").status != 201 {
        assert!(begun.elapsed() < PATIENCE, "who has gone leaves no place");
    }
}

#[test]
fn what_is_watched_beside_other_requests_is_a_session_to_its_end() {
    let flags = [&["--sessions-per-address-max", "2"], &COUNTED[..]].concat();
    let node = Node::start_with(&flags);
    let mut publisher = node.connect();
    let body = picture(3000);
    let head = format!(
        "PUT /live/demo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        body.len()
    );
    let chunk = [head.as_bytes(), &body, b"\r\n"].concat();
    publisher.write_all(&chunk).unwrap();
    publisher.write_all(&chunk[head.len() - 5..]).unwrap();
    // A connection that has asked for something else before is hyper's, as those of HTTP/2 are.
    let watch = || {
        let mut viewer = node.connect();
        let asked = "HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
        viewer.write_all(asked.as_bytes()).unwrap();
        head_of(&mut viewer);
        let watched = "GET /live/demo.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n";
        viewer.write_all(watched.as_bytes()).unwrap();
        let mut status = [0; 12];
        viewer.read_exact(&mut status).unwrap();
        (viewer, String::from_utf8_lossy(&status[9..]).into_owned())
    };
    while node.status("HEAD", "/live/demo.mjpeg", &[]) != 200 {}
    let (viewer, status) = watch();
    assert_eq!(status, "200");
    let (refused, status) = watch();
    assert_eq!(status, "429");
    assert!(sentence(refused).contains("(sessions-per-address-max)"));
    drop(viewer);
    let since = Instant::now();
    while watch().1 != "200" {
        assert!(since.elapsed() < PATIENCE, "who has gone leaves no place");
    }
}
