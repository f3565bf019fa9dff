//! Pings, and the ends that come by the clock.

use std::time::Duration;

use abanico_socketio::{Config, DisconnectReason};

use crate::world::{Frame, Node, pass};

fn quick() -> Config {
    Config {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(100),
        ..Config::default()
    }
}

#[tokio::test]
async fn a_websocket_is_pinged_and_closed_when_it_does_not_answer() {
    let node = Node::start(quick()).await;
    let (mut client, _) = node.member().await;
    for _ in 0..3 {
        assert_eq!(client.frame().await, Frame::Text("2".into()));
        client.send("3").await;
    }
    assert_eq!(client.frame().await, Frame::Text("2".into()));
    // Anything but a pong does not count.
    client.send("42[\"x\"]").await;
    node.event().await;
    assert_eq!(client.close_code().await, 1008);
    assert_eq!(node.gone().await.1, DisconnectReason::PingTimeout);
}

#[tokio::test]
async fn pings_come_as_often_as_was_said_however_long_a_pong_is_waited_for() {
    let node = Node::start(Config {
        ping_timeout: Duration::from_secs(600),
        ..quick()
    })
    .await;
    let (mut client, _) = node.member().await;
    for _ in 0..3 {
        assert_eq!(client.frame().await, Frame::Text("2".into()));
        client.send("3").await;
    }
}

#[tokio::test]
async fn a_polling_session_is_gone_when_its_time_is_over_to_the_millisecond() {
    let node = Node::start(quick()).await;
    let poller = node.polling().await;
    pass(Duration::from_millis(200)).await;
    assert_eq!(
        poller.post("3").await.text(),
        r#"{"code":1,"message":"Session ID unknown"}"#
    );
}

#[tokio::test]
async fn a_polling_session_lives_by_its_pongs() {
    let node = Node::start(quick()).await;
    let poller = node.polling().await;
    for _ in 0..4 {
        assert_eq!(poller.poll().await.packets(), ["2"]);
        assert_eq!(poller.post("3").await.text(), "ok");
    }
}

#[tokio::test]
async fn a_client_is_not_blamed_for_pongs_that_were_not_read() {
    let node = Node::start(Config {
        inbound_messages_max: 1,
        ..quick()
    })
    .await;
    let (mut client, socket) = node.member().await;
    for _ in 0..3 {
        client.send("42[\"wait\"]").await;
    }
    while client.frame().await != Frame::Text("2".into()) {}
    client.send("3").await;
    pass(Duration::from_millis(500)).await;
    assert!(
        socket.is_connected(),
        "the pong waits behind events that the handler has not taken"
    );
    node.permits.add_permits(3);
    for _ in 0..3 {
        node.event().await;
    }
    assert_eq!(client.frame().await, Frame::Text("2".into()));
    assert!(socket.is_connected());
}

#[tokio::test]
async fn a_session_without_a_namespace_ends() {
    let node = Node::start(Config {
        connect_timeout: Duration::from_millis(50),
        ..Config::default()
    })
    .await;
    let mut silent = node.websocket().await;
    assert_eq!(silent.close_code().await, 1000);
    let mut refused = node.websocket().await;
    refused.send("40{\"do\":\"refuse\"}").await;
    assert_eq!(refused.text().await, r#"44{"message":"no","data":7}"#);
    assert_eq!(refused.close_code().await, 1000);
    let (mut member, _) = node.member().await;
    pass(Duration::from_millis(100)).await;
    member.send("42[\"echo\"]").await;
    assert_eq!(member.text().await, "42[\"echo\"]");
}
