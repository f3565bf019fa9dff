//! Serves one accepted connection: HTTP/1.1 through hyper, with upgrades, until it ends or the server stops.

use crate::config::Connections;
use crate::doors::Doors;
use crate::icecast::{self, Opening, UntilClosed};
use abanico_socketio::PeerAddr;
use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::net::SocketAddr;
use std::pin::pin;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// hyper's smallest buffer; a smaller one would make it panic.
const HEAD_BYTES_MIN: usize = 8192;

/// Most headers of one request. More are answered 431.
const HEADERS_MAX: usize = 100;

/// hyper's settings, the same for every connection.
pub(crate) fn builder(limits: &Connections) -> auto::Builder<TokioExecutor> {
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
    builder: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    doors: &Doors,
    limits: &Connections,
    stop: CancellationToken,
) {
    let framed = tokio::select! {
        framed = timeout(limits.header_timeout.0, is_framed(&stream)) => framed,
        () = stop.cancelled() => return,
    };
    let Ok(is_framed) = framed else {
        tracing::debug!(%peer, "connection ended: nothing came in time");
        return;
    };
    if let Some(rtc) = doors.webrtc()
        && is_framed
    {
        tokio::select! {
            () = rtc.connection(stream, peer) => {}
            () = stop.cancelled() => {}
        }
        return;
    }
    let begin = async {
        match timeout(limits.header_timeout.0, doors.look(&stream, peer)).await {
            Ok(Some(request)) => {
                doors.answer(request, stream).await;
                None
            }
            Ok(None) => {
                let look = icecast::look(stream, limits.header_bytes_max.0);
                Some(timeout(limits.header_timeout.0, look).await)
            }
            Err(elapsed) => Some(Err(elapsed)),
        }
    };
    let looked = tokio::select! {
        looked = begin => looked,
        () = stop.cancelled() => return,
    };
    let Some(looked) = looked else {
        // It is answered elsewhere.
        return;
    };
    match looked {
        Ok(Ok(Opening::Plain(stream))) => {
            answer(builder, TokioIo::new(stream), peer, router, false, stop).await;
        }
        Ok(Ok(Opening::Publisher {
            stream,
            until_closed,
        })) => {
            let io = TokioIo::new(stream);
            answer(builder, io, peer, router, until_closed, stop).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "connection ended before a request"),
        Err(_) => tracing::debug!(%peer, "connection ended: no request came in time"),
    }
}

/// Whether a connection begins with the length of a datagram, as ICE over TCP does: no request begins with a zero, and no
/// TLS.
async fn is_framed(stream: &TcpStream) -> bool {
    let mut first = [0xff];
    matches!(stream.peek(&mut first).await, Ok(1)) && first == [0]
}

async fn answer<I>(
    builder: &auto::Builder<TokioExecutor>,
    io: I,
    peer: SocketAddr,
    router: Router,
    until_closed: bool,
    stop: CancellationToken,
) where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(|mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(PeerAddr(peer));
        if until_closed {
            request.extensions_mut().insert(UntilClosed);
        }
        router.clone().oneshot(request)
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
