//! Ending a stream over plain HTTP: `DELETE /streams/{key}`, with its token or the operator's key.

use super::publish::{refuse_key, token, unauthorized};
use super::{Doors, say};
use abanico_streamhub::door::EndRefusal;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request};
use http::{Response, StatusCode};
use tracing::info;

/// `DELETE /streams/{key}`.
pub(crate) async fn end(
    Extension(doors): Extension<Doors>,
    Path(key): Path<String>,
    request: Request,
) -> Response<Body> {
    let asker = doors.keeper.asker(&request);
    let shown = match token(request.headers()) {
        Ok(shown) => shown,
        Err(sentence) => return unauthorized(sentence),
    };
    let claim = doors.keeper.claim_unasked(asker, &key, shown.as_deref());
    let claim = match claim.await {
        Ok(claim) => claim,
        Err(refused) => return refuse_key(refused),
    };
    match doors.streamhub.end(&key, &claim).await {
        Ok(()) => {
            info!(
                by_operator = claim.grant.is_operator(),
                "a stream was ended over HTTP"
            );
            say(StatusCode::OK, "the stream has ended")
        }
        Err(refusal) => {
            let sentence = refusal.to_string();
            match refusal {
                EndRefusal::Unknown => say(StatusCode::NOT_FOUND, &sentence),
                EndRefusal::Ended => say(StatusCode::GONE, &sentence),
                EndRefusal::TooManyWrong(refused) => refuse_key(refused),
                EndRefusal::TokenMissing | EndRefusal::TokenWrong => unauthorized(&sentence),
            }
        }
    }
}
