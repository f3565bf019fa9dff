//! How the server goes.

use crate::client::Client;
use crate::node::Node;
use serde_json::json;
use std::io::{Read, Write};

#[test]
fn sigterm_tells_the_viewers_and_ends_with_success() {
    let mut node = Node::start();
    let (_ada, key) = Client::live(&node, "Ada");
    let (mut bob, _) = Client::register(&node, &json!({"username": "Bob", "role": "VIEWER"}));
    bob.emit("stream:join", &json!({"streamKey": key}));
    bob.heard("viewer:count:update");
    let ended = std::thread::scope(|scope| {
        let listening = scope.spawn(|| bob.heard("stream:ended"));
        node.signal("TERM");
        listening.join().unwrap()
    });
    assert_eq!(ended["stream"]["streamKey"], json!(key));
    assert!(node.ended().success());
}

#[test]
fn idle_connections_do_not_hold_the_server_up() {
    let mut node = Node::start_with(&["--shutdown-timeout", "1h"]);
    let mut idle = node.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut begun = [0; 12];
    idle.read_exact(&mut begun).unwrap();
    let _silent = node.connect();
    node.signal("INT");
    // Were they waited for, the test would give up.
    assert!(node.ended().success());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut node = Node::start_with_log(&["--shutdown-timeout", "1h"]);
    // A session that never polls has not heard the goodbye, so the server has somebody to wait for.
    let opened = node.get("/socket.io/?EIO=4&transport=polling");
    assert!(opened.text().contains("sid"), "{}", opened.text());
    node.signal("TERM");
    node.log_until("a second signal stops at once");
    node.signal("TERM");
    node.log_until("stopped at once");
    node.ended();
}
