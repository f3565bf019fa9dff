//! What all connections of one address together take of what others need: less than there is.

use crate::client::Client;
use crate::node::Node;
use serde_json::json;

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
