//! Keeping order over plain HTTP: `POST /streams/{key}/moderation`.

use super::publish::unauthorized;
use super::tokens::body;
use super::{Doors, say};
use abanico_core::rights::Deed;
use abanico_streamhub::{Measure, ModerateRefusal};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request};
use http::{Response, StatusCode};

/// `POST /streams/{key}/moderation`.
pub(crate) async fn moderate(
    Extension(doors): Extension<Doors>,
    Path(key): Path<String>,
    request: Request,
) -> Response<Body> {
    let asked = doors.asked(Deed::Moderate, Some(&key), &request);
    let grant = match asked.await {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    let form = r#"{"do": "remove-message", "messageId": "…"}, or {"do": "silence" | "unsilence" | "remove", "userId": "…"}"#;
    let measure: Measure = match body(request.into_body(), form).await {
        Ok(measure) => measure,
        Err(refusal) => return refusal,
    };
    match doors.streamhub.moderate(&key, &grant, measure).await {
        Ok(()) => say(StatusCode::OK, "done, and told to who is there"),
        Err(refusal) => {
            let sentence = refusal.to_string();
            match refusal {
                ModerateRefusal::Unknown | ModerateRefusal::Nobody => {
                    say(StatusCode::NOT_FOUND, &sentence)
                }
                ModerateRefusal::NotYours => unauthorized(&sentence),
            }
        }
    }
}
