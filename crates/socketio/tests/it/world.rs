//! A server on a free port, an application that tells what happens to it, and clients made of bare sockets.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use abanico_socketio::{
    Config, DisconnectReason, Event, Handler, Message, NamespaceHandle, PeerAddr, Refusal, Server,
    Socket,
};
use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, mpsc};

/// Longer than anything here takes; reaching it fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it comes in time")
}

/// Lets so much time pass, and everybody do what is due meanwhile.
pub(crate) async fn pass(time: Duration) {
    const STEP: Duration = Duration::from_millis(10);
    tokio::time::pause();
    for _ in 0..time.as_millis() / STEP.as_millis() {
        tokio::time::advance(STEP).await;
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
}

/// What happened to the application.
#[derive(Debug)]
pub(crate) enum Seen {
    Connected(Socket),
    Event(Event),
    Gone(String, DisconnectReason),
}

/// A running server.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    pub(crate) server: Server,
    seen: Mutex<mpsc::UnboundedReceiver<Seen>>,
    /// Handlers of the event `wait` take one permit each.
    pub(crate) permits: Arc<Semaphore>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Tells everything; waits, panics and refuses when asked to.
struct App {
    seen: mpsc::UnboundedSender<Seen>,
    permits: Arc<Semaphore>,
}

impl Handler for App {
    type State = ();

    async fn connect(&self, _socket: &Socket, auth: Option<&RawValue>) -> Result<(), Refusal> {
        match auth.map(RawValue::get) {
            Some(r#"{"do":"refuse"}"#) => Err(Refusal::new("no").with_data(&7)),
            Some(r#"{"do":"panic"}"#) => panic!("connect was told to"),
            Some(r#"{"do":"wait"}"#) => {
                self.permits.acquire().await.unwrap().forget();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn connected(&self, socket: &Socket, (): &mut ()) {
        let _ = self.seen.send(Seen::Connected(socket.clone()));
    }

    async fn event(&self, socket: &Socket, (): &mut (), event: Event) {
        match event.name() {
            "wait" => self.permits.acquire().await.unwrap().forget(),
            "panic" => panic!("event was told to"),
            "echo" => {
                let back = Message::raw("echo", event.args_raw(), event.attachments().to_vec());
                let _ = socket.emit(&back.unwrap());
            }
            _ => {}
        }
        let _ = self.seen.send(Seen::Event(event));
    }

    async fn disconnect(&self, socket: &Socket, (): (), reason: DisconnectReason) {
        let _ = self.seen.send(Seen::Gone(socket.id().to_owned(), reason));
    }
}

impl Node {
    /// A server with the namespaces `/` and `/side`.
    pub(crate) async fn start(config: Config) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(0));
        let app = || App {
            seen: sender.clone(),
            permits: Arc::clone(&permits),
        };
        let server = Server::builder(config)
            .namespace("/", app())
            .namespace("/side", app())
            .build();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, server.clone()));
        Self {
            addr,
            server,
            seen: Mutex::new(seen),
            permits,
            accepting,
        }
    }

    pub(crate) fn main(&self) -> NamespaceHandle {
        self.server.namespace("/").unwrap()
    }

    /// The next thing that happens to the application.
    pub(crate) async fn seen(&self) -> Seen {
        soon(async {
            self.seen
                .lock()
                .await
                .recv()
                .await
                .expect("the application lives")
        })
        .await
    }

    pub(crate) async fn connected(&self) -> Socket {
        match self.seen().await {
            Seen::Connected(socket) => socket,
            other => panic!("{other:?} instead of a connection"),
        }
    }

    pub(crate) async fn event(&self) -> Event {
        match self.seen().await {
            Seen::Event(event) => event,
            other => panic!("{other:?} instead of an event"),
        }
    }

    pub(crate) async fn gone(&self) -> (String, DisconnectReason) {
        match self.seen().await {
            Seen::Gone(id, reason) => (id, reason),
            other => panic!("{other:?} instead of an end"),
        }
    }

    pub(crate) async fn request(&self, method: &str, query: &str, body: &[u8]) -> Answer {
        self.request_with(method, &format!("/socket.io/{query}"), "", body)
            .await
    }

    pub(crate) async fn request_with(
        &self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> Answer {
        Pending::send(self.addr, method, target, headers, body)
            .await
            .answer()
            .await
    }

    /// Opens a polling session.
    pub(crate) async fn polling(&self) -> Poller {
        let answer = self.request("GET", "?EIO=4&transport=polling", b"").await;
        assert_eq!(answer.status, 200);
        let open: serde_json::Value = serde_json::from_str(&answer.text()[1..]).unwrap();
        Poller {
            addr: self.addr,
            sid: open["sid"].as_str().unwrap().to_owned(),
        }
    }

    /// Opens a WebSocket session.
    pub(crate) async fn websocket(&self) -> WebSocket {
        let mut socket = WebSocket::open(self.addr, "EIO=4&transport=websocket").await;
        let open = socket.text().await;
        assert!(open.starts_with("0{"), "{open}");
        socket
    }

    /// Opens a WebSocket session and enters the main namespace.
    pub(crate) async fn member(&self) -> (WebSocket, Socket) {
        let mut socket = self.websocket().await;
        socket.send("40").await;
        assert!(socket.text().await.starts_with("40{"));
        (socket, self.connected().await)
    }
}

async fn accept(listener: TcpListener, server: Server) {
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, peer, server.clone()));
    }
}

