//! What HTTP may know of the streams.

use bytes::Bytes;
use serde_json::{Value, json};

/// A look at the streams.
pub(crate) struct Live;

/// A picture of a stream.
pub(crate) struct Still {
    pub media_type: &'static str,
    pub bytes: Bytes,
}

impl Live {
    pub(crate) fn health(&self) -> Value {
        json!({"status": "ok"})
    }

    pub(crate) fn streams(&self) -> Value {
        json!({"streams": []})
    }

    pub(crate) fn poster(&self, _key: &str) -> Option<Still> {
        None
    }
}
