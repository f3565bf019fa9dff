//! What clients and server say: WebSocket frames, Engine.IO and Socket.IO packets, the few events that a viewer needs.
//!
//! A packet is told by how it begins; nothing is parsed that need not be.

use serde::Deserialize;

/// Opcodes of WebSocket frames.
pub(crate) mod opcode {
    /// The message before it goes on.
    pub(crate) const CONTINUATION: u8 = 0;
    /// A text.
    pub(crate) const TEXT: u8 = 1;
    /// Bytes.
    pub(crate) const BINARY: u8 = 2;
    /// The end.
    pub(crate) const CLOSE: u8 = 8;
    /// Is somebody there?
    pub(crate) const PING: u8 = 9;
    /// Yes.
    pub(crate) const PONG: u8 = 10;
    /// The bit of a message's last frame.
    pub(crate) const FINAL: u8 = 0x80;
}

/// Where Socket.IO is served, up to the name of the transport.
pub(crate) const PATH: &str = "/socket.io/?EIO=4&transport=";

/// Appends a frame, masked if it is a client's. Returns where its payload begins.
pub(crate) fn frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> usize {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    out.push(self::opcode::FINAL | opcode);
    let len = payload.len();
    if let Ok(len) = u8::try_from(len)
        && len < 126
    {
        out.push(masked | len);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(masked | 126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(masked | 127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
    let Some(mask) = mask else {
        let begin = out.len();
        out.extend_from_slice(payload);
        return begin;
    };
    out.extend_from_slice(&mask);
    let begin = out.len();
    let masked = payload
        .iter()
        .enumerate()
        .map(|(at, byte)| byte ^ mask[at % 4]);
    out.extend(masked);
    begin
}

/// The request that opens a WebSocket for Socket.IO.
pub(crate) fn upgrade(host: &str) -> String {
    upgrade_at(&format!("{PATH}websocket"), host, "")
}

/// The request that opens a WebSocket at a path; `more` are further header lines.
pub(crate) fn upgrade_at(path: &str, host: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YWJhbmljbyBiZW5jaCBrZQ==\r\n{more}\r\n"
    )
}

/// What a viewer says as soon as it is connected.
pub(crate) fn register(name: &str, role: &str) -> String {
    format!(r#"42["user:register",{{"username":"{name}","role":"{role}"}}]"#)
}

/// Asks to watch.
pub(crate) fn join(key: &str) -> String {
    format!(r#"42["stream:join",{{"streamKey":"{key}"}}]"#)
}

/// Watches no longer.
pub(crate) fn leave(key: &str) -> String {
    format!(r#"42["stream:leave",{{"streamKey":"{key}"}}]"#)
}

/// Begins to publish.
pub(crate) fn start(key: &str) -> String {
    format!(r#"42["stream:start",{{"streamKey":"{key}"}}]"#)
}

/// What a text packet is, as far as we care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet {
    /// The session is open.
    Open,
    /// The server asks whether we are there.
    Ping,
    /// The server has connected us to the main namespace.
    Connected,
    /// The server has not.
    Refused,
    /// The server knows our name.
    Registered,
    /// The session or the connection is over.
    Closed,
    /// A picture or piece; if `binary`, in the next frame.
    Data { binary: bool },
    /// What a joiner is shown first.
    Backlog { binary: bool },
    /// We watch.
    Joined,
    /// We were moved ahead.
    Skipped,
    /// The stream has ended.
    Ended,
    /// Something that we asked for is refused.
    Error,
    /// The publisher's stream exists.
    Created,
    /// Nothing to us. `binary` if a frame with an attachment follows.
    Other { binary: bool },
}

impl Packet {
    /// Tells a packet by its beginning.
    pub(crate) fn of(text: &[u8]) -> Self {
        let (binary, list) = match text {
            [b'0', b'{', ..] => return Self::Open,
            [b'2'] => return Self::Ping,
            [b'1'] | [b'4', b'1', ..] => return Self::Closed,
            [b'4', b'0', ..] => return Self::Connected,
            [b'4', b'4', ..] => return Self::Refused,
            [b'4', b'2', list @ ..] => (false, list),
            [b'4', b'5', b'1', b'-', list @ ..] => (true, list),
            _ => return Self::Other { binary: false },
        };
        let name = list
            .strip_prefix(b"[\"")
            .and_then(|rest| Some(&rest[..memchr::memchr(b'"', rest)?]));
        match name {
            Some(b"user:registered") => Self::Registered,
            Some(b"stream:data") => Self::Data { binary },
            Some(b"stream:buffer") => Self::Backlog { binary },
            Some(b"stream:joined") => Self::Joined,
            Some(b"stream:skipped") => Self::Skipped,
            Some(b"stream:ended") => Self::Ended,
            Some(b"stream:error") => Self::Error,
            Some(b"stream:created") => Self::Created,
            _ => Self::Other { binary },
        }
    }
}

/// The payload of an event with one argument.
fn argument<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<T> {
    let list = text.get(2..)?;
    let (_, argument): (&str, T) = serde_json::from_slice(list).ok()?;
    Some(argument)
}

/// The key in `stream:created`.
pub(crate) fn created_key(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Created {
        stream: Stream,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stream {
        stream_key: String,
    }
    argument(text).map(|created: Created| created.stream.stream_key)
}

/// How many frames `stream:skipped` says were passed over.
pub(crate) fn skipped_frames(text: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Skipped {
        frames: u64,
    }
    argument(text).map(|skipped: Skipped| skipped.frames)
}

/// Why something was refused, in the server's words.
pub(crate) fn refusal(text: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let told = match text {
        [b'4', b'4', rest @ ..] => serde_json::from_slice(rest).ok(),
        _ => argument(text),
    };
    told.map_or_else(
        || String::from_utf8_lossy(text).into_owned(),
        |refusal: Refusal| refusal.message,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_by_their_beginning_even_when_cut() {
        assert_eq!(Packet::of(b"2"), Packet::Ping);
        assert_eq!(Packet::of(br#"40{"sid":"x"}"#), Packet::Connected);
        assert_eq!(
            Packet::of(br#"42["stream:data",{"streamKey":"k","data":"data:im"#),
            Packet::Data { binary: false }
        );
        assert_eq!(
            Packet::of(br#"451-["stream:buffer",{"streamKey":"k""#),
            Packet::Backlog { binary: true }
        );
        assert_eq!(Packet::of(b"42[\"stre"), Packet::Other { binary: false });
    }

    #[test]
    fn what_the_server_tells_is_read() {
        let created =
            br#"42["stream:created",{"stream":{"id":"1","streamKey":"abc"},"publishToken":"t"}]"#;
        assert_eq!(created_key(created).as_deref(), Some("abc"));
        let skipped = br#"42["stream:skipped",{"streamKey":"abc","frames":12}]"#;
        assert_eq!(skipped_frames(skipped), Some(12));
        let error = br#"42["stream:error",{"message":"no","error":"no"}]"#;
        assert_eq!(refusal(error), "no");
        assert_eq!(refusal(br#"44{"message":"full"}"#), "full");
    }
}
