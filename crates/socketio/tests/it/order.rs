//! One client's events are handled one after the other, in the order in which they came.

use abanico_socketio::Config;

use crate::world::Node;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_events_keep_their_order_while_the_handler_waits() {
    let node = Node::start(Config::default()).await;
    let clients: u32 = 4;
    let count: u32 = 2000;
    let mut sockets = Vec::new();
    for _ in 0..clients {
        sockets.push(node.member().await.0);
    }
    for (client, mut socket) in sockets.into_iter().enumerate() {
        tokio::spawn(async move {
            for number in 0..count {
                let name = if number.is_multiple_of(3) {
                    "wait"
                } else {
                    "go"
                };
                socket
                    .send(&format!("42[\"{name}\",{client},{number}]"))
                    .await;
            }
            // The connection stays open until the server has read everything.
            std::future::pending::<()>().await;
        });
    }
    let mut next = vec![0; clients as usize];
    for seen in 0..clients * count {
        if seen.is_multiple_of(2) {
            node.permits.add_permits(1);
        }
        let event = node.event().await;
        let (client, number): (usize, u32) = (event.arg(0).unwrap(), event.arg(1).unwrap());
        assert_eq!(number, next[client], "client {client}");
        next[client] += 1;
    }
}

#[tokio::test]
async fn events_sent_right_after_connect_wait_for_it() {
    let node = Node::start(Config::default()).await;
    let mut socket = node.websocket().await;
    for text in [
        "40{\"do\":\"wait\"}",
        "42[\"first\"]",
        "42[\"second\"]",
        "41",
        "40",
        "42[\"third\"]",
    ] {
        socket.send(text).await;
    }
    node.permits.add_permits(1);
    let first = node.connected().await;
    assert_eq!(node.event().await.name(), "first");
    assert_eq!(node.event().await.name(), "second");
    assert_eq!(node.gone().await.0, first.id());
    let second = node.connected().await;
    assert_ne!(first.id(), second.id());
    assert_eq!(node.event().await.name(), "third");
}
