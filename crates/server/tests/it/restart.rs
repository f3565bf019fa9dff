//! What a crash leaves, and what it does not.

use crate::client::Client;
use crate::kills::wait_until_written;
use crate::node::Node;
use serde_json::json;

#[test]
fn after_kill_9_nothing_claims_to_be_live_and_the_publisher_streams_at_once() {
    let node = Node::start();
    let (mut ada, registered) =
        Client::register(&node, &json!({"username": "Ada", "role": "STREAMER"}));
    let token = registered["resumeToken"].clone();
    let created = ada.go_live(&json!({}));
    let key = created["stream"]["streamKey"].as_str().unwrap().to_owned();
    wait_until_written(node.data(), &[key.clone()].into());
    let data = node.killed();

    let node = Node::start_in(data, &[]);
    assert_eq!(node.json("/streams"), json!({"streams": []}));
    let health = node.json("/health");
    assert_eq!(
        (&health["activeStreams"], &health["users"]["connected"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(health["users"]["total"], 1);

    // The same person, known by the token, with a new stream at once.
    let returning = json!({"username": "Ada", "role": "STREAMER", "resumeToken": token});
    let (mut ada, again) = Client::register(&node, &returning);
    assert_eq!(again["user"]["id"], registered["user"]["id"]);
    ada.emit("stream:create", &json!({}));
    let second = ada.heard("stream:created");
    assert_ne!(second["stream"]["streamKey"], json!(key));
    ada.emit(
        "stream:start",
        &json!({"streamKey": second["stream"]["streamKey"]}),
    );
    ada.heard("stream:started");
    assert_eq!(
        node.json("/streams")["streams"][0]["streamKey"],
        second["stream"]["streamKey"]
    );
}

#[test]
fn who_follows_whom_survives_a_tidy_restart() {
    let mut node = Node::start();
    let (_ada, registered) =
        Client::register(&node, &json!({"username": "Ada", "role": "STREAMER"}));
    let ada = registered["user"]["id"].clone();
    let (mut bob, registered) =
        Client::register(&node, &json!({"username": "Bob", "role": "VIEWER"}));
    bob.emit("user:subscribe", &json!({"targetUserId": ada}));
    bob.heard("user:subscribed");
    node.signal("TERM");
    assert!(node.ended().success());
    let data = node.killed();

    let node = Node::start_in(data, &[]);
    let returning =
        json!({"username": "Bob", "role": "VIEWER", "resumeToken": registered["resumeToken"]});
    let (mut bob, _) = Client::register(&node, &returning);
    bob.emit("subscriptions:get", &json!({}));
    assert_eq!(
        bob.heard("subscriptions:list")["subscriptions"][0]["id"],
        ada
    );
}
