//! Serves one connection that speaks HTTP/2: pages, the HTTP doors and polling. WebSockets come over HTTP/1.1, because
//! nothing is announced that would let a browser try otherwise.
//!
//! Invariant: a connection on which nothing is asked for `header-timeout` is closed, as over HTTP/1.1, and when memory runs
//! out, those on which most is asked.

mod answer;

pub(crate) use answer::Answers;

use crate::config::Connections;
use crate::connection::{HEAD_BYTES_MIN, HEADERS_MAX, arrived};
use abanico_socketio::Cable;
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use http::header::HOST;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Requests of one connection at one time: a page and its files. Further ones wait with who asks.
const REQUESTS_MAX: u32 = 32;

/// Bytes of each answer that wait for the network, beside the piece that waits for the client.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of bodies of one connection that are taken ahead of who reads them, and of one body. hyper's own are a megabyte of each,
/// of which a thousand connections that nobody reads would be a gigabyte.
const CONNECTION_WINDOW: u32 = 256 << 10;
const BODY_WINDOW: u32 = 128 << 10;

/// hyper's settings, the same for every connection. Bodies that come are bounded by its windows.
pub(crate) fn builder(limits: &Connections) -> auto::Builder<Answers> {
    let answers = Answers {
        stall_timeout: limits.stall_timeout.0,
    };
    let mut builder = auto::Builder::new(answers).http2_only();
    let header_bytes_max = limits.header_bytes_max.0.max(HEAD_BYTES_MIN);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(REQUESTS_MAX)
        .max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX))
        .max_send_buf_size(ANSWER_BYTES_MAX)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(BODY_WINDOW)
        .keep_alive_interval(limits.stall_timeout.0)
        .keep_alive_timeout(limits.stall_timeout.0);
    builder
}

/// The connections that are open, with how many requests are open on each. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Connected(Arc<Mutex<HashMap<u64, Open>>>);

/// One of them.
struct Open {
    requests: watch::Sender<usize>,
    ends: CancellationToken,
}

impl Connected {
    /// Ends the connections on which most is asked: `count` at most, of those with more than `requests` open. Says how many.
    pub(crate) fn shed(&self, count: usize, requests: usize) -> usize {
        let open = self.0.lock();
        let asked = open.values().map(|open| (*open.requests.borrow(), open));
        let mut greedy: Vec<_> = asked.filter(|(asked, _)| *asked > requests).collect();
        greedy.sort_by_key(|(asked, _)| Reverse(*asked));
        greedy.truncate(count);
        for (_, open) in &greedy {
            open.ends.cancel();
        }
        greedy.len()
    }

    fn enter(&self, requests: &watch::Sender<usize>, ends: &CancellationToken) -> Entered {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (requests, ends) = (requests.clone(), ends.clone());
        self.0.lock().insert(id, Open { requests, ends });
        Entered(self.clone(), id)
    }
}

/// A connection among those that are open, as long as it lives.
struct Entered(Connected, u64);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}

/// Answers the requests of one connection until it ends.
pub(crate) async fn serve(
    (builder, connected): (&auto::Builder<Answers>, &Connected),
    cable: Cable,
    peer: SocketAddr,
    router: &Router,
    idle_max: Duration,
    stop: CancellationToken,
) {
    let (open, mut requests) = watch::channel(0_usize);
    let shed = CancellationToken::new();
    let _entered = connected.enter(&open, &shed);
    let service = hyper::service::service_fn(|mut request: http::Request<Incoming>| {
        arrived(&mut request, peer, true);
        name_host(&mut request);
        let counted = Counted::new(&open);
        // hyper bounds their bytes alone, and small ones take several times what they are long.
        let too_many = request.headers().len() > HEADERS_MAX;
        let answered = (!too_many).then(|| router.clone().oneshot(without_idle_body(request)));
        async move {
            let answer = match answered {
                Some(answered) => answered.await?,
                None => too_many_headers(),
            };
            Ok::<_, Infallible>(answer.map(|body| answer::Answering::new(body, counted)))
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
        () = shed.cancelled() => {
            tracing::debug!(%peer, "connection ended: memory runs out, and much was asked on it");
            Ok(())
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

fn too_many_headers() -> Response<Body> {
    let sentence = format!("a request has at most {HEADERS_MAX} headers\n");
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, sentence).into_response()
}

/// Writes the host where HTTP/1.1 has it: who asks for it looks there.
fn name_host<B>(request: &mut http::Request<B>) {
    let authority = request.uri().authority();
    let host = authority.and_then(|authority| HeaderValue::try_from(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
}

/// A request without the body of one that has none: what came of it would wait for somebody to read it.
fn without_idle_body(request: http::Request<Incoming>) -> http::Request<Body> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    request.map(|body| {
        if is_read {
            Body::empty()
        } else {
            Body::new(body)
        }
    })
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
