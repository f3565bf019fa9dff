//! Which routes there are, and what they say.

use crate::client::Client;
use crate::node::Node;
use serde_json::json;

#[test]
fn health_has_the_fields_of_all_three_bodies() {
    let node = Node::start();
    let answer = node.get("/health");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        node.json("/health"),
        json!({
            "status": "ok",
            "activeStreams": 0,
            "connectedUsers": 0,
            "users": {"total": 0, "connected": 0, "disconnected": 0},
            "distribution": {"activeStreams": 0, "totalViewers": 0, "heldBytes": 0, "streamDetails": []},
        })
    );
}

#[test]
fn health_tells_of_a_live_stream_without_its_key() {
    let node = Node::start();
    let (_ada, key) = Client::live(&node, "Ada");
    let health = node.json("/health");
    let shortened = format!("{}...", &key[..6]).replace("...", "…");
    let shown = health["distribution"]["streamDetails"][0]["streamKey"]
        .as_str()
        .unwrap()
        .replace("...", "…");
    assert_eq!(shown, shortened);
    assert_eq!(health["activeStreams"], 1);
    assert_eq!(health["users"]["connected"], 1);
    assert!(!health.to_string().contains(&key));
}

#[test]
fn streams_lists_what_is_live() {
    let node = Node::start();
    assert_eq!(node.json("/streams"), json!({"streams": []}));
    let (_ada, key) = Client::live(&node, "Ada");
    let listed = node.json("/streams");
    assert_eq!(listed["streams"][0]["streamKey"], key);
    assert_eq!(listed["streams"][0]["status"], "ACTIVE");
    assert_eq!(listed["streams"][0]["streamerUsername"], "Ada");
    assert!(!listed.to_string().to_lowercase().contains("token"));
}

#[test]
fn a_picture_stream_has_a_poster_for_nobody_to_keep() {
    let node = Node::start();
    let (mut ada, key) = Client::live(&node, "Ada");
    assert_eq!(node.get(&format!("/streams/{key}/poster")).status, 404);
    // The smallest thing that begins as a JPEG does.
    let picture = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQEASABIAAD/2Q==";
    ada.emit(
        "stream:data:send",
        &json!({"streamKey": key, "data": picture}),
    );
    // What one client says is handled in order: with the answer to this, the picture is there.
    ada.emit("users:get", &json!({}));
    ada.heard("users:list");

    let poster = node.get(&format!("/streams/{key}/poster"));
    assert_eq!(
        (poster.status, poster.header("content-type")),
        (200, Some("image/jpeg"))
    );
    assert_eq!(poster.header("cache-control"), Some("no-store"));
    assert!(poster.body.starts_with(&[0xff, 0xd8, 0xff]));
}

#[test]
fn a_poster_of_no_stream_is_404() {
    let node = Node::start();
    let poster = node.get("/streams/00000000000000000000000000000000/poster");
    assert_eq!(poster.status, 404);
    assert_eq!(poster.header("cache-control"), Some("no-store"));
}

#[test]
fn what_is_not_there_is_404_with_its_path_as_text() {
    let node = Node::start();
    for path in [
        "/x",
        "/socket.io",
        "/assets/x.js",
        "/streams/x",
        "/../Cargo.toml",
        "/.env",
    ] {
        let answer = node.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            answer.text().contains("<pre>Cannot GET /"),
            "{path}: {}",
            answer.text()
        );
        assert_eq!(
            answer.header("content-security-policy"),
            Some("default-src 'none'")
        );
    }
    let answer = node.get("/<script>alert(1)</script>");
    assert!(
        answer.status == 400 || answer.text().contains("&lt;script&gt;"),
        "{}",
        answer.text()
    );
}

#[test]
fn a_wrong_method_is_404_as_in_express() {
    let node = Node::start();
    let answer = node.request("POST", "/health", &[], "x");
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("Cannot POST /health"));
}

#[test]
fn head_has_the_head_of_get_and_no_body() {
    let node = Node::start();
    for path in ["/", "/health", "/socket.io/socket.io.js"] {
        let (get, head) = (node.get(path), node.request("HEAD", path, &[], ""));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(
            head.header("content-length"),
            get.header("content-length"),
            "{path}"
        );
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
    }
}
