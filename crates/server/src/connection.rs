//! Serves one accepted connection: HTTP/1.1 with upgrades or HTTP/2 through hyper, until it ends or the server stops.

use crate::config::Connections;
use crate::doors::Doors;
use crate::http2;
use crate::icecast::{self, Opening, UntilClosed};
use abanico_socketio::{Cable, PeerAddr};
use axum::Router;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// hyper's smallest buffer; a smaller one would make it panic.
pub(crate) const HEAD_BYTES_MIN: usize = 8192;

/// Most headers of one request. More are answered 431.
pub(crate) const HEADERS_MAX: usize = 100;

/// What a listener's connections come to. Clones are the same.
#[derive(Clone)]
pub(crate) struct Entrance {
    router: Router,
    doors: Doors,
    /// Requests to watch that begin a connection are answered by the doors, and not by the router.
    is_direct: bool,
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<http2::Answers>,
    /// Those that speak HTTP/2.
    connected: http2::Connected,
    header_timeout: Duration,
    header_bytes_max: usize,
}

impl Entrance {
    /// Leads to the router, and past it to the doors if `is_direct`.
    pub(crate) fn new(
        router: Router,
        doors: Doors,
        is_direct: bool,
        limits: &Connections,
        connected: &http2::Connected,
    ) -> Self {
        Self {
            router,
            doors,
            is_direct,
            http1: http1(limits),
            http2: http2::builder(limits),
            connected: connected.clone(),
            header_timeout: limits.header_timeout.0,
            header_bytes_max: limits.header_bytes_max.0,
        }
    }
}

/// hyper's settings, the same for every connection.
fn http1(limits: &Connections) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout.0)
        .max_buf_size(limits.header_bytes_max.0.max(HEAD_BYTES_MIN))
        .max_headers(HEADERS_MAX);
    builder
}

/// Answers the requests of one connection. Returns when it is closed, or handed on as a WebSocket.
pub(crate) async fn serve(
    entrance: &Entrance,
    cable: Cable,
    peer: SocketAddr,
    stop: CancellationToken,
) {
    let is_secure = cable.is_secure();
    let framed = tokio::select! {
        framed = timeout(entrance.header_timeout, is_framed(&cable)) => framed,
        () = stop.cancelled() => return,
    };
    let Ok(is_framed) = framed else {
        tracing::debug!(%peer, "connection ended: nothing came in time");
        return;
    };
    if let Some(rtc) = entrance.doors.webrtc()
        && is_framed
    {
        let Ok((stream, _held)) = cable.into_plain() else {
            return;
        };
        tokio::select! {
            () = rtc.connection(stream, peer) => {}
            () = stop.cancelled() => {}
        }
        return;
    }
    let begin = async {
        if entrance.is_direct {
            let doors = &entrance.doors;
            match timeout(entrance.header_timeout, doors.look(&cable, peer)).await {
                Ok(None) => {}
                Ok(Some(request)) => {
                    doors.answer(request, cable).await;
                    return None;
                }
                Err(elapsed) => return Some(Err(elapsed)),
            }
        }
        let look = icecast::look(cable, entrance.header_bytes_max);
        Some(timeout(entrance.header_timeout, look).await)
    };
    let looked = tokio::select! {
        looked = begin => looked,
        () = stop.cancelled() => return,
    };
    let Some(looked) = looked else {
        // It is answered elsewhere.
        return;
    };
    let (builder, router) = (&entrance.http1, &entrance.router);
    match looked {
        Ok(Ok(Opening::Plain(cable))) => {
            let io = TokioIo::new(cable);
            answer(
                builder,
                io,
                peer,
                router,
                Marks {
                    is_secure,
                    until_closed: false,
                },
                stop,
            )
            .await;
        }
        Ok(Ok(Opening::Publisher {
            stream,
            until_closed,
        })) => {
            let io = TokioIo::new(stream);
            answer(
                builder,
                io,
                peer,
                router,
                Marks {
                    is_secure,
                    until_closed,
                },
                stop,
            )
            .await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "connection ended before a request"),
        Err(_) => tracing::debug!(%peer, "connection ended: no request came in time"),
    }
}

/// Whether a connection begins with the length of a datagram, as ICE over TCP does: no request begins with a zero, and no
/// TLS.
async fn is_framed(cable: &Cable) -> bool {
    let mut first = [0xff];
    !cable.is_secure() && matches!(cable.peek(&mut first).await, Ok(1)) && first == [0]
}

/// The same for a connection that speaks HTTP/2.
pub(crate) async fn serve_http2(
    entrance: &Entrance,
    cable: Cable,
    peer: SocketAddr,
    stop: CancellationToken,
) {
    let (http2, router) = ((&entrance.http2, &entrance.connected), &entrance.router);
    http2::serve(http2, cable, peer, router, entrance.header_timeout, stop).await;
}

/// Marks a request that came over HTTPS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverTls;

/// Writes into a request what is known of its connection.
pub(crate) fn arrived<B>(request: &mut http::Request<B>, peer: SocketAddr, is_secure: bool) {
    request.extensions_mut().insert(PeerAddr(peer));
    if is_secure {
        request.extensions_mut().insert(OverTls);
    }
}

/// What is known of a connection's requests beside the requests.
#[derive(Clone, Copy)]
struct Marks {
    is_secure: bool,
    until_closed: bool,
}

async fn answer<I>(
    builder: &auto::Builder<TokioExecutor>,
    io: I,
    peer: SocketAddr,
    router: &Router,
    marks: Marks,
    stop: CancellationToken,
) where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(|mut request: http::Request<Incoming>| {
        arrived(&mut request, peer, marks.is_secure);
        if marks.until_closed {
            request.extensions_mut().insert(UntilClosed);
        }
        let answered = router.clone().oneshot(request);
        async move {
            let mut answer = answered.await;
            if let Ok(answer) = &mut answer
                && marks.until_closed
            {
                // All that comes belongs to this request: a proxy must not send another one's behind it.
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            answer
        }
    });
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}
