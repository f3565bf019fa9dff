//! Rooms and broadcasts: who is reached, once, and who is not.

use abanico_socketio::{Config, DisconnectReason, EmitError, Message};

use crate::world::Node;

fn news(number: u32) -> Message {
    Message::event("news", &number).unwrap()
}

#[tokio::test]
async fn a_broadcast_reaches_the_members_of_its_rooms_once() {
    let node = Node::start(Config::default()).await;
    let main = node.main();
    let (mut one, first) = node.member().await;
    let (mut two, second) = node.member().await;
    let (mut three, _) = node.member().await;
    assert!(first.join("red") && first.join("blue") && second.join("blue"));
    assert!(first.join("red"), "to join twice is to be in once");
    assert_eq!(
        (
            main.len(),
            main.room_len("red"),
            main.room_len("blue"),
            main.room_len("none")
        ),
        (3, 1, 2, 0)
    );
    assert_eq!(main.to("red").to("blue").emit(&news(1)), 2);
    assert_eq!(main.to("blue").except(first.id()).emit(&news(2)), 1);
    assert_eq!(main.except(second.id()).emit(&news(3)), 2);
    assert_eq!(main.emit(&news(4)), 3);
    for (client, numbers) in [
        (&mut one, &[1, 3, 4][..]),
        (&mut two, &[1, 2, 4]),
        (&mut three, &[3, 4]),
    ] {
        for number in numbers {
            assert_eq!(client.text().await, format!("42[\"news\",{number}]"));
        }
    }
    first.leave("red");
    assert_eq!(first.rooms(), ["blue"]);
    assert_eq!(main.to("red").emit(&news(5)), 0);
    assert_eq!(main.to("blue").sockets().len(), 2);
}

#[tokio::test]
async fn a_socket_that_is_gone_is_in_no_room_and_takes_nothing() {
    let node = Node::start(Config::default()).await;
    let main = node.main();
    let (mut client, socket) = node.member().await;
    socket.join("red");
    assert_eq!(main.socket(socket.id()).unwrap().id(), socket.id());
    client.send("41").await;
    assert_eq!(
        node.gone().await,
        (socket.id().to_owned(), DisconnectReason::ClientDisconnect)
    );
    assert!(main.is_empty() && main.socket(socket.id()).is_none());
    assert_eq!(main.room_len("red"), 0);
    assert!(!socket.join("red"));
    assert_eq!(socket.emit(&news(1)), Err(EmitError::NotConnected));
    assert!(main.socket("no id").is_none());
    // The session goes on, and the client may come again.
    client.send("40").await;
    assert!(client.text().await.starts_with("40{"));
    assert_ne!(node.connected().await.id(), socket.id());
}

#[tokio::test]
async fn namespaces_are_apart_and_messages_find_theirs() {
    let node = Node::start(Config::default()).await;
    let (mut client, main) = node.member().await;
    client.send("40/side,").await;
    let answer = client.text().await;
    let side = node.connected().await;
    assert_eq!(answer, format!("40/side,{{\"sid\":\"{}\"}}", side.id()));
    assert_ne!(main.id(), side.id());
    assert_eq!((main.namespace(), side.namespace()), ("/", "/side"));
    side.emit(&news(1)).unwrap();
    assert_eq!(client.text().await, "42/side,[\"news\",1]");
    assert_eq!(node.server.namespace("/side").unwrap().emit(&news(2)), 1);
    assert_eq!(client.text().await, "42/side,[\"news\",2]");
    client.send("41/side,").await;
    assert_eq!(node.gone().await.0, side.id());
    client.send("42[\"echo\",1]").await;
    assert_eq!(client.text().await, "42[\"echo\",1]");
    client.send("40/nowhere").await;
    assert_eq!(
        client.text().await,
        "44/nowhere,{\"message\":\"Invalid namespace\"}"
    );
    assert!(node.server.namespace("/nowhere").is_none());
}

#[tokio::test]
async fn the_handshake_is_kept_for_the_application() {
    let node = Node::start(Config::default()).await;
    let (client, socket) = node.member().await;
    let handshake = socket.handshake();
    assert_eq!(handshake.query_param("transport").unwrap(), "websocket");
    assert_eq!(handshake.header("host"), Some("test"));
    assert_eq!(
        handshake.peer_addr(),
        Some(client.stream.local_addr().unwrap())
    );
}

#[tokio::test]
async fn a_socket_ended_by_the_application_hears_what_was_queued_first() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    socket.emit(&news(1)).unwrap();
    socket.disconnect();
    assert!(!socket.is_connected());
    assert_eq!(socket.emit(&news(2)), Err(EmitError::NotConnected));
    assert_eq!(client.text().await, "42[\"news\",1]");
    assert_eq!(client.text().await, "41");
    assert_eq!(client.close_code().await, 1000);
    assert_eq!(
        node.gone().await,
        (socket.id().to_owned(), DisconnectReason::ServerDisconnect)
    );
}
