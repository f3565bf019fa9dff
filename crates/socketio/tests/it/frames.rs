//! WebSocket sessions: what a client may not send, and how it is told.

use abanico_socketio::{Config, DisconnectReason};

use crate::world::{Frame, Node, WebSocket, frame, header, message, serve};

/// Sends bytes as a member of the main namespace; the close code and the reason that the application is told.
async fn refusal_of(bytes: &[u8]) -> (u16, DisconnectReason) {
    let node = Node::start(Config {
        fragments_max: 3,
        ..Config::default()
    })
    .await;
    let (mut socket, _) = node.member().await;
    socket.send_raw(bytes).await;
    let code = socket.close_code().await;
    assert_eq!(socket.frame().await, Frame::End);
    (code, node.gone().await.1)
}

#[tokio::test]
async fn broken_frames_close_with_their_code() {
    let error = DisconnectReason::TransportError;
    assert_eq!(
        refusal_of(b"\x81\x05hello").await,
        (1002, error),
        "not masked"
    );
    assert_eq!(
        refusal_of(&frame(0xc1, b"4x")).await,
        (1002, error),
        "reserved bit"
    );
    assert_eq!(
        refusal_of(&frame(0x83, b"4x")).await,
        (1002, error),
        "reserved opcode"
    );
    assert_eq!(
        refusal_of(&frame(0x80, b"4x")).await,
        (1002, error),
        "continuation of nothing"
    );
    assert_eq!(
        refusal_of(&frame(0x09, b"")).await,
        (1002, error),
        "fragmented ping"
    );
    assert_eq!(
        refusal_of(&frame(0x89, &[0; 126])).await,
        (1002, error),
        "long ping"
    );
    assert_eq!(
        refusal_of(&frame(0x81, b"4\xff")).await,
        (1007, error),
        "not UTF-8"
    );
    let fragments = [
        frame(0x01, b"4"),
        frame(0, b"x"),
        frame(0, b"x"),
        frame(0, b"x"),
    ]
    .concat();
    assert_eq!(
        refusal_of(&fragments).await,
        (1008, error),
        "too many fragments"
    );
}

#[tokio::test]
async fn what_is_no_packet_closes_with_1002() {
    let parse = DisconnectReason::ParseError;
    let texts = [
        "",
        "7",
        "2probe",
        "4",
        "4abc",
        "42",
        "42{}",
        "42[]",
        "42[1",
        "42[\"connect\"]",
        "42[\"newListener\"]",
        "40",
        "44{}",
        "43[]",
        "42/elsewhere,[\"x\"]",
        "451-[\"x\"]",
        "4511-[\"x\"]",
    ];
    for text in texts {
        let mut bytes = frame(0x81, text.as_bytes());
        // A text where attachments are due.
        bytes.extend(if text.starts_with("451-") {
            frame(0x81, b"42[\"x\"]")
        } else {
            Vec::new()
        });
        assert_eq!(refusal_of(&bytes).await, (1002, parse), "{text:?}");
    }
    assert_eq!(
        refusal_of(&frame(0x82, b"stray")).await,
        (1002, parse),
        "bytes that nothing announced"
    );
}

#[tokio::test]
async fn a_message_too_large_is_refused_from_its_header_alone() {
    let error = DisconnectReason::TransportError;
    assert_eq!(refusal_of(&header(0x81, 1_000_001)).await, (1009, error));
    assert_eq!(refusal_of(&header(0x82, 1 << 40)).await, (1009, error));
    let fragments = [frame(0x02, &[0; 600_000]), header(0x80, 400_001)].concat();
    assert_eq!(refusal_of(&fragments).await, (1009, error));
    // The close frame gets through although the client goes on sending.
    assert_eq!(
        refusal_of(&frame(0x82, &vec![0; 3_000_000])).await,
        (1009, error)
    );
}

#[tokio::test]
async fn a_message_at_the_bound_passes() {
    let node = Node::start(Config::default()).await;
    let (mut socket, _) = node.member().await;
    let text = format!("42[\"large\",\"{}\"]", "x".repeat(1_000_000 - 14));
    socket.send(&text).await;
    assert_eq!(
        node.event().await.arg::<String>(0).unwrap().len(),
        1_000_000 - 14
    );
}

#[tokio::test]
async fn one_byte_at_a_time_is_enough() {
    let node = Node::start(Config::default()).await;
    let (mut socket, _) = node.member().await;
    let mut bytes = frame(0x01, "42[\"slow\",\"é".as_bytes());
    bytes.extend(frame(0x89, b"still there?"));
    bytes.extend(frame(0x80, b"\"]"));
    for byte in bytes {
        socket.send_raw(&[byte]).await;
    }
    assert_eq!(socket.frame().await, Frame::Pong(b"still there?".to_vec()));
    assert_eq!(node.event().await.arg::<&str>(0).unwrap(), "é");
}

#[tokio::test]
async fn a_close_frame_is_answered_and_is_no_explicit_goodbye() {
    let node = Node::start(Config::default()).await;
    let (mut socket, _) = node.member().await;
    socket.send_raw(&frame(0x88, &1001_u16.to_be_bytes())).await;
    assert_eq!(socket.close_code().await, 1001);
    let (_, reason) = node.gone().await;
    assert_eq!(reason, DisconnectReason::TransportClose);
    assert!(!reason.is_explicit());
}

#[tokio::test]
async fn a_packet_of_goodbye_is_explicit() {
    let node = Node::start(Config::default()).await;
    let (mut socket, _) = node.member().await;
    socket.send("1").await;
    assert_eq!(socket.close_code().await, 1000);
    assert!(node.gone().await.1.is_explicit());
}

#[tokio::test]
async fn events_before_the_end_are_still_handled() {
    let node = Node::start(Config::default()).await;
    let (mut socket, _) = node.member().await;
    node.permits.add_permits(2);
    for text in ["42[\"wait\",1]", "42[\"wait\",2]", "42[\"x\",3]"] {
        socket.send(text).await;
    }
    drop(socket);
    for number in 1..=3 {
        assert_eq!(node.event().await.arg::<u8>(0).unwrap(), number);
    }
    assert_eq!(node.gone().await.1, DisconnectReason::TransportClose);
}

#[tokio::test]
async fn a_stream_that_is_no_tcp_socket_serves_as_well() {
    let node = Node::start(Config::default()).await;
    let (near, far) = tokio::io::duplex(1000);
    tokio::spawn(serve(far, node.addr, node.server.clone()));
    let mut client = WebSocket::over(near, "EIO=4&transport=websocket").await;
    assert!(client.text().await.starts_with("0{"));
    client.send("40").await;
    client.text().await;
    let socket = node.connected().await;
    for _ in 0..5 {
        socket.emit(&message("picture", 100_000)).unwrap();
    }
    client.send("42[\"echo\",1]").await;
    for _ in 0..5 {
        client.text().await;
        assert_eq!(client.frame().await, Frame::Binary(vec![7; 100_000]));
    }
    assert_eq!(client.text().await, "42[\"echo\",1]");
    client.send("1").await;
    assert_eq!(client.close_code().await, 1000);
}

#[tokio::test]
async fn a_goodbye_is_heard_although_writing_to_the_client_fails() {
    for _ in 0..20 {
        let node = Node::start(Config::default()).await;
        let (mut client, socket) = node.member().await;
        socket.emit(&message("picture", 500_000)).unwrap();
        client.send("41").await;
        // What it has not read makes this a reset.
        drop(client);
        while socket.emit(&message("picture", 10_000)).is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(node.gone().await.1, DisconnectReason::ClientDisconnect);
    }
}
