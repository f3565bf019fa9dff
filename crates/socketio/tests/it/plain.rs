//! Sessions without Engine.IO.

use std::net::Ipv4Addr;
use std::task::{Context, Poll};

use abanico_socketio::engine::{Driver, Inbound, Malformed, PlainSessions};
use abanico_socketio::{Config, DisconnectReason};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::soon;

struct Silent;

impl Driver for Silent {
    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn accepts(&self) -> bool {
        true
    }

    fn message(&mut self, _message: Inbound) -> Result<(), Malformed> {
        Ok(())
    }

    fn poll_close(&mut self, _reason: DisconnectReason, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

#[tokio::test]
async fn a_connection_for_which_there_is_no_room_is_given_back_to_be_told_so() {
    let sessions = PlainSessions::new(Config {
        sessions_max: 1,
        ..Config::default()
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut clients = Vec::new();
    let mut answered = Vec::new();
    for _ in 0..2 {
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        clients.push(client.unwrap());
        let (stream, _) = listener.accept().await.unwrap();
        let head = Bytes::from_static(b"head");
        let answer = sessions.answer(&http::Request::new(()), stream.into(), head, |_| Silent);
        answered.push(answer);
    }
    let mut head = [0; 4];
    soon(clients[0].read_exact(&mut head)).await.unwrap();
    assert_eq!(&head, b"head");
    let mut refused = answered.pop().unwrap().unwrap_err();
    assert!(answered.pop().unwrap().is_ok());
    refused.write_all(b"full").await.unwrap();
    drop(refused);
    let mut said = String::new();
    soon(clients[1].read_to_string(&mut said)).await.unwrap();
    assert_eq!(said, "full");
}
