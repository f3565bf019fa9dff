//! A Socket.IO server with one feed in this process, and viewers on bare sockets.

use abanico_core::ring::Bounds;
use abanico_hub::budget::Budget;
use abanico_hub::feed::{Cursor, Feed, Next};
use abanico_socketio::{
    Config, DisconnectReason, Event, Handler, Message, PeerAddr, Refusal, Server, Socket,
};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use tokio::net::TcpListener;

/// A server whose every socket watches one feed.
pub(crate) struct World {
    feed: Feed<Message>,
    address: SocketAddr,
}

impl World {
    /// Starts it on a thread of its own, for as long as the test runs.
    pub(crate) fn start() -> Self {
        let feed = Feed::new(Bounds::default(), Arc::new(Budget::new(1 << 30)));
        let server = Server::builder(Config::default())
            .namespace("/", Watched(feed.clone()))
            .build();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, peer) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    tokio::spawn(serve(stream, peer, server.clone()));
                }
            });
        });
        Self { feed, address }
    }

    /// A viewer that has come to the feed's head.
    pub(crate) fn viewer(&self) -> TcpStream {
        let readers = self.feed.readers();
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .write_all(
                b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n\
                  Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YWJhbmljbyBiZW5jaCBrZQ==\r\n\r\n",
            )
            .unwrap();
        let mut seen = Vec::new();
        let mut part = [0; 1024];
        let mut until = |wanted: &str, stream: &mut TcpStream| {
            while !String::from_utf8_lossy(&seen).contains(wanted) {
                let count = stream.read(&mut part).unwrap();
                assert!(count > 0, "closed before {wanted}");
                seen.extend_from_slice(&part[..count]);
            }
        };
        until("\"pingTimeout\"", &mut stream);
        // "40", masked with zeros.
        stream
            .write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0'])
            .unwrap();
        until("40{\"sid\"", &mut stream);
        while self.feed.readers() == readers {
            thread::yield_now();
        }
        stream
    }

    /// Hands a frame to every viewer. Returns its bytes on the wire.
    pub(crate) fn push(&self, message: &Message) -> usize {
        self.feed.push(message.clone(), message.len());
        message.len()
    }
}

async fn serve(stream: tokio::net::TcpStream, peer: SocketAddr, server: Server) {
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(PeerAddr(peer));
        let server = server.clone();
        async move { Ok::<_, Infallible>(server.call(request).await) }
    });
    // A client that goes away is no news here.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

struct Watched(Feed<Message>);

struct Watching(Cursor<Message>);

impl abanico_socketio::Feed for Watching {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.poll_next(cx).map(|next| match next {
            Some(Next::Packet(message)) => Some(message),
            Some(Next::Lagging(_) | Next::Lost(_)) => panic!("these viewers keep up"),
            None => None,
        })
    }
}

impl Handler for Watched {
    type State = ();

    async fn connect(&self, _: &Socket, _: Option<&RawValue>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn connected(&self, socket: &Socket, (): &mut ()) {
        socket.attach(Watching(self.0.cursor()));
    }

    async fn event(&self, _: &Socket, (): &mut (), _: Event) {}

    async fn disconnect(&self, _: &Socket, (): (), _: DisconnectReason) {}
}
