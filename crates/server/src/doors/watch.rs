//! Watching over plain HTTP: one answer that lasts as long as the stream.
//!
//! The body pulls from the stream's feed whenever the connection can take more, so a viewer that stops reading costs its
//! connection and nothing else; the system ends it after a while.

use super::{refuse_viewer, say, say_later};
use abanico_live::{Format, Item, MJPEG_BOUNDARY, Packet, Watching};
use abanico_streamhub::StreamHub;
use abanico_streamhub::door::{Viewer, WatchRefusal};
use abanico_streamhub::grant::{Grant, Lease};
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How long who comes before the first frame waits for it.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(10);

/// When it is worth to come again for what nobody has sent yet.
const RETRY: Duration = Duration::from_secs(2);

/// `GET` or `HEAD` of a stream in one format.
pub(super) async fn stream(
    streamhub: &StreamHub,
    key: &str,
    format: Format,
    head: bool,
    visit: impl Future<Output = Result<Grant, Response<Body>>>,
) -> Response<Body> {
    let grant = match visit.await {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    if head {
        let observer = match streamhub.observe(key, &grant).await {
            Ok(observer) => observer,
            Err(refusal) => return refuse_viewer(refusal),
        };
        // Of a stream of which nothing is known yet, nothing can be said against it.
        let tracks = observer.channel().tracks();
        return match format.suits(&tracks) {
            Err(unsuitable) if !tracks.is_empty() => {
                say(StatusCode::NOT_ACCEPTABLE, &unsuitable.to_string())
            }
            // As `GET` has it: without a length.
            _ => answer(
                format,
                Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>()),
            ),
        };
    }
    match join(streamhub, key, &grant, format).await {
        Ok((viewer, watching)) => answer(format, Body::new(Playing::new(watching, viewer))),
        Err(refusal) => refusal,
    }
}

/// Joins a stream as a viewer of one format, or says why that cannot be.
pub(super) async fn join(
    streamhub: &StreamHub,
    key: &str,
    grant: &Grant,
    format: Format,
) -> Result<(Viewer, Watching), Response<Body>> {
    let viewer = streamhub.watch(key, grant).await;
    let viewer = viewer.map_err(refuse_viewer)?;
    if let Some(why) = viewer.unshowable() {
        return Err(say(StatusCode::NOT_ACCEPTABLE, why));
    }
    match beginning(&viewer).await {
        Beginning::Known => {}
        Beginning::Ended => return Err(refuse_viewer(WatchRefusal::Ended)),
        Beginning::Unreadable(why) => return Err(say_later(&why, RETRY)),
        Beginning::NotYet => {
            let why = if viewer.has_begun() {
                "of what is published to this stream nothing can be shown yet: it has had no keyframe"
            } else {
                "nothing has been published to this stream yet"
            };
            return Err(say_later(why, RETRY));
        }
    }
    match viewer.channel().watch(format) {
        Ok(watching) => {
            let watching = watching.wished_by(viewer.wisher().clone());
            watching.want_keyframe();
            Ok((viewer, watching))
        }
        Err(unsuitable) => Err(say(StatusCode::NOT_ACCEPTABLE, &unsuitable.to_string())),
    }
}

/// `GET` or `HEAD` of the newest picture, or of the poster of a stream that is none of pictures.
pub(super) async fn still(
    streamhub: &StreamHub,
    key: &str,
    visit: impl Future<Output = Result<Grant, Response<Body>>>,
) -> Response<Body> {
    let grant = match visit.await {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    let picture = match streamhub.picture(key, &grant).await {
        Ok(None) => streamhub.still(key, &grant).await,
        looked => looked,
    };
    let picture = match picture {
        Ok(picture) => picture,
        Err(refusal) => return refuse_viewer(refusal),
    };
    let Some((media_type, bytes)) = picture else {
        return say(
            StatusCode::NOT_ACCEPTABLE,
            "this stream is not one of pictures and has no poster; nothing is decoded here to make one",
        );
    };
    let mut response = bytes.into_response();
    dress(&mut response, media_type);
    response
}

/// What came of waiting for a stream.
enum Beginning {
    /// It is known what the stream consists of.
    Known,
    /// It ended before anything came.
    Ended,
    /// What comes is broken.
    Unreadable(String),
    NotYet,
}

/// Waits until it is known what the stream consists of.
async fn beginning(viewer: &Viewer) -> Beginning {
    let mut tracks = viewer.channel().watch_tracks();
    let mut news = viewer.news();
    let begun = async {
        tokio::select! {
            biased;
            // Also of what could be read before it broke: nothing more would come.
            why = viewer.unreadable() => Beginning::Unreadable(why),
            _ = tracks.wait_for(|tracks| !tracks.is_empty()) => Beginning::Known,
            _ = news.wait_for(|news| news.ended) => Beginning::Ended,
        }
    };
    tokio::time::timeout(FIRST_FRAME_WITHIN, begun)
        .await
        .unwrap_or(Beginning::NotYet)
}

/// The answer whose body is the stream.
pub(super) fn answer(format: Format, body: Body) -> Response<Body> {
    let media_type = match format {
        Format::WebM => "video/webm".to_owned(),
        Format::Mp4 => "video/mp4".to_owned(),
        Format::Mjpeg => format!("multipart/x-mixed-replace; boundary={MJPEG_BOUNDARY}"),
        Format::Native | Format::Rtp => {
            unreachable!("frames without a container have no place in an HTTP body")
        }
    };
    let mut response = Response::new(body);
    dress(&mut response, &media_type);
    // A proxy that collects a body before it passes it on would collect for ever.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    response
        .headers_mut()
        .insert(unbuffered, HeaderValue::from_static("no"));
    response
}

fn dress(response: &mut Response<Body>, media_type: &str) {
    let headers = response.headers_mut();
    if let Ok(media_type) = HeaderValue::from_str(media_type) {
        headers.insert(CONTENT_TYPE, media_type);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

async fn over(lease: Lease) {
    let _ = lease.over().await;
}

/// A body that lasts as long as the stream, or as its codecs do: a player that was given one init segment cannot be given
/// another.
struct Playing {
    watching: Watching,
    /// Counted for as long as the body lasts.
    _viewer: Viewer,
    /// Waits for the end of the right to watch.
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    parts: VecDeque<Bytes>,
    begun: bool,
}

impl Playing {
    fn new(watching: Watching, viewer: Viewer) -> Self {
        Self {
            watching,
            over: Box::pin(over(viewer.lease().clone())),
            _viewer: viewer,
            parts: VecDeque::new(),
            begun: false,
        }
    }

    /// Takes a packet to be sent. False when it cannot follow what was sent.
    fn take(&mut self, packet: &Packet) -> bool {
        if packet.is_init() && std::mem::replace(&mut self.begun, true) {
            return false;
        }
        self.parts.extend(packet.parts());
        true
    }
}

impl HttpBody for Playing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
            match ready!(self.watching.poll_next(cx)) {
                Some(Item::Packet(packet)) if self.take(&packet) => {}
                // The timeline has a gap, the bytes have none.
                Some(Item::Skipped { .. }) => {}
                None | Some(Item::Packet(_) | Item::Unsuitable(_)) => return Poll::Ready(None),
            }
        }
    }
}
