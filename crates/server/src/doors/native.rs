//! The native door: encoded frames over a WebSocket, one a message, as `docs/protocol.md` describes them.
//!
//! A session is a conversation: a future that is given the client's messages one after the other. Media does not pass
//! through a viewer's conversation: its socket pulls from the stream's feed, or a courier puts frames there.

mod count;
mod feed;
mod publish;
mod watch;
mod words;

use super::conversation::Conversation;
use super::{Doors, publish as publish_over_http, say};
use abanico_socketio::engine::PlainSessions;
use axum::body::Body;
use axum::extract::Request;
use http::{Response, StatusCode};
use std::time::Duration;
use words::Texts;

const WATCH: &str = "abanico.watch.v1";
const PUBLISH: &str = "abanico.publish.v1";

/// How long a client may take to say what it wants.
const FIRST_WORD_WITHIN: Duration = Duration::from_secs(10);

/// The largest message of who has not yet shown that it may publish. A larger one closes its WebSocket (1009).
const FIRST_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Answers a request for a WebSocket at the stream `key`.
pub(super) fn open(doors: &Doors, key: &str, request: Request) -> Response<Body> {
    let (streamhub, key) = (doors.streamhub.clone(), key.to_owned());
    let (keeper, asker) = (doors.keeper.clone(), doors.keeper.asker(&request));
    let in_address = request
        .uri()
        .query()
        .and_then(publish_over_http::in_address);
    let texts = Texts::new(doors.texts);
    let response = match PlainSessions::subprotocol(&request, &[WATCH, PUBLISH]) {
        Some(WATCH) => doors.viewers.accept(request, Some(WATCH), |session| {
            Conversation::new(session, |session, inbox| {
                let guest = Box::new(watch::Guest {
                    keeper,
                    asker,
                    in_address,
                    key,
                });
                watch::converse(session, inbox, texts, streamhub, guest)
            })
        }),
        Some(_) => doors.publishers.accept(request, Some(PUBLISH), |session| {
            session.limit_messages(Some(FIRST_MESSAGE_BYTES_MAX));
            Conversation::new(session, |session, inbox| {
                publish::converse(session, inbox, texts, streamhub, (keeper, asker), key)
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
