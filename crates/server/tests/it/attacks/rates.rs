//! What one address begins and asks for, whatever it comes through: so much in a while.

use super::{COUNTED, offered};
use crate::client::Client;
use crate::node::{Node, PATIENCE};
use serde_json::json;
use std::time::Instant;

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
fn who_finds_no_place_has_begun_no_session() {
    let bounds = ["--session-rate", "0/s burst 2"];
    let share = ["--sessions-per-address-max", "1"];
    let node = Node::start_with(&[&bounds[..], &share, &COUNTED].concat());
    let open = "/socket.io/?EIO=4&transport=polling";
    let first = node.get(open);
    let sid = first.text().split('"').nth(3).unwrap().to_owned();
    for _ in 0..5 {
        let refused = node.get(open);
        assert_eq!(refused.status, 429);
        let named = refused.text().contains("(sessions-per-address-max)");
        assert!(named, "{}", refused.text());
    }
    // It goes, and leaves its place.
    node.request("POST", &format!("{open}&sid={sid}"), &[], "1");
    let begun = Instant::now();
    loop {
        let again = node.get(open);
        if again.status == 200 {
            break;
        }
        assert!(!again.text().contains("session-rate"), "{}", again.text());
        assert!(begun.elapsed() < PATIENCE, "who has gone leaves no place");
    }
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
fn one_address_is_named_so_many_users_over_however_many_connections_and_others_are_named_theirs() {
    let rate = ["--address-list-rate", "0/s burst 12"];
    let node = Node::start_with(&[rate, ["--trusted-proxies", "127.0.0.1"]].concat());
    let user = |name: &str| json!({"username": name, "role": "VIEWER"});
    let (one, other) = (
        ["X-Forwarded-For: 203.0.113.1"],
        ["X-Forwarded-For: 203.0.113.2"],
    );
    let mut crowd: Vec<_> = (0..5)
        .map(|number| Client::register_with(&node, &one, &user(&format!("user {number}"))).0)
        .collect();
    let mut elsewhere = Client::register_with(&node, &other, &user("Eva")).0;
    // Six users are known, whom each list names.
    for listed in &mut crowd[..2] {
        listed.emit("users:get", &json!({}));
        listed.heard("users:list");
    }
    for refused in &mut crowd[2..] {
        refused.emit("users:get", &json!({}));
        let told = refused.heard_any();
        assert_eq!(told[0], "stream:error", "{told}");
        assert_eq!(told[1]["limit"], "address-list-rate", "{told}");
    }
    // Whom nobody is named costs nothing.
    crowd[2].emit("subscriptions:get", &json!({}));
    crowd[2].heard("subscriptions:list");
    elsewhere.emit("users:get", &json!({}));
    elsewhere.heard("users:list");
}
