//! Acknowledgements that the server asks for; those that it gives are in the peers' tests and in `binary`.

use std::time::Duration;

use abanico_socketio::{AckError, Config, EmitError, Message};

use crate::world::{Frame, Node, PATIENCE};

fn question() -> Message {
    Message::event("question", &1).unwrap()
}

#[tokio::test]
async fn answers_find_their_questions_in_any_order() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    let first = socket.emit_with_ack(&question(), PATIENCE);
    let second = socket.emit_with_ack(&question(), PATIENCE);
    assert_eq!(client.text().await, "420[\"question\",1]");
    assert_eq!(client.text().await, "421[\"question\",1]");
    client.send("431[\"two\"]").await;
    client.send("431[\"again\"]").await;
    client.send("4399[\"never asked\"]").await;
    client.send("430[]").await;
    assert_eq!(second.await.unwrap().arg::<String>(0).unwrap(), "two");
    assert_eq!(first.await.unwrap().args_len(), 0);
}

#[tokio::test]
async fn an_answer_may_bring_bytes() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    let answer = socket.emit_with_ack(&question(), PATIENCE);
    client.text().await;
    client
        .send("461-0[{\"_placeholder\":true,\"num\":0}]")
        .await;
    client.send_bytes(b"picture").await;
    let answer = answer.await.unwrap();
    assert_eq!(
        answer.attachment(answer.arg(0).unwrap()).unwrap(),
        &b"picture"[..]
    );
}

#[tokio::test]
async fn an_answer_goes_past_events_that_wait() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    client.send("42[\"wait\"]").await;
    client.send("42[\"later\"]").await;
    let answer = socket.emit_with_ack(&question(), PATIENCE);
    client.text().await;
    client.send("430[5]").await;
    assert_eq!(answer.await.unwrap().arg::<u8>(0).unwrap(), 5);
    node.permits.add_permits(1);
    assert_eq!(node.event().await.name(), "wait");
}

#[tokio::test]
async fn no_answer_is_an_error_of_its_kind() {
    let node = Node::start(Config {
        acks_pending_max: 2,
        ..Config::default()
    })
    .await;
    let (client, socket) = node.member().await;
    let unheard = socket
        .emit_with_ack(&question(), Duration::from_millis(10))
        .await;
    assert!(matches!(unheard, Err(AckError::Timeout)));
    let one = socket.emit_with_ack(&question(), PATIENCE);
    let two = socket.emit_with_ack(&question(), PATIENCE);
    let three = socket.emit_with_ack(&question(), PATIENCE).await;
    assert!(matches!(three, Err(AckError::TooMany { max: 2 })));
    drop(two);
    let four = socket.emit_with_ack(&question(), PATIENCE);
    drop(client);
    assert!(matches!(one.await, Err(AckError::Disconnected)));
    assert!(matches!(four.await, Err(AckError::Disconnected)));
    node.gone().await;
    let late = socket.emit_with_ack(&question(), PATIENCE).await;
    assert!(matches!(
        late,
        Err(AckError::Disconnected | AckError::Emit(EmitError::NotConnected))
    ));
}

#[tokio::test]
async fn a_question_may_carry_bytes() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    let answer = socket.emit_with_ack(&crate::world::message("picture", 3), PATIENCE);
    assert_eq!(
        client.text().await,
        "451-0[\"picture\",{\"_placeholder\":true,\"num\":0}]"
    );
    assert_eq!(client.frame().await, Frame::Binary(vec![7; 3]));
    client.send("430[]").await;
    answer.await.unwrap();
}
