//! From polling to WebSocket: the probe, what becomes of polls, and what a probe that fails leaves behind.

use std::time::Duration;

use abanico_socketio::{Config, Message, Transport};

use crate::world::{Frame, Node, soon};

#[tokio::test]
async fn the_waiting_poll_gets_a_noop_and_later_ones_are_refused() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    let poll = poller.begin_poll().await;
    let mut websocket = poller.upgrade().await;
    websocket.send("2probe").await;
    assert_eq!(websocket.frame().await, Frame::Text("3probe".into()));
    assert_eq!(poll.answer().await.packets(), ["6"]);
    assert_eq!(
        poller.poll().await.packets(),
        ["6"],
        "polls between probe and upgrade end at once"
    );
    assert_eq!(socket.transport(), Transport::Polling);
    websocket.send("5").await;
    websocket.send("42[\"echo\",1]").await;
    assert_eq!(websocket.text().await, "42[\"echo\",1]");
    assert_eq!(socket.transport(), Transport::WebSocket);
    assert_eq!(
        poller.poll().await.text(),
        r#"{"code":3,"message":"Bad request"}"#
    );
    assert_eq!(
        poller.post("42[\"x\"]").await.text(),
        r#"{"code":3,"message":"Bad request"}"#
    );
    websocket.send("42[\"echo\",2]").await;
    assert_eq!(websocket.text().await, "42[\"echo\",2]");
}

#[tokio::test]
async fn probe_and_upgrade_in_one_go_leave_no_room_for_a_poll() {
    for _ in 0..50 {
        let node = Node::start(Config::default()).await;
        let poller = node.polling().await;
        let mut websocket = poller.upgrade().await;
        websocket.send("2probe").await;
        websocket.send("5").await;
        assert_eq!(poller.poll().await.status, 400);
        assert_eq!(websocket.frame().await, Frame::Text("3probe".into()));
    }
}

#[tokio::test]
async fn what_was_queued_for_polling_goes_over_the_websocket_in_order() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    let emit = |number: u32| socket.emit(&Message::event("n", &number).unwrap()).unwrap();
    (0..30).for_each(emit);
    let mut got: Vec<String> = poller
        .poll()
        .await
        .packets()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut websocket = poller.upgrade().await;
    websocket.send("2probe").await;
    assert_eq!(websocket.frame().await, Frame::Text("3probe".into()));
    (30..40).for_each(emit);
    websocket.send("5").await;
    (40..50).for_each(emit);
    while got.len() < 50 {
        got.push(websocket.text().await);
    }
    let expected: Vec<_> = (0..50)
        .map(|number| format!("42[\"n\",{number}]"))
        .collect();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_post_before_the_upgrade_is_handled_before_what_follows() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    node.connected().await;
    let many: Vec<_> = (0..100)
        .map(|number| format!("42[\"wait\",{number}]"))
        .collect();
    assert_eq!(poller.post(many.join("\u{1e}")).await.text(), "ok");
    let mut websocket = poller.upgrade().await;
    websocket.send("2probe").await;
    assert_eq!(websocket.frame().await, Frame::Text("3probe".into()));
    websocket.send("5").await;
    for number in 100..150 {
        websocket.send(&format!("42[\"wait\",{number}]")).await;
    }
    node.permits.add_permits(150);
    for number in 0..150 {
        assert_eq!(node.event().await.arg::<u32>(0).unwrap(), number);
    }
}

#[tokio::test]
async fn a_probe_that_fails_leaves_the_session_polling() {
    let node = Node::start(Config {
        upgrade_timeout: Duration::from_millis(50),
        ..Config::default()
    })
    .await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    for words in [&["4hello"][..], &["2probe", "4hello"], &["5"], &[]] {
        let mut websocket = poller.upgrade().await;
        for word in words {
            websocket.send(word).await;
        }
        // Without words it is the time-out that ends it.
        while websocket.frame().await != Frame::End {}
        socket
            .emit(&Message::event("still", "here").unwrap())
            .unwrap();
        assert_eq!(
            poller.poll().await.packets(),
            ["42[\"still\",\"here\"]"],
            "after {words:?}"
        );
    }
    let mut websocket = poller.upgrade().await;
    websocket.send("2probe").await;
    assert_eq!(websocket.frame().await, Frame::Text("3probe".into()));
    websocket.send("5").await;
    websocket.send("42[\"echo\"]").await;
    assert_eq!(websocket.text().await, "42[\"echo\"]");
}

#[tokio::test]
async fn a_second_websocket_for_a_session_is_closed() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    let mut first = poller.upgrade().await;
    let mut second = poller.upgrade().await;
    assert_eq!(second.close_code().await, 1000);
    first.send("2probe").await;
    assert_eq!(first.frame().await, Frame::Text("3probe".into()));
    first.send("5").await;
    first.send("40").await;
    assert!(first.text().await.starts_with("40{"));
    let mut third = poller.upgrade().await;
    assert_eq!(third.close_code().await, 1000);
}

#[tokio::test]
async fn a_poll_between_probe_and_upgrade_gets_data_if_there_is_any() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    let mut websocket = poller.upgrade().await;
    websocket.send("2probe").await;
    assert_eq!(websocket.frame().await, Frame::Text("3probe".into()));
    socket.emit(&Message::event("n", &1).unwrap()).unwrap();
    assert_eq!(soon(poller.poll()).await.packets(), ["42[\"n\",1]"]);
}
