//! Links to a private stream over HTTP, for its publisher and the operator: made, listed and revoked at
//! `/streams/{key}/links`.
//!
//! A link's secret is in the answer that made it, and in no other.

use super::publish::unauthorized;
use super::tokens::{answer, body, time};
use super::{Doors, say};
use abanico_core::rights::Deed;
use abanico_streamhub::LinkRefusal;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request};
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tracing::info;

/// Seats of a link that names none.
const SEATS: usize = 10;

/// What a link is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default = "seats")]
    seats: usize,
    /// For how long: `2h`. As long as the stream without.
    #[serde(default)]
    expires: Option<String>,
}

fn seats() -> usize {
    SEATS
}

/// `GET /streams/{key}/links`.
pub(crate) async fn links(
    Extension(doors): Extension<Doors>,
    Path(key): Path<String>,
    request: Request,
) -> Response<Body> {
    let asked = doors.asked(Deed::Publish, Some(&key), &request);
    let grant = match asked.await {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    match doors.streamhub.links(&key, &grant).await {
        Ok(links) => answer(StatusCode::OK, &json!({ "links": links })),
        Err(refusal) => refuse(refusal),
    }
}

/// `POST /streams/{key}/links`.
pub(crate) async fn make_link(
    Extension(doors): Extension<Doors>,
    Path(key): Path<String>,
    request: Request,
) -> Response<Body> {
    let asked = doors.asked(Deed::Publish, Some(&key), &request);
    let grant = match asked.await {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    let form = r#"{"seats"?: 10, "expires"?: "2h"}"#;
    let wanted: Asked = match body(request.into_body(), form).await {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal,
    };
    let time = match time(wanted.expires.as_deref()) {
        Ok(time) => time,
        Err(sentence) => return say(StatusCode::BAD_REQUEST, sentence),
    };
    let made = doors.streamhub.make_link(&key, &grant, wanted.seats, time);
    match made.await {
        Ok((link, token)) => {
            info!(
                id = link.id,
                seats = link.seats,
                "a link to a private stream was made"
            );
            let mut words = json!(link);
            words["token"] = json!(token);
            // What stands behind the sign is sent to nobody.
            words["path"] = json!(format!("/watch/{key}#token={token}"));
            answer(StatusCode::CREATED, &words)
        }
        Err(refusal) => refuse(refusal),
    }
}

/// `DELETE /streams/{key}/links/{id}`.
pub(crate) async fn revoke_link(
    Extension(doors): Extension<Doors>,
    Path((key, id)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    let asked = doors.asked(Deed::Publish, Some(&key), &request);
    let grant = match asked.await {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    match doors.streamhub.revoke_link(&key, &grant, &id).await {
        Ok(()) => say(
            StatusCode::OK,
            "the link is void; who watches with it is put out",
        ),
        Err(refusal) => refuse(refusal),
    }
}

fn refuse(refusal: LinkRefusal) -> Response<Body> {
    let sentence = refusal.to_string();
    match refusal {
        LinkRefusal::Unknown | LinkRefusal::NoLink => say(StatusCode::NOT_FOUND, &sentence),
        LinkRefusal::NotYours => unauthorized(&sentence),
        LinkRefusal::Seats => say(StatusCode::BAD_REQUEST, &sentence),
        LinkRefusal::Public | LinkRefusal::TooMany => say(StatusCode::CONFLICT, &sentence),
    }
}
