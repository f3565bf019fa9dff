//! Serves one connection that speaks HTTP/2: pages, the HTTP doors and polling. WebSockets come over HTTP/1.1, because
//! nothing is announced that would let a browser try otherwise.
//!
//! Invariant: a connection on which nothing is asked for `header-timeout` is closed, as over HTTP/1.1.

use crate::config::Connections;
use crate::connection::{HEAD_BYTES_MIN, arrived};
use abanico_socketio::Cable;
use axum::Router;
use axum::body::Body;
use http::HeaderValue;
use http::header::HOST;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Requests of one connection at one time.
const REQUESTS_MAX: u32 = 128;

/// Bytes of each answer that may wait for a client that takes none.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// hyper's settings, the same for every connection. Bodies that come are bounded by its windows.
pub(crate) fn builder(limits: &Connections) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
    let header_bytes_max = limits.header_bytes_max.0.max(HEAD_BYTES_MIN);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(REQUESTS_MAX)
        .max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX))
        .max_send_buf_size(ANSWER_BYTES_MAX)
        .keep_alive_interval(limits.stall_timeout.0)
        .keep_alive_timeout(limits.stall_timeout.0);
    builder
}

/// Answers the requests of one connection until it ends.
pub(crate) async fn serve(
    builder: &auto::Builder<TokioExecutor>,
    cable: Cable,
    peer: SocketAddr,
    router: &Router,
    idle_max: Duration,
    stop: CancellationToken,
) {
    let (open, mut requests) = watch::channel(0_usize);
    let service = hyper::service::service_fn(|mut request: http::Request<Incoming>| {
        arrived(&mut request, peer, true);
        name_host(&mut request);
        let counted = Counted::new(&open);
        let answered = router.clone().oneshot(request);
        async move {
            let answer = answered.await?;
            Ok::<_, std::convert::Infallible>(answer.map(|body| Answering {
                body,
                _counted: counted,
            }))
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(cable), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = idle(&mut requests, idle_max) => {
            connection.as_mut().graceful_shutdown();
            // Who does not even take the goodbye has had its time.
            timeout(idle_max, connection).await.unwrap_or(Ok(()))
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// Writes the host where HTTP/1.1 has it: who asks for it looks there.
fn name_host<B>(request: &mut http::Request<B>) {
    let authority = request.uri().authority();
    let host = authority.and_then(|authority| HeaderValue::try_from(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
}

/// Returns when nothing has been asked for so long.
async fn idle(requests: &mut watch::Receiver<usize>, idle_max: Duration) {
    loop {
        let is_none = requests.wait_for(|open| *open == 0).await.is_ok();
        let asked = timeout(idle_max, requests.wait_for(|open| *open > 0)).await;
        if !is_none || asked.is_err() {
            return;
        }
    }
}

/// An open request, as long as it lives.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// An answer whose request is open until its body is gone.
struct Answering {
    body: Body,
    _counted: Counted,
}

impl http_body::Body for Answering {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
