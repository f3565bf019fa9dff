//! Serves what the public test suites of Engine.IO v4 and Socket.IO v5 expect:
//! `cargo run -p abanico-socketio --example conformance -- PORT`.
//!
//! Port 0 takes a free one; the address is printed. At `/engine.io/` a bare Engine.IO echo; at `/socket.io/` the namespaces `/` and `/custom`, with short time-outs.

use std::convert::Infallible;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use abanico_socketio::engine::{self, Driver, Inbound, Malformed, Parcel};
use abanico_socketio::{
    Config, DisconnectReason, Event, Handler, Message, PeerAddr, Refusal, Server, Socket,
};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args()
        .nth(1)
        .map_or(Ok(3000), |port| port.parse())?;
    let config = Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(1000),
        max_payload: 1_000_000,
        ..Config::default()
    };
    let echo_config = Config {
        path: "/engine.io/".into(),
        ..config.clone()
    };
    let echo = engine::Server::new(echo_config, Echo);
    let server = Server::builder(config)
        .namespace("/", Suite)
        .namespace("/custom", Suite)
        .build();

    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    let port = listener.local_addr()?.port();
    writeln!(std::io::stdout(), "http://127.0.0.1:{port}")?;
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, peer, echo.clone(), server.clone()));
    }
}

async fn serve(
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    echo: engine::Server<Echo>,
    server: Server,
) {
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(PeerAddr(peer));
        let (echo, server) = (echo.clone(), server.clone());
        async move {
            let is_bare = request.uri().path().starts_with("/engine.io");
            let response = if is_bare {
                echo.call(request).await
            } else {
                server.call(request).await
            };
            Ok::<_, Infallible>(response)
        }
    });
    // A client that goes away is no news here.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

/// Sends every message back.
struct Echo;

struct EchoDriver(engine::Session);

impl engine::Service for Echo {
    type Driver = EchoDriver;

    fn open(&self, session: engine::Session) -> EchoDriver {
        EchoDriver(session)
    }
}

impl Driver for EchoDriver {
    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn accepts(&self) -> bool {
        true
    }

    fn message(&mut self, message: Inbound) -> Result<(), Malformed> {
        let parcel = match message {
            Inbound::Text(text) => Parcel::text(&text),
            Inbound::Binary(bytes) => Parcel::binary(bytes),
        };
        // A client that does not read its echo is closed by the queue's bound.
        let _ = self.0.send(parcel);
        Ok(())
    }

    fn poll_close(&mut self, _reason: DisconnectReason, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Says who connected, repeats `message`, acknowledges `message-with-ack`.
struct Suite;

impl Handler for Suite {
    type State = String;

    async fn connect(&self, _socket: &Socket, auth: Option<&RawValue>) -> Result<String, Refusal> {
        Ok(auth.map_or("{}", RawValue::get).to_owned())
    }

    async fn connected(&self, socket: &Socket, auth: &mut String) {
        // The public suite begins to listen for this packet only once it has handled the answer to its CONNECT. In one
        // segment with that answer its WebSocket client would deliver both in one tick, and it would miss this one.
        tokio::time::sleep(Duration::from_millis(5)).await;
        if let Ok(message) = Message::raw("auth", auth, Vec::new()) {
            let _ = socket.emit(&message);
        }
    }

    async fn event(&self, socket: &Socket, _auth: &mut String, event: Event) {
        match event.name() {
            "message" => {
                let back = Message::raw(
                    "message-back",
                    event.args_raw(),
                    event.attachments().to_vec(),
                );
                if let Ok(message) = back {
                    let _ = socket.emit(&message);
                }
            }
            "message-with-ack" => {
                if let Some(ack) = event.ack() {
                    let _ = ack.send_raw(event.args_raw(), event.attachments().to_vec());
                }
            }
            _ => {}
        }
    }

    async fn disconnect(&self, _socket: &Socket, _auth: String, _reason: DisconnectReason) {}
}
