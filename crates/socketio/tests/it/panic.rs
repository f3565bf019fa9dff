//! A handler that panics costs its socket, and nothing else.

use abanico_socketio::{Config, DisconnectReason, Feed, Message};
use std::task::{Context, Poll};

use crate::world::Node;

#[tokio::test]
async fn a_panic_in_an_event_ends_its_socket_and_disconnect_is_still_called() {
    let node = Node::start(Config::default()).await;
    let (mut other, _) = node.member().await;
    let (mut client, socket) = node.member().await;
    client.send("42[\"panic\"]").await;
    assert_eq!(
        node.gone().await,
        (socket.id().to_owned(), DisconnectReason::HandlerPanic)
    );
    assert_eq!(client.text().await, "41");
    assert_eq!(client.close_code().await, 1000);
    assert_eq!(node.main().len(), 1);
    other.send("42[\"echo\"]").await;
    assert_eq!(other.text().await, "42[\"echo\"]");
}

#[tokio::test]
async fn a_panic_in_one_namespace_leaves_the_other() {
    let node = Node::start(Config::default()).await;
    let (mut client, _) = node.member().await;
    client.send("40/side").await;
    assert!(client.text().await.starts_with("40/side,{"));
    node.connected().await;
    client.send("42[\"panic\"]").await;
    assert_eq!(client.text().await, "41");
    client.send("42[\"late\"]").await;
    client.send("42/side,[\"echo\"]").await;
    assert_eq!(client.text().await, "42/side,[\"echo\"]");
}

#[tokio::test]
async fn a_panic_in_connect_refuses_the_client() {
    let node = Node::start(Config::default()).await;
    let mut client = node.websocket().await;
    client.send("40{\"do\":\"panic\"}").await;
    assert_eq!(client.text().await, r#"44{"message":"internal error"}"#);
    client.send("40").await;
    assert!(client.text().await.starts_with("40{"));
}

struct Faulty;

impl Feed for Faulty {
    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<Option<Message>> {
        panic!("the feed was told to")
    }
}

#[tokio::test]
async fn a_panic_in_a_feed_ends_its_session() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    socket.attach(Faulty);
    assert_eq!(client.close_code().await, 1011);
    assert_eq!(
        node.gone().await,
        (socket.id().to_owned(), DisconnectReason::HandlerPanic)
    );
}
