//! Its HTTP: one request a connection, and answers as the RFC wants them.

use serde_json::Value;
use std::io::Read;

/// A refusal: kind and words.
pub(super) type Refusal = (&'static str, String);

pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

/// An answer: status, further headers, body.
pub(super) type Answer = (u16, Vec<(&'static str, String)>, String);

pub(super) fn malformed(what: &str) -> Refusal {
    ("malformed", what.to_owned())
}

pub(super) fn found(value: &Value) -> Answer {
    let kind = "application/json".to_owned();
    (200, vec![("Content-Type", kind)], value.to_string())
}

pub(super) fn read(stream: &mut impl Read) -> std::io::Result<Request> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut words = head.split(' ');
    let (method, path) = (
        words.next().unwrap().to_owned(),
        words.next().unwrap().to_owned(),
    );
    let header = |wanted: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let mut lines = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        lines
            .next()
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body)?;
    let content_type = header("content-type");
    Ok(Request {
        method,
        path,
        content_type,
        body,
    })
}
