//! Watching over plain HTTP past hyper: where there is a socket of its own below, the body is written by the fan-out's
//! engine, from bytes that are shared by all viewers, and costs no more than a viewer of a WebSocket.
//!
//! Only a connection whose first request is to watch comes here; hyper reads all others. The body ends with the
//! connection.

use super::conversation::{Closing, Conversation};
use super::outlet::Direct;
use super::{Doors, Ending, say_later, split, watch};
use crate::headers;
use abanico_live::{Format, Item, Packet, Watching};
use abanico_socketio::engine::{self, Outlet, Parcel, Session};
use abanico_socketio::retry::FULL_RETRY;
use abanico_socketio::{Cable, PeerAddr};
use abanico_streamhub::door::Viewer;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::ORIGIN;
use http_body_util::BodyExt;
use std::fmt::Write;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

/// How a request begins that is looked at.
const BEGINNING: &[u8] = b"GET /live/";

/// A longer head is hyper's to read.
const HEAD_BYTES_MAX: usize = 4096;

/// Most headers of a request that is answered here.
const HEADERS_MAX: usize = 32;

/// A request to watch with which a connection begins. It has only been looked at.
pub(crate) struct Request {
    key: String,
    format: Format,
    request: http::Request<()>,
    /// Bytes of its head.
    len: usize,
}

impl Request {
    /// The request itself.
    pub(super) fn head(&mut self) -> &mut http::Request<()> {
        &mut self.request
    }

    /// Whether a page asks, which may not be one that is listed.
    pub(super) fn is_from_a_page(&self) -> bool {
        self.request.headers().contains_key(ORIGIN)
    }
}

/// The request to watch with which the connection begins, if it is one that can be answered here.
pub(crate) async fn look(stream: &Cable, peer: SocketAddr) -> Option<Request> {
    let mut first = [0; BEGINNING.len()];
    if stream.peek(&mut first).await.is_err() || first != BEGINNING {
        return None;
    }
    let mut head = vec![0; HEAD_BYTES_MAX];
    let peeked = stream.peek(&mut head).await.unwrap_or(0);
    let (name, request, len) = parse(&head[..peeked], peer)?;
    let (key, Some(Ending::Stream(format))) = split(&name) else {
        return None;
    };
    Some(Request {
        key: key.to_owned(),
        format,
        request,
        len,
    })
}

/// Answers the request.
pub(super) async fn answer(doors: &Doors, asked: Request, mut stream: Cable) {
    let Request {
        key,
        format,
        request,
        len,
    } = asked;
    if stream.read_exact(&mut vec![0; len]).await.is_err() {
        // It has gone meanwhile.
        return;
    }
    let sessions = &doors.viewers;
    let joining = async {
        let grant = doors.visit(&key, &request).await?;
        watch::join(&doors.streamhub, &key, &grant, format).await
    };
    let joined = tokio::select! {
        joined = joining => joined,
        // Its place among the viewers goes with it.
        () = gone(&mut stream) => return,
    };
    let answered = match joined {
        Ok((viewer, watching)) => {
            let head = written(watch::answer(format, Body::empty()), None);
            sessions.answer(&request, stream, head, |session| {
                Conversation::new(session, |session, _| play(session, viewer, watching))
            })
        }
        Err(refusal) => {
            let head = whole(refusal).await;
            sessions.answer(&request, stream, head, |session| {
                Conversation::new(session, |_, _| async { Closing::gone() })
            })
        }
    };
    if let Err(mut stream) = answered {
        let refusal = say_later(
            "there is no room for another connection now (sessions-max)",
            FULL_RETRY,
        );
        // Its request was read, so a new connection has room for this and closes without losing it.
        let _ = stream.write_all(&whole(refusal).await).await;
    }
}

/// Waits until the peer has closed its end, as which a session takes it, too. Whatever else it says is nobody's to hear.
async fn gone(stream: &mut Cable) {
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await.is_ok_and(|count| count > 0) {}
}

/// A refusal in bytes.
async fn whole(refusal: Response<Body>) -> Bytes {
    let (parts, body) = refusal.into_parts();
    // What we say ourselves is there at once.
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let body = body.unwrap_or_default();
    written(Response::from_parts(parts, Body::empty()), Some(&body))
}

/// The name behind `/live/`, the request, and the bytes of its head. `None` if it is whatever hyper should see.
fn parse(bytes: &[u8], peer: SocketAddr) -> Option<(String, http::Request<()>, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(len) = parsed.parse(bytes).ok()? else {
        return None;
    };
    // A second request behind the first would be lost.
    if len < bytes.len() {
        return None;
    }
    let uri: http::Uri = parsed.path?.parse().ok()?;
    let name = uri.path().strip_prefix("/live/")?.to_owned();
    let mut request = http::Request::builder().uri(uri);
    for header in &*parsed.headers {
        let concerns_the_connection = ["upgrade", "expect", "content-length", "transfer-encoding"]
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name));
        if concerns_the_connection {
            return None;
        }
        request = request.header(header.name, header.value);
    }
    let mut request = request.body(()).ok()?;
    request.extensions_mut().insert(PeerAddr(peer));
    Some((name, request, len))
}

/// An answer's head in bytes, with its body if that is known.
fn written(mut answer: Response<Body>, body: Option<&Bytes>) -> Bytes {
    headers::other(answer.headers_mut());
    let mut head = format!("HTTP/1.1 {}\r\n", answer.status());
    for (name, value) in answer.headers() {
        let value = value.to_str().expect("our headers are text");
        write!(head, "{name}: {value}\r\n").expect("a string takes everything");
    }
    let length = body.map(|body| format!("content-length: {}\r\n", body.len()));
    head.push_str(length.as_deref().unwrap_or_default());
    head.push_str("connection: close\r\n\r\n");
    let mut bytes = BytesMut::from(head.as_bytes());
    bytes.extend_from_slice(body.map_or(&[], |body| body));
    bytes.freeze()
}

/// Lasts as long as the stream, or as its codecs do.
async fn play(session: Session, viewer: Viewer, watching: Watching) -> Closing {
    let (ended, is_over) = oneshot::channel();
    session.attach(BodyFeed {
        watching,
        begun: false,
        ended: Some(ended),
    });
    tokio::select! {
        // It is dropped with the session, if not before.
        _ = is_over => {}
        _ = viewer.lease().over() => {}
    }
    drop(viewer);
    Closing::gone()
}

/// What the connection pulls from. A player that was given one init segment cannot be given another.
struct BodyFeed {
    watching: Watching,
    begun: bool,
    /// Told when nothing follows.
    ended: Option<oneshot::Sender<()>>,
}

/// A packet as the body has it: made once for all viewers.
fn parcel(packet: &Packet) -> &Parcel {
    packet.framed(|packet| Parcel::body(packet.parts()))
}

impl engine::Feed for BodyFeed {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Parcel>> {
        while self.ended.is_some() {
            match ready!(self.watching.poll_next(cx)) {
                Some(Item::Packet(packet)) => {
                    if !packet.is_init() || !std::mem::replace(&mut self.begun, true) {
                        return Poll::Ready(Some(parcel(&packet).clone()));
                    }
                    self.ended = None;
                }
                // The timeline has a gap, the bytes have none.
                Some(Item::Skipped { .. }) => {}
                None | Some(Item::Unsuitable(_)) => self.ended = None,
            }
        }
        Poll::Ready(None)
    }

    fn lend(&mut self, outlet: Outlet) -> bool {
        self.ended.is_some() && self.watching.lend(&Direct::new(outlet, parcel))
    }

    fn returned(&mut self, place: u64) {
        self.watching.returned(place);
    }
}
