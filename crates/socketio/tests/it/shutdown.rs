//! The server goes down: nothing is cut, everybody is told.

use std::time::Duration;

use abanico_socketio::{Config, DisconnectReason};

use crate::world::{Frame, Node, message, soon};

#[tokio::test]
async fn what_is_queued_is_written_and_websockets_close_with_1001() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    for _ in 0..20 {
        socket.emit(&message("picture", 100_000)).unwrap();
    }
    let server = node.server.clone();
    let going_down = tokio::spawn(async move { server.shutdown().await });
    for _ in 0..20 {
        assert!(client.text().await.starts_with("451-[\"picture\""));
        assert!(matches!(client.frame().await, Frame::Binary(bytes) if bytes.len() == 100_000));
    }
    assert_eq!(client.close_code().await, 1001);
    drop(client);
    soon(going_down).await.unwrap();
    assert_eq!(node.gone().await.1, DisconnectReason::ServerShutdown);
    assert_eq!(node.server.sessions(), 0);
    assert_eq!(
        node.request("GET", "?EIO=4&transport=polling", b"")
            .await
            .status,
        503
    );
}

#[tokio::test]
async fn polls_are_answered() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    socket.emit(&message("picture", 10)).unwrap();
    let server = node.server.clone();
    let going_down = tokio::spawn(async move { server.shutdown().await });
    assert_eq!(poller.poll().await.packets().len(), 2);
    assert_eq!(poller.poll().await.packets(), ["1"]);
    soon(going_down).await.unwrap();
    assert_eq!(poller.poll().await.status, 400);
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_hold_it_up() {
    let node = Node::start(Config {
        close_timeout: Duration::from_millis(100),
        ..Config::default()
    })
    .await;
    let (_reads_nothing, socket) = node.member().await;
    while socket.emit(&message("picture", 100_000)).is_ok() && node.server.sessions() == 1 {
        tokio::task::yield_now().await;
        if socket.emit(&message("picture", 1_000_000)).is_err() {
            break;
        }
    }
    soon(node.server.shutdown()).await;
    assert_eq!(node.server.sessions(), 0);
}
