//! Requests that open no session: each has its literal answer.

use abanico_socketio::{Config, Cors};

use crate::world::{Node, Pending, WebSocket};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";

#[tokio::test]
async fn each_refusal_has_its_code_and_text() {
    let node = Node::start(Config::default()).await;
    let cases = [
        ("GET", "", r#"{"code":0,"message":"Transport unknown"}"#),
        (
            "GET",
            "?EIO=4",
            r#"{"code":0,"message":"Transport unknown"}"#,
        ),
        (
            "GET",
            "?EIO=4&transport=carrier-pigeon",
            r#"{"code":0,"message":"Transport unknown"}"#,
        ),
        (
            "GET",
            "other?EIO=4&transport=polling",
            r#"{"code":0,"message":"Transport unknown"}"#,
        ),
        (
            "GET",
            "?EIO=4&transport=polling&sid=none",
            r#"{"code":1,"message":"Session ID unknown"}"#,
        ),
        (
            "GET",
            "?EIO=4&transport=polling&sid=aaaaaaaaaaaaaaaaaaaa",
            r#"{"code":1,"message":"Session ID unknown"}"#,
        ),
        (
            "GET",
            "?EIO=4&transport=polling&sid=%ff",
            r#"{"code":1,"message":"Session ID unknown"}"#,
        ),
        (
            "POST",
            "?EIO=4&transport=polling",
            r#"{"code":2,"message":"Bad handshake method"}"#,
        ),
        (
            "PUT",
            "?EIO=4&transport=polling",
            r#"{"code":2,"message":"Bad handshake method"}"#,
        ),
        (
            "GET",
            "?EIO=4&transport=websocket",
            r#"{"code":3,"message":"Bad request"}"#,
        ),
        (
            "GET",
            "?EIO=3&transport=polling",
            r#"{"code":5,"message":"Unsupported protocol version"}"#,
        ),
        (
            "GET",
            "?transport=polling",
            r#"{"code":5,"message":"Unsupported protocol version"}"#,
        ),
    ];
    for (method, query, body) in cases {
        let answer = node.request(method, query, b"").await;
        assert_eq!(
            (answer.status, answer.text()),
            (400, body),
            "{method} {query}"
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(node.server.sessions(), 0);
}

#[tokio::test]
async fn a_path_without_its_slash_is_refused() {
    let node = Node::start(Config::default()).await;
    let answer = node
        .request_with("GET", "/socket.io?EIO=4&transport=polling", "", b"")
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_refused() {
    let node = Node::start(Config::default()).await;
    let target = "/socket.io/?EIO=4&transport=websocket";
    for key in ["", "Sec-WebSocket-Key: short\r\n"] {
        let answer = Pending::send(node.addr, "GET", target, &format!("{UPGRADE}{key}"), b"")
            .await
            .answer()
            .await;
        assert_eq!(answer.text(), r#"{"code":3,"message":"Bad request"}"#);
    }
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let unknown = format!("{target}&sid=aaaaaaaaaaaaaaaaaaaa");
    let answer = Pending::send(node.addr, "GET", &unknown, &format!("{UPGRADE}{key}"), b"")
        .await
        .answer()
        .await;
    assert_eq!(
        answer.text(),
        r#"{"code":1,"message":"Session ID unknown"}"#
    );
}

#[tokio::test]
async fn a_page_of_another_origin_is_told_what_it_may_send() {
    let node = Node::start(Config::default()).await;
    let asked = "Origin: http://other\r\nAccess-Control-Request-Headers: x-one,x-two\r\n";
    let answer = node
        .request_with("OPTIONS", "/socket.io/?EIO=4&transport=polling", asked, b"")
        .await;
    assert_eq!((answer.status, answer.text()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("GET,POST")
    );
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("x-one,x-two")
    );
}

#[tokio::test]
async fn cors_can_be_left_out() {
    let node = Node::start(Config {
        cors: Cors::SameOrigin,
        ..Config::default()
    })
    .await;
    let answer = node.request("GET", "?EIO=4&transport=polling", b"").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let answer = node.request("OPTIONS", "", b"").await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-methods")),
        (204, None)
    );
}

#[tokio::test]
async fn the_opening_packet_says_what_is_configured() {
    let node = Node::start(Config::default()).await;
    let answer = node.request("GET", "?EIO=4&transport=polling", b"").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=UTF-8")
    );
    let open: serde_json::Value =
        serde_json::from_str(answer.text().strip_prefix('0').unwrap()).unwrap();
    assert_eq!(open["sid"].as_str().unwrap().len(), 20);
    assert_eq!(open["upgrades"], serde_json::json!(["websocket"]));
    assert_eq!(
        (&open["pingInterval"], &open["pingTimeout"]),
        (&25_000.into(), &20_000.into())
    );
    assert_eq!(open["maxPayload"], 1_000_000);
    assert_eq!(open.as_object().unwrap().len(), 5);
}

#[tokio::test]
async fn one_session_too_many_is_told_to_come_back() {
    let node = Node::start(Config {
        sessions_max: 1,
        ..Config::default()
    })
    .await;
    let mut first = WebSocket::open(node.addr, "EIO=4&transport=websocket").await;
    let answer = node.request("GET", "?EIO=4&transport=polling", b"").await;
    assert_eq!(
        (answer.status, answer.text()),
        (
            503,
            r#"{"code":6,"message":"Server is full (sessions-max)"}"#
        )
    );
    assert!(answer.header("retry-after").is_some());
    first.text().await;
    first.send("1").await;
    first.close_code().await;
    drop(first);
    // Its place is free when the server has seen that its connection is gone.
    while node
        .request("GET", "?EIO=4&transport=polling", b"")
        .await
        .status
        == 503
    {}
    assert_eq!(node.server.sessions(), 1);
}
