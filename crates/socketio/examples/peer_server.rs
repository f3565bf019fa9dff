//! A server for the tests with other people's clients (`tests/peers`): `peer_server [PORT]`, 0 for a free one. The address
//! is printed.

use std::convert::Infallible;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use abanico_socketio::{
    Config, DisconnectReason, Event, Feed, Handler, Message, NamespaceHandle, PeerAddr, Refusal,
    Server, Socket,
};
use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let config = Config {
        ping_interval: Duration::from_millis(1000),
        ping_timeout: Duration::from_millis(2000),
        ..Config::default()
    };
    let server = Server::builder(config)
        .namespace("/", Peer)
        .namespace("/admin", Admin)
        .build();
    MAIN.get_or_init(|| server.namespace("/").expect("it was added above"));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, peer, server.clone()));
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, server: Server) {
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(PeerAddr(peer));
        let server = server.clone();
        async move { Ok::<_, Infallible>(server.call(request).await) }
    });
    // A client that goes away is no news here.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

static MAIN: OnceLock<NamespaceHandle> = OnceLock::new();

/// What the tests ask of the main namespace.
struct Peer;

impl Handler for Peer {
    /// The numbers of `order` events, as they were handled.
    type State = Vec<u32>;

    async fn connect(
        &self,
        _socket: &Socket,
        _auth: Option<&RawValue>,
    ) -> Result<Vec<u32>, Refusal> {
        Ok(Vec::new())
    }

    async fn event(&self, socket: &Socket, order: &mut Vec<u32>, event: Event) {
        if let Err(error) = answer(socket, order, &event).await {
            let _ = emit(socket, "refused", &error.to_string());
        }
    }

    async fn disconnect(&self, socket: &Socket, _order: Vec<u32>, reason: DisconnectReason) {
        let gone = Message::event_args("gone", &(socket.id(), format!("{reason:?}")));
        if let (Some(main), Ok(gone)) = (MAIN.get(), gone) {
            main.to("watchers").emit(&gone);
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn emit(
    socket: &Socket,
    name: &str,
    argument: &(impl serde::Serialize + ?Sized),
) -> Result<(), Failure> {
    Ok(socket.emit(&Message::event(name, argument)?)?)
}

async fn answer(socket: &Socket, order: &mut Vec<u32>, event: &Event) -> Result<(), Failure> {
    match event.name() {
        "echo" => socket.emit(&Message::raw(
            "echo",
            event.args_raw(),
            event.attachments().to_vec(),
        )?)?,
        "ack" => {
            let ack = event.ack().ok_or("no acknowledgement was asked for")?;
            ack.send_raw(event.args_raw(), event.attachments().to_vec())?;
        }
        "ask" => {
            let question =
                Message::raw("question", event.args_raw(), event.attachments().to_vec())?;
            let answer = socket
                .emit_with_ack(&question, Duration::from_secs(5))
                .await?;
            let args: Vec<_> = (0..answer.args_len())
                .filter_map(|at| answer.arg_raw(at))
                .collect();
            let text = args.join(",");
            socket.emit(&Message::raw(
                "answered",
                &text,
                answer.attachments().to_vec(),
            )?)?;
        }
        "ask-nobody" => {
            let question = Message::event("unheard", &())?;
            let error = socket
                .emit_with_ack(&question, Duration::from_millis(200))
                .await
                .err();
            emit(socket, "unanswered", &error.map(|error| error.to_string()))?;
        }
        "order" => {
            let number: u32 = event.arg(0)?;
            if number.is_multiple_of(7) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            order.push(number);
        }
        "order?" => emit(socket, "order", order)?,
        "join" => {
            socket.join(event.arg(0)?);
            emit(socket, "rooms", &socket.rooms())?;
        }
        "leave" => {
            socket.leave(event.arg(0)?);
            emit(socket, "rooms", &socket.rooms())?;
        }
        "say" => {
            let main = MAIN
                .get()
                .ok_or("the namespace is set before clients come")?;
            let said = Message::event_args("said", &(socket.id(), event.arg::<&RawValue>(1)?))?;
            main.to(event.arg(0)?).except(socket.id()).emit(&said);
        }
        "burst" => {
            for number in 0..event.arg::<u32>(0)? {
                emit(socket, "tick", &number)?;
            }
        }
        "feed" => {
            let Pictures { count, bytes } = event.arg(0)?;
            socket.attach(Counted {
                next: 0,
                count,
                picture: Bytes::from(vec![7; bytes]),
            });
        }
        "where" => emit(socket, "where", &format!("{:?}", socket.transport()))?,
        "panic" => panic!("a client asked for it"),
        "kick" => socket.disconnect(),
        _ => {}
    }
    Ok(())
}

#[derive(Deserialize)]
struct Pictures {
    count: u32,
    bytes: usize,
}

/// Gives numbered pictures as fast as they are taken.
struct Counted {
    next: u32,
    count: u32,
    picture: Bytes,
}

impl Feed for Counted {
    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.next == self.count {
            return Poll::Ready(None);
        }
        let args = format!(r#"{},{{"_placeholder":true,"num":0}}"#, self.next);
        self.next += 1;
        Poll::Ready(Message::raw("picture", &args, vec![self.picture.clone()]).ok())
    }
}

/// Lets in who knows the word.
struct Admin;

#[derive(Deserialize)]
struct Login {
    token: String,
}

impl Handler for Admin {
    type State = ();

    async fn connect(&self, _socket: &Socket, auth: Option<&RawValue>) -> Result<(), Refusal> {
        let login = auth.and_then(|auth| serde_json::from_str::<Login>(auth.get()).ok());
        match login {
            Some(login) if login.token == "sesame" => Ok(()),
            _ => Err(Refusal::new("not authorized").with_data(&json!({ "hint": "a word" }))),
        }
    }

    async fn connected(&self, socket: &Socket, (): &mut ()) {
        let _ = emit(socket, "welcome", socket.namespace());
    }

    async fn event(&self, socket: &Socket, (): &mut (), event: Event) {
        if let Ok(message) =
            Message::raw(event.name(), event.args_raw(), event.attachments().to_vec())
        {
            let _ = socket.emit(&message);
        }
    }

    async fn disconnect(&self, _socket: &Socket, (): (), _reason: DisconnectReason) {}
}
