//! The native door: encoded frames over a WebSocket, one a message, as `docs/protocol.md` describes them.
//!
//! A session is a conversation: a future that is given the client's messages one after the other. Media does not pass
//! through a viewer's conversation: its socket pulls from the stream's feed, or a courier puts frames there.

mod conversation;
mod count;
mod feed;
mod publish;
mod watch;
mod words;

use super::say;
use abanico_socketio::Config;
use abanico_socketio::engine::WebSockets;
use abanico_streamhub::StreamHub;
use axum::body::Body;
use axum::extract::Request;
use http::{Response, StatusCode};
use std::time::Duration;

use conversation::Conversation;

const WATCH: &str = "abanico.watch.v1";
const PUBLISH: &str = "abanico.publish.v1";

/// The largest message: a keyframe of a large picture.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// How long a client may take to say what it wants.
const FIRST_WORD_WITHIN: Duration = Duration::from_secs(10);

/// The door's sessions. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Native {
    sockets: WebSockets,
}

impl Native {
    /// No sessions yet.
    pub(crate) fn new() -> Self {
        Self {
            sockets: WebSockets::new(Config {
                max_payload: MESSAGE_BYTES_MAX,
                ..Config::default()
            }),
        }
    }

    /// Whether the request asks for this door.
    pub(crate) fn is_for<B>(request: &http::Request<B>) -> bool {
        WebSockets::is_upgrade(request)
    }

    /// Answers a request for a WebSocket at the stream `key`.
    pub(crate) fn open(
        &self,
        streamhub: &StreamHub,
        key: &str,
        request: Request,
    ) -> Response<Body> {
        let (streamhub, key) = (streamhub.clone(), key.to_owned());
        let response = match WebSockets::subprotocol(&request, &[WATCH, PUBLISH]) {
            Some(WATCH) => self.sockets.accept(request, Some(WATCH), |session| {
                Conversation::new(session, |session, inbox| {
                    watch::converse(session, inbox, streamhub, key)
                })
            }),
            Some(_) => self.sockets.accept(request, Some(PUBLISH), |session| {
                Conversation::new(session, |session, inbox| {
                    publish::converse(session, inbox, streamhub, key)
                })
            }),
            None => {
                return say(
                    StatusCode::BAD_REQUEST,
                    "the WebSocket must offer the subprotocol abanico.watch.v1 or abanico.publish.v1",
                );
            }
        };
        response.map(Body::new)
    }

    /// Ends all sessions with 1001.
    pub(crate) async fn shutdown(&self) {
        self.sockets.shutdown().await;
    }
}
