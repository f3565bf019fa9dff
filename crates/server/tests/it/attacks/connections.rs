//! Connections: opened and left, spoken over slowly or byte by byte, as many as one address can hold.

use super::innocent::Innocent;
use super::{COUNTED, closed, connect_from};
use crate::answer::Answer;
use crate::node::{Node, PATIENCE};
use crate::socket::connected;
use std::io::{Read, Write};
use std::time::Instant;

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
