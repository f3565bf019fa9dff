//! The operator's publish tokens over HTTP: made, listed and revoked at `/tokens`.
//!
//! Each request shows the operator's key; where somebody stands gives nothing here. A secret is in the answer that made
//! it, and in no other.

use super::{Doors, say};
use crate::config;
use crate::rights::{Pattern, Right, Token, Wanted};
use abanico_core::rights::Deed;
use abanico_streamhub::time::Timestamp;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Json};
use http::header::CACHE_CONTROL;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use tracing::info;

/// A name and a time are far below.
const BODY_BYTES_MAX: usize = 4 << 10;

/// How long a client may take to send them.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// What a token is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    #[serde(default = "Pattern::any")]
    stream: Pattern,
    #[serde(default)]
    may: Vec<Right>,
    /// For how long: `30d`. For ever without.
    #[serde(default)]
    expires: Option<String>,
}

/// `GET /tokens`.
pub(crate) async fn tokens(Extension(doors): Extension<Doors>, request: Request) -> Response<Body> {
    if let Err(refusal) = doors.granted(Deed::Operate, None, &request).await {
        return refusal;
    }
    match doors.keeper.tokens().read() {
        Ok(tokens) => {
            let shown: Vec<_> = tokens.iter().map(shown).collect();
            answer(StatusCode::OK, &json!({ "tokens": shown }))
        }
        Err(error) => broken(&error),
    }
}

/// `POST /tokens`.
pub(crate) async fn make_token(
    Extension(doors): Extension<Doors>,
    request: Request,
) -> Response<Body> {
    if let Err(refusal) = doors.granted(Deed::Operate, None, &request).await {
        return refusal;
    }
    let form = r#"{"name": "…", "stream"?: "studio-*", "may"?: ["publish"], "expires"?: "30d"}"#;
    let asked: Asked = match body(request.into_body(), form).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    let now = Timestamp::now().millis();
    let expires_at = match time(asked.expires.as_deref()) {
        Ok(time) => time.map(|time| config::after(now, time)),
        Err(sentence) => return say(StatusCode::BAD_REQUEST, sentence),
    };
    let wanted = Wanted {
        name: asked.name,
        streams: asked.stream,
        may: asked.may,
        expires_at,
    };
    let file = doors.keeper.tokens().clone();
    let made = tokio::task::spawn_blocking(move || file.add(wanted, now)).await;
    match made {
        Ok(Ok((token, secret))) => {
            info!(name = token.name, "a publish token was made");
            let mut words = shown(&token);
            words["token"] = json!(secret.reveal());
            answer(StatusCode::CREATED, &words)
        }
        // What the name or the number of tokens stands against is for the operator to read.
        Ok(Err(error)) => say(StatusCode::CONFLICT, &error.to_string()),
        Err(_) => say(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the token was not made; the log says why",
        ),
    }
}

/// `DELETE /tokens/{name}`.
pub(crate) async fn revoke_token(
    Extension(doors): Extension<Doors>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    if let Err(refusal) = doors.granted(Deed::Operate, None, &request).await {
        return refusal;
    }
    let (file, asked) = (doors.keeper.tokens().clone(), name.clone());
    let revoked = tokio::task::spawn_blocking(move || file.revoke(&asked)).await;
    match revoked {
        Ok(Ok(true)) => {
            info!(name, "a publish token was revoked");
            doors.keeper.look();
            let sentence = "the token is void; what was begun with it ends within a second";
            say(StatusCode::OK, sentence)
        }
        Ok(Ok(false)) => say(StatusCode::NOT_FOUND, "there is no token of this name"),
        Ok(Err(error)) => broken(&error),
        Err(_) => say(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the token was not revoked; the log says why",
        ),
    }
}

/// A body that is JSON of the form that is told to who sends something else.
pub(super) async fn body<T: DeserializeOwned>(body: Body, form: &str) -> Result<T, Response<Body>> {
    let read = Limited::new(body, BODY_BYTES_MAX).collect();
    let bytes: Bytes = match tokio::time::timeout(BODY_WITHIN, read).await {
        Ok(Ok(read)) => read.to_bytes(),
        Ok(Err(_)) => {
            let sentence = format!("the body broke off, or has more than {BODY_BYTES_MAX} bytes");
            return Err(say(StatusCode::BAD_REQUEST, &sentence));
        }
        Err(_) => return Err(say(StatusCode::REQUEST_TIMEOUT, "the body did not come")),
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        say(
            StatusCode::BAD_REQUEST,
            &format!("the body is {form}: {error}"),
        )
    })
}

/// A length of time as people write it.
pub(super) fn time(text: Option<&str>) -> Result<Option<Duration>, &'static str> {
    text.map(humantime::parse_duration)
        .transpose()
        .map_err(|_| "expires is a length of time, for example 30d or 12h")
}

/// A token as it is listed.
fn shown(token: &Token) -> Value {
    let time = |millis| json!(Timestamp::from_millis(millis));
    json!({
        "name": token.name,
        "id": token.id,
        "stream": token.streams,
        "may": token.may,
        "madeAt": time(token.made_at),
        "expiresAt": token.expires_at.map(time),
        "holds": token.holds(Timestamp::now().millis()),
    })
}

pub(super) fn answer(status: StatusCode, words: &Value) -> Response<Body> {
    (status, [(CACHE_CONTROL, "no-store")], Json(words)).into_response()
}

/// The operator is told, who can mend it.
fn broken(error: &anyhow::Error) -> Response<Body> {
    say(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}"))
}
