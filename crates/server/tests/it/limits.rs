//! What hostile or careless clients cannot do.

use crate::answer::Answer;
use crate::client::Client;
use crate::node::Node;
use serde_json::json;
use std::collections::HashSet;
use std::io::{Read, Write};

#[test]
fn a_connection_beyond_the_bound_is_told_so_and_others_go_on() {
    let node = Node::start_with(&["--connections-max", "2"]);
    let mut first = node.connect();
    let mut second = node.connect();
    // Each is served before the next is opened, hence counted.
    for stream in [&mut first, &mut second] {
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut begun = [0; 12];
        stream.read_exact(&mut begun).unwrap();
        assert_eq!(&begun, b"HTTP/1.1 200");
    }
    let third = Answer::read(&mut node.connect());
    assert_eq!(third.status, 503);
    // Who is refused together is not to return together.
    let seconds: HashSet<u64> = (0..20)
        .map(|_| Answer::read(&mut node.connect()))
        .map(|refused| refused.header("retry-after").unwrap().parse().unwrap())
        .collect();
    assert!(seconds.len() > 1, "{seconds:?}");
    assert!(
        seconds.iter().all(|seconds| (5..=10).contains(seconds)),
        "{seconds:?}"
    );
    assert!(
        third.text().contains("as many connections as it can carry"),
        "{}",
        third.text()
    );

    first
        .write_all(b"GET /streams HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    first.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_head_that_is_too_long_is_431() {
    let node = Node::start();
    let header = format!("X-Long: {}", "x".repeat(40_000));
    assert_eq!(node.request("GET", "/health", &[&header], "").status, 431);
}

#[test]
fn too_many_headers_are_431() {
    let node = Node::start();
    let headers = vec!["X-Many: 1"; 200];
    assert_eq!(node.request("GET", "/health", &headers, "").status, 431);
}

#[test]
fn a_client_that_never_finishes_its_head_is_closed() {
    let node = Node::start_with(&["--header-timeout", "200ms"]);
    let mut stream = node.connect();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nX-Slow: ")
        .unwrap();
    let mut answer = Vec::new();
    // Closed with or without a word; what counts is that it does not stay.
    let _ = stream.read_to_end(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[test]
fn a_connection_that_idles_after_a_request_is_closed() {
    let node = Node::start_with(&["--header-timeout", "200ms"]);
    let mut stream = node.connect();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status, 200);
}

#[test]
#[cfg(target_os = "linux")]
fn without_free_descriptors_the_server_rests_and_then_goes_on() {
    let mut node = Node::start_with_log(&[]);
    let mut first = node.connect();
    first
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    first.read_exact(&mut [0; 12]).unwrap();

    let open = node.open_files();
    node.limit_open_files(open);
    let mut second = node.connect();
    second
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    node.log_until("no further connections for now");
    let before = node.cpu_ticks();
    // Nothing can be awaited here: what is looked for is that nothing happens.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(node.cpu_ticks() - before < 10, "the accept loop spins");

    node.limit_open_files(open + 100);
    assert_eq!(Answer::read(&mut second).status, 200);
}

#[test]
fn what_is_no_http_ends_that_connection_only() {
    let node = Node::start();
    let mut stream = node.connect();
    stream
        .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not HTTP at all\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(node.get("/health").status, 200);
}

#[test]
fn settings_of_the_dialect_reach_the_dialect() {
    let node = Node::start_with(&["--name-chars-max", "3", "--message-bytes-max", "5kB"]);
    let opened = node.get("/socket.io/?EIO=4&transport=polling");
    assert!(
        opened.text().contains("\"maxPayload\":5000"),
        "{}",
        opened.text()
    );
    let mut client = Client::connect(&node);
    client.emit(
        "user:register",
        &json!({"username": "Adam", "role": "VIEWER"}),
    );
    client.emit(
        "user:register",
        &json!({"username": "Ada", "role": "VIEWER"}),
    );
    // The long name was refused, or `heard` would find it first.
    let refused = client.heard_any();
    assert_eq!(refused[0], "stream:error", "{refused}");
    assert_eq!(client.heard("user:registered")["user"]["username"], "Ada");
}

#[test]
fn settings_of_pings_reach_the_native_door() {
    let node = Node::start_with(&["--ping-interval", "100ms", "--ping-timeout", "100ms"]);
    let mut stream = node.connect();
    stream
        .write_all(
            b"GET /live/none HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Protocol: abanico.publish.v1\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    // A ping, and when it is not answered the end: policy violated.
    let said = &heard[heard
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4..];
    assert_eq!(said, b"\x89\0\x88\x0e\x03\xf0ping timeout");
}
