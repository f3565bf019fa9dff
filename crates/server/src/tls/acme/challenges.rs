//! Answers to the questions with which an ACME authority finds out whether a name is ours: at a path of plain HTTP
//! (http-01), or in a handshake of its own (tls-alpn-01).
//!
//! Only what was asked for is here, and only while its order is under way.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use parking_lot::RwLock;
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// What is spoken in a handshake that is nothing but a question.
pub(crate) const PROTOCOL: &[u8] = b"acme-tls/1";

/// The answers at the moment. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Challenges(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By token.
    http: RwLock<HashMap<String, String>>,
    /// By name.
    tls: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl Challenges {
    /// At the token's path this is answered.
    pub(super) fn answer_http(&self, token: String, answer: String) {
        self.0.http.write().insert(token, answer);
    }

    /// Who asks for this name is shown this certificate.
    pub(super) fn answer_tls(&self, name: String, certificate: CertifiedKey) {
        self.0.tls.write().insert(name, Arc::new(certificate));
    }

    /// The order is over.
    pub(super) fn forget(&self) {
        self.0.http.write().clear();
        self.0.tls.write().clear();
    }

    /// The certificate that answers for this name.
    pub(crate) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.0.tls.read().get(name).cloned()
    }

    /// Where an authority asks over plain HTTP.
    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/.well-known/acme-challenge/{token}", get(answer))
            .with_state(self.clone())
    }
}

async fn answer(
    State(challenges): State<Challenges>,
    Path(token): Path<String>,
) -> impl IntoResponse {
    let answer = challenges.0.http.read().get(&token).cloned();
    let status = if answer.is_some() {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let headers = [(CONTENT_TYPE, "application/octet-stream")];
    (status, headers, answer.unwrap_or_default())
}
