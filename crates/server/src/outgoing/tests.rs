//! A little server for these tests and those of whoever asks others, and what it can do to who asks it.

use super::*;
use crate::rights::Networks;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What the server does with it.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Answers with this status, these lines and this body.
    Says(u16, &'static str, String),
    /// Answers with a body that has no end.
    Endless,
    /// Never answers.
    Silent,
}

/// A server on this machine. Every request is shown to `received`, and answered when `gate` lets it.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) received: mpsc::UnboundedReceiver<Received>,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) most_at_once: Arc<AtomicUsize>,
}

impl Peer {
    /// Answers everything as `reply` says, as soon as it comes.
    pub(crate) async fn start(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let peer = Self::closed(reply).await;
        peer.gate.add_permits(1000);
        peer
    }

    /// The same, with a gate that lets nobody through yet.
    pub(crate) async fn closed(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        let (gate, most_at_once) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (reply, at_once) = (Arc::new(reply), Arc::new(AtomicUsize::new(0)));
        let (through, most) = (gate.clone(), most_at_once.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (sender, reply) = (sender.clone(), reply.clone());
                let (through, at_once, most) = (through.clone(), at_once.clone(), most.clone());
                tokio::spawn(async move {
                    most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    if let Some(request) = read(&mut stream).await {
                        let reply = reply(&request);
                        // A test that has seen enough has gone.
                        let _ = sender.send(request);
                        through.acquire().await.unwrap().forget();
                        answer(&mut stream, reply).await;
                    }
                    at_once.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            received,
            gate,
            most_at_once,
        }
    }

    pub(crate) fn target(&self) -> Target {
        format!("http://{}/hook", self.address).parse().unwrap()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head.to_lowercase().lines().find_map(|line| {
        line.strip_prefix("content-length: ")
            .map(|length| length.parse().unwrap())
    });
    let mut body = bytes.split_off(end);
    let missing = length.unwrap_or(0) - body.len();
    let mut rest = vec![0; missing];
    stream.read_exact(&mut rest).await.ok()?;
    body.extend(rest);
    Some(Received { head, body })
}

async fn answer(stream: &mut TcpStream, reply: Reply) {
    match reply {
        Reply::Says(status, lines, body) => {
            let length = body.len();
            let text =
                format!("HTTP/1.1 {status} So\r\nContent-Length: {length}\r\n{lines}\r\n{body}");
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 So\r\n\r\n").await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
        }
        // Until whoever asked has had enough.
        Reply::Silent => drop(stream.read(&mut [0]).await),
    }
}

/// Who may ask on this machine.
pub(crate) fn outgoing(listed: &str) -> Outgoing {
    let listed = match listed {
        "" => Networks::default(),
        listed => listed.parse().unwrap(),
    };
    Outgoing::new(Reachable::and(listed)).unwrap()
}

const BOUNDS: Bounds = Bounds {
    within: Duration::from_secs(20),
    body_bytes_max: 1000,
};

async fn ask(listed: &str, target: &Target, bounds: Bounds) -> Result<Answer, OutgoingError> {
    let request = Request::new(Bytes::from_static(b"body"));
    outgoing(listed).ask(target, request, bounds).await
}

fn says(status: u16, lines: &'static str) -> Reply {
    Reply::Says(status, lines, "body".to_owned())
}

#[tokio::test]
async fn a_listed_address_is_asked_once_and_its_answer_is_whole() {
    let mut peer = Peer::start(|_| says(200, "Content-Type: Text/Plain; charset=utf-8\r\n")).await;
    let answer = ask("127.0.0.0/8", &peer.target(), BOUNDS).await.unwrap();
    assert_eq!(
        (answer.status, &answer.body[..]),
        (StatusCode::OK, &b"body"[..])
    );
    assert!(answer.is("text/plain") && !answer.is("text/html"));
    let request = peer.received.recv().await.unwrap();
    assert!(
        request.head.starts_with("GET /hook HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert!(
        request
            .head
            .contains(&format!("host: {}\r\n", peer.address))
    );
    assert_eq!(request.body, b"body");
}

#[tokio::test]
async fn an_inner_address_is_not_asked_by_whatever_name() {
    let mut peer = Peer::start(|_| says(200, "")).await;
    let port = peer.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "127.1",
        "2130706433",
    ] {
        for scheme in ["http", "https"] {
            let target: Target = format!("{scheme}://{host}:{port}/").parse().unwrap();
            let refused = ask("192.0.2.0/24", &target, BOUNDS).await.unwrap_err();
            // Some systems do not know the last two as names.
            let is_denied = matches!(
                refused,
                OutgoingError::Denied { .. } | OutgoingError::Unresolved { .. }
            );
            assert!(is_denied, "{host}: {refused}");
        }
    }
    assert!(peer.received.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nothing_is_asked_there() {
    let mut inner = Peer::start(|_| says(200, "")).await;
    let location: &'static str = format!("Location: http://{}/\r\n", inner.address).leak();
    let peer = Peer::start(move |_| says(307, location)).await;
    let answer = ask("127.0.0.1", &peer.target(), BOUNDS).await.unwrap();
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert!(inner.received.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_has_its_bounds() {
    let soon = Bounds {
        within: Duration::from_millis(50),
        ..BOUNDS
    };
    let silent = Peer::start(|_| Reply::Silent).await;
    let refused = ask("127.0.0.1", &silent.target(), soon).await;
    assert!(
        matches!(refused, Err(OutgoingError::TooSlow(_))),
        "{refused:?}"
    );
    let endless = Peer::start(|_| Reply::Endless).await;
    let refused = ask("127.0.0.1", &endless.target(), BOUNDS).await;
    assert!(
        matches!(refused, Err(OutgoingError::TooLong(1000))),
        "{refused:?}"
    );
    let long: &'static str = format!("X: {}\r\n", "x".repeat(100_000)).leak();
    let long = Peer::start(move |_| says(200, long)).await;
    let refused = ask("127.0.0.1", &long.target(), BOUNDS).await;
    assert!(
        matches!(refused, Err(OutgoingError::Broken(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn whoever_is_not_there_or_speaks_no_tls_is_named() {
    // Its address is nobody else's while it has it.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = deaf.local_addr().unwrap();
    let target = format!("http://{gone}/").parse().unwrap();
    let refused = ask("127.0.0.1", &target, BOUNDS).await;
    assert!(
        matches!(refused, Err(OutgoingError::Unreachable { .. })),
        "{refused:?}"
    );
    let plain = Peer::start(|_| says(200, "")).await;
    let target = format!("https://{}/", plain.address).parse().unwrap();
    let refused = ask("127.0.0.1", &target, BOUNDS).await;
    let is_refused = matches!(
        refused,
        Err(OutgoingError::Tls { .. }
            | OutgoingError::NoAuthorities { .. }
            | OutgoingError::TooSlow(_))
    );
    assert!(is_refused, "{refused:?}");
}
