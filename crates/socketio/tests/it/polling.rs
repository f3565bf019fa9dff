//! Polling sessions: what ends them, what they survive, and how much goes into one answer.

use std::time::Duration;

use abanico_socketio::{Config, DisconnectReason, Message};

use crate::world::{Node, Pending};

#[tokio::test]
async fn events_go_both_ways_with_binary_as_base64() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    poller
        .post("451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQIDBA==")
        .await;
    assert_eq!(
        poller.poll().await.packets(),
        [
            "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]",
            "bAQIDBA=="
        ]
    );
}

#[tokio::test]
async fn an_answer_holds_no_more_than_16_packets() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    for number in 0..40 {
        socket.emit(&Message::event("n", &number).unwrap()).unwrap();
    }
    let mut got = Vec::new();
    while got.len() < 40 {
        let answer = poller.poll().await;
        let packets = answer.packets();
        assert!(packets.len() <= 16);
        got.extend(packets.into_iter().map(str::to_owned));
    }
    let expected: Vec<_> = (0..40)
        .map(|number| format!("42[\"n\",{number}]"))
        .collect();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn an_answer_holds_no_more_bytes_than_allowed_but_one_packet_always_goes() {
    let node = Node::start(Config {
        poll_bytes_max: 110,
        ..Config::default()
    })
    .await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    for text in [
        "x".repeat(300),
        "y".repeat(40),
        "z".repeat(40),
        "w".repeat(40),
    ] {
        socket.emit(&Message::event("t", &text).unwrap()).unwrap();
    }
    let sizes = [
        poller.poll().await.packets().len(),
        poller.poll().await.packets().len(),
        poller.poll().await.packets().len(),
    ];
    assert_eq!(sizes, [1, 2, 1]);
}

#[tokio::test]
async fn a_poll_waits_until_there_is_something() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    let poll = poller.begin_poll().await;
    socket.emit(&Message::event("late", &1).unwrap()).unwrap();
    assert_eq!(poll.answer().await.packets(), ["42[\"late\",1]"]);
}

#[tokio::test]
async fn a_second_poll_ends_the_session_and_the_first_is_told() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    let (one, two) = tokio::join!(poller.poll(), poller.poll());
    let (first, second) = if one.status == 200 {
        (one, two)
    } else {
        (two, one)
    };
    assert_eq!(first.packets(), ["1"]);
    assert_eq!(
        (second.status, second.text()),
        (400, r#"{"code":3,"message":"Bad request"}"#)
    );
    assert_eq!(
        node.gone().await,
        (socket.id().to_owned(), DisconnectReason::TransportError)
    );
    assert_eq!(poller.poll().await.status, 400);
}

#[tokio::test]
async fn a_cancelled_poll_ends_the_session() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    drop(poller.begin_poll().await);
    assert_eq!(
        node.gone().await,
        (socket.id().to_owned(), DisconnectReason::TransportClose)
    );
    assert_eq!(poller.poll().await.status, 400);
    assert_eq!(node.server.sessions(), 0);
}

#[tokio::test]
async fn a_post_that_is_no_packet_ends_the_session() {
    for body in [&b"abc"[..], b"", b"4\x1e", b"b***", b"4\xff", b"2"] {
        let node = Node::start(Config::default()).await;
        let poller = node.polling().await;
        poller.enter().await;
        node.connected().await;
        poller.post(body).await;
        assert_eq!(
            node.gone().await.1,
            DisconnectReason::ParseError,
            "{body:?}"
        );
        assert_eq!(poller.poll().await.status, 400);
    }
}

#[tokio::test]
async fn a_goodbye_ends_the_session_and_the_waiting_poll() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    node.connected().await;
    let poll = poller.begin_poll().await;
    assert_eq!(poller.post("42[\"last\"]\u{1e}1").await.text(), "ok");
    assert_eq!(poll.answer().await.packets(), ["6"]);
    assert_eq!(poller.poll().await.status, 400);
    assert_eq!(node.event().await.name(), "last");
    assert_eq!(node.gone().await.1, DisconnectReason::ClientDisconnect);
}

#[tokio::test]
async fn a_post_that_is_too_large_is_refused_and_the_session_lives_on() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    node.connected().await;
    let body = |bytes: usize| format!("42[\"large\",\"{}\"]", "x".repeat(bytes - 14));
    assert_eq!(poller.post(body(1_000_001)).await.status, 413);
    assert_eq!(poller.post(body(1_000_000)).await.text(), "ok");
    assert_eq!(node.event().await.name(), "large");
    // An announcement alone is enough.
    let headers = "Content-Length: 1000000000\r\n";
    let target = poller.target();
    let raw = Pending::send_head(node.addr, "POST", &target, headers).await;
    assert_eq!(raw.answer().await.status, 413);
    // Chunks announce nothing.
    let mut chunked = b"F4240\r\n".to_vec();
    chunked.extend(vec![b'x'; 1_000_000]);
    chunked.extend(b"\r\n1\r\nx\r\n0\r\n\r\n");
    let raw =
        Pending::send_head(node.addr, "POST", &target, "Transfer-Encoding: chunked\r\n").await;
    assert_eq!(raw.then(&chunked).await.answer().await.status, 413);
    assert_eq!(poller.post("42[\"after\"]").await.text(), "ok");
    assert_eq!(node.event().await.name(), "after");
}

#[tokio::test]
async fn two_posts_at_a_time_end_the_session() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    node.connected().await;
    let headers = "Content-Length: 10\r\n";
    let slow = Pending::send_head(node.addr, "POST", &poller.target(), headers).await;
    let second = loop {
        let answer = poller.post("42[\"again\"]").await;
        if answer.status != 200 {
            break answer;
        }
        assert_eq!(node.event().await.name(), "again");
    };
    assert_eq!(second.status, 400);
    assert_eq!(node.gone().await.1, DisconnectReason::TransportError);
    drop(slow);
}

#[tokio::test]
async fn a_post_that_never_comes_ends_the_session() {
    let config = Config {
        body_timeout: Duration::from_millis(50),
        ..Config::default()
    };
    let node = Node::start(config).await;
    let poller = node.polling().await;
    poller.enter().await;
    node.connected().await;
    let slow = Pending::send_head(
        node.addr,
        "POST",
        &poller.target(),
        "Content-Length: 10\r\n",
    )
    .await;
    assert_eq!(slow.answer().await.status, 400);
    assert_eq!(node.gone().await.1, DisconnectReason::ParseError);
}

#[tokio::test]
async fn other_methods_and_the_wrong_transport_are_refused_and_harm_nothing() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    node.connected().await;
    let query = format!("?EIO=4&transport=polling&sid={}", poller.sid);
    assert_eq!(node.request("PUT", &query, b"4x").await.status, 400);
    assert_eq!(
        node.request("GET", &query.replace("polling", "websocket"), b"")
            .await
            .status,
        400
    );
    assert_eq!(poller.post("42[\"after\"]").await.text(), "ok");
    assert_eq!(node.event().await.name(), "after");
    let websocket = node.websocket().await;
    drop(websocket);
}