/// Serves one connection.
pub(crate) async fn serve<S>(stream: S, peer: SocketAddr, server: Server)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(PeerAddr(peer));
        let server = server.clone();
        async move { Ok::<_, Infallible>(server.call(request).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away is what many tests are about.
    let _ = connection.with_upgrades().await;
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("an answer has a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head[9..12].parse().unwrap();
        Self {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn packets(&self) -> Vec<&str> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.text().split('\u{1e}').collect()
    }
}

/// A request that was sent and waits for its answer. To drop it closes its connection.
pub(crate) struct Pending(TcpStream);

impl Pending {
    pub(crate) async fn send(
        addr: SocketAddr,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that refuses a large body may stop reading it.
        let _ = stream.write_all(body).await;
        Self(stream)
    }

    /// Sends no more than the head, with the headers that are given.
    pub(crate) async fn send_head(
        addr: SocketAddr,
        method: &str,
        target: &str,
        headers: &str,
    ) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(stream)
    }

    /// Sends more bytes.
    pub(crate) async fn then(mut self, bytes: &[u8]) -> Self {
        let _ = self.0.write_all(bytes).await;
        self
    }

    pub(crate) async fn answer(mut self) -> Answer {
        let mut bytes = Vec::new();
        let _ = soon(self.0.read_to_end(&mut bytes)).await;
        Answer::parse(&bytes)
    }
}

/// A polling session from its client's side.
pub(crate) struct Poller {
    pub(crate) addr: SocketAddr,
    pub(crate) sid: String,
}

impl Poller {
    pub(crate) fn target(&self) -> String {
        format!("/socket.io/?EIO=4&transport=polling&sid={}", self.sid)
    }

    pub(crate) async fn poll(&self) -> Answer {
        self.begin_poll().await.answer().await
    }

    pub(crate) async fn begin_poll(&self) -> Pending {
        Pending::send(self.addr, "GET", &self.target(), "", b"").await
    }

    pub(crate) async fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        Pending::send(self.addr, "POST", &self.target(), "", body.as_ref())
            .await
            .answer()
            .await
    }

    pub(crate) async fn enter(&self) {
        assert_eq!(self.post("40").await.text(), "ok");
        assert!(self.poll().await.text().starts_with("40{"));
    }

    pub(crate) async fn upgrade(&self) -> WebSocket {
        WebSocket::open(
            self.addr,
            &format!("EIO=4&transport=websocket&sid={}", self.sid),
        )
        .await
    }
}

/// What a server's frame holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
    /// The connection is at its end.
    End,
}

/// A WebSocket from its client's side.
pub(crate) struct WebSocket<S = TcpStream> {
    pub(crate) stream: S,
}

impl WebSocket {
    pub(crate) async fn open(addr: SocketAddr, query: &str) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap(), query).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(crate) async fn over(mut stream: S, query: &str) -> Self {
        let request = format!(
            "GET /socket.io/?{query} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        Self { stream }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream
            .write_all(&frame(0x81, text.as_bytes()))
            .await
            .unwrap();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(&frame(0x82, bytes)).await.unwrap();
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame, pings of Engine.IO included.
    pub(crate) async fn frame(&mut self) -> Frame {
        soon(self.read_frame()).await.unwrap_or(Frame::End)
    }

    async fn read_frame(&mut self) -> std::io::Result<Frame> {
        let first = self.stream.read_u8().await?;
        let len = match self.stream.read_u8().await? {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut payload).await?;
        Ok(match first {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x82 => Frame::Binary(payload),
            0x8a => Frame::Pong(payload),
            0x88 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
            other => panic!("a server sends no frame of type {other:#x}"),
        })
    }

    /// The next text that is no ping; pings are answered.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.frame().await {
                Frame::Text(text) if text == "2" => self.send("3").await,
                Frame::Text(text) => return text,
                other => panic!("{other:?} instead of a text"),
            }
        }
    }

    /// The close frame that comes before the end, whatever comes before it.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Frame::Close(code) => return code,
                Frame::End => panic!("the connection ended without a close frame"),
                Frame::Text(_) | Frame::Binary(_) | Frame::Pong(_) => {}
            }
        }
    }
}

/// A frame as a client sends it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// The header of a client's frame.
pub(crate) fn header(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first];
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..=125), _) => header.push(0x80 | short),
        (_, Ok(medium)) => {
            header.push(0x80 | 126);
            header.extend(medium.to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend(len.to_be_bytes());
        }
    }
    header.extend(MASK);
    header
}

/// An event of so many bytes in its only argument.
pub(crate) fn message(name: &str, bytes: usize) -> Message {
    Message::raw(
        name,
        r#"{"_placeholder":true,"num":0}"#,
        vec![Bytes::from(vec![7; bytes])],
    )
    .unwrap()
}
