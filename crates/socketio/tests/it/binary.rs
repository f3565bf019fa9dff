//! Attachments: counted, gathered, and refused beyond their bounds.

use std::time::Duration;

use abanico_socketio::{Config, DisconnectReason};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::world::{Frame, Node};

#[derive(Deserialize)]
struct Picture<'a> {
    key: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[tokio::test]
async fn an_argument_may_borrow_and_find_its_attachment() {
    let node = Node::start(Config::default()).await;
    let (mut client, _) = node.member().await;
    client
        .send("452-[\"picture\",{\"key\":\"k\",\"data\":{\"_placeholder\":true,\"num\":1}},null]")
        .await;
    client.send_bytes(b"zero").await;
    client.send_bytes(b"one").await;
    let event = node.event().await;
    assert_eq!((event.args_len(), event.attachments().len()), (2, 2));
    let picture: Picture<'_> = event.arg(0).unwrap();
    assert_eq!(picture.key, "k");
    assert_eq!(event.attachment(picture.data).unwrap(), &b"one"[..]);
    assert!(event.attachment(event.arg(1).unwrap()).is_none());
    assert!(event.arg::<u8>(2).is_err() && event.arg::<u8>(0).is_err());
    assert!(event.ack().is_none());
}

#[tokio::test]
async fn attachments_come_back_as_frames_of_their_own() {
    let node = Node::start(Config::default()).await;
    let (mut client, _) = node.member().await;
    let list = "{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}";
    client.send(&format!("452-[\"echo\",{list}]")).await;
    client.send_bytes(&[1; 70_000]).await;
    client.send_bytes(b"").await;
    assert_eq!(client.text().await, format!("452-[\"echo\",{list}]"));
    assert_eq!(client.frame().await, Frame::Binary(vec![1; 70_000]));
    assert_eq!(client.frame().await, Frame::Binary(Vec::new()));
}

#[tokio::test]
async fn more_attachments_than_allowed_end_the_session() {
    let node = Node::start(Config::default()).await;
    let (mut client, _) = node.member().await;
    client.send("4510-[\"many\"]").await;
    for _ in 0..10 {
        client.send_bytes(b"x").await;
    }
    assert_eq!(node.event().await.attachments().len(), 10);
    client.send("4511-[\"many\"]").await;
    assert_eq!(client.close_code().await, 1002);
    assert_eq!(node.gone().await.1, DisconnectReason::ParseError);
}

#[tokio::test]
async fn more_bytes_than_allowed_end_the_session() {
    let node = Node::start(Config {
        event_bytes_max: 100_000,
        ..Config::default()
    })
    .await;
    let (mut client, _) = node.member().await;
    client.send("452-[\"large\"]").await;
    client.send_bytes(&[0; 60_000]).await;
    client.send_bytes(&[0; 60_000]).await;
    assert_eq!(client.close_code().await, 1002);
    assert_eq!(node.gone().await.1, DisconnectReason::ParseError);
}

#[tokio::test]
async fn an_event_is_as_large_as_a_message_and_its_text_has_room_beside_it() {
    let node = Node::start(Config::default()).await;
    let (mut client, _) = node.member().await;
    client.send("451-[\"large\"]").await;
    client.send_bytes(&vec![0; 1_000_000]).await;
    assert_eq!(node.event().await.attachments()[0].len(), 1_000_000);
    client.send("452-[\"larger\"]").await;
    client.send_bytes(&vec![0; 1_000_000]).await;
    client.send_bytes(&[0; 70_000]).await;
    assert_eq!(client.close_code().await, 1002);
    assert_eq!(node.gone().await.1, DisconnectReason::ParseError);
}

#[tokio::test]
async fn what_is_not_whole_in_time_ends_its_session() {
    let node = Node::start(Config {
        message_timeout: Duration::from_millis(100),
        ..Config::default()
    })
    .await;
    let fragment = [&[0x01, 0x80 | 3, 0, 0, 0, 0][..], b"42["].concat();
    let beginning = [0x82, 0x80 | 100, 0, 0, 0, 0, 1, 2, 3];
    for part in [&fragment[..], &beginning] {
        let (mut client, _) = node.member().await;
        client.send_raw(part).await;
        assert_eq!(client.close_code().await, 1008);
        assert_eq!(node.gone().await.1, DisconnectReason::MessageTimeout);
    }
    let (mut client, _) = node.member().await;
    client.send("453-[\"never\"]").await;
    for part in [&b"one"[..], b"two"] {
        client.send_bytes(part).await;
    }
    assert_eq!(client.close_code().await, 1008);
    assert_eq!(node.gone().await.1, DisconnectReason::MessageTimeout);

    let poller = node.polling().await;
    poller.enter().await;
    node.connected().await;
    assert_eq!(poller.post("452-[\"never\"]\u{1e}bAQID").await.text(), "ok");
    assert_eq!(node.gone().await.1, DisconnectReason::MessageTimeout);
}

#[tokio::test]
async fn who_has_said_all_is_not_blamed_for_a_process_that_stood_still() {
    let node = Node::start(Config {
        message_timeout: Duration::from_millis(100),
        ..Config::default()
    })
    .await;
    let (mut client, _) = node.member().await;
    client
        .send_raw(&[&[0x01, 0x80 | 3, 0, 0, 0, 0][..], b"42["].concat())
        .await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let rest = b"\"echo\",1]";
    let end = [&[0x80, 0x80 | 9, 0, 0, 0, 0][..], rest].concat();
    client.send_raw(&end).await;
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(client.text().await, "42[\"echo\",1]");
}
