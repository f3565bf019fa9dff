//! Every bound and every time-out of the server, each with what happens when it is reached.
//!
//! The defaults are what socket.io 4.8 announces and enforces. The size of HTTP headers and the time that a client may
//! take to send them belong to whoever accepts the connections: set them on hyper's builder (`max_buf_size`,
//! `header_read_timeout`).

use std::time::Duration;

/// Settings of one [`Server`](crate::Server); start from [`Config::default`].
///
/// The fields from `connect_timeout` to `acks_pending_max` concern Socket.IO only; a bare Engine.IO server
/// ([`crate::engine`]) does not look at them.
#[derive(Debug, Clone)]
pub struct Config {
    /// The one path that is served, with its slash at the end. Requests to other paths are answered with 400.
    pub path: String,
    /// Time from a pong, or from the opening, to the next ping.
    pub ping_interval: Duration,
    /// How long after a ping its pong may take. After that the session is closed.
    pub ping_timeout: Duration,
    /// How long a WebSocket that means to take over a polling session may probe. After that the WebSocket is closed
    /// and the session goes on over polling.
    pub upgrade_timeout: Duration,
    /// How long a message of a client may take to come whole over a WebSocket, from its first byte on, and an event with all
    /// its attachments. After that the session is closed. It begins anew when the client was not read meanwhile.
    pub message_timeout: Duration,
    /// How long the body of a POST may take to arrive. After that it is answered with 400 and the session is closed.
    pub body_timeout: Duration,
    /// How long a closing session may take to write what is queued for it and to say goodbye. After that the
    /// connection is cut.
    pub close_timeout: Duration,
    /// Largest WebSocket message and largest POST body in bytes, announced to clients as `maxPayload`. A larger
    /// WebSocket message is refused from its header with close code 1009, a larger POST is answered with 413 while its
    /// session lives on.
    pub max_payload: usize,
    /// What the operator calls that bound, told to who goes beyond it; empty if it is no setting.
    pub max_payload_setting: &'static str,
    /// Most frames that one WebSocket message may be cut into. More close the connection with 1008.
    pub fragments_max: usize,
    /// Most bytes that may wait for one session outside of feeds; a single message may pass it. A message beyond that
    /// closes the session as a slow consumer.
    pub queue_bytes_max: usize,
    /// Most messages that may wait for one session outside of feeds. A message beyond that closes the session as a slow
    /// consumer.
    pub queue_messages_max: usize,
    /// Most bytes of messages that may be left out ([`Message::skippable`](crate::Message::skippable)) that wait for one
    /// session. Beyond that the oldest of them are left out for it; so they are before it is closed for a full queue.
    pub skippable_bytes_max: usize,
    /// Most bytes of messages that may be refused ([`Message::refusable`](crate::Message::refusable)) that wait for one
    /// session; a single one may pass it. What would be more is refused. What must be sent drives them out as a last resort
    /// before a session is closed for a full queue.
    pub refusable_bytes_max: usize,
    /// How many messages of one client are read. Beyond that it is read no further until its time has come.
    pub message_flow: Flow,
    /// How many bytes in messages of one client are read. Beyond that it is read no further until its time has come.
    pub byte_flow: Flow,
    /// Most messages of one session that may wait for its handler. When they are reached the connection is read no
    /// further until the handler has taken one.
    pub inbound_messages_max: usize,
    /// Most bytes of one session that may wait for its handler (one message may pass the bound). When they are reached
    /// the connection is read no further until the handler has taken a message.
    pub inbound_bytes_max: usize,
    /// Most packets in one polling answer. What is more waits for the next poll. python-engineio refuses answers of
    /// more than 16.
    pub poll_packets_max: usize,
    /// Most bytes in one polling answer; a single packet that is larger goes alone. What is more waits for the next poll.
    pub poll_bytes_max: usize,
    /// Most sessions at a time, those counted that are still saying goodbye. A handshake beyond that is answered with
    /// 503.
    pub sessions_max: usize,
    /// Who may read our answers from a page of another origin.
    pub cors: Cors,
    /// How long a session may stay without a Socket.IO CONNECT after its opening. After that it is closed.
    pub connect_timeout: Duration,
    /// Most attachments of one event or acknowledgement. A packet that announces more closes the session.
    pub attachments_max: usize,
    /// Most bytes of one event, text and attachments together. A larger one closes the session.
    pub event_bytes_max: usize,
    /// Most acknowledgements that one socket may owe us. Asking for more is answered with an error at once.
    pub acks_pending_max: usize,
}

impl Config {
    /// What is told to who sends a message of more than `max` bytes, which are fewer than ever for who may say little yet.
    pub(crate) fn too_large(&self, max: usize) -> String {
        let setting = self.max_payload_setting;
        if max < self.max_payload {
            format!("a message has at most {max} bytes for now")
        } else if setting.is_empty() {
            format!("a message has at most {max} bytes")
        } else {
            format!("a message has at most {max} bytes ({setting})")
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/socket.io/".to_owned(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(3),
            max_payload: 1_000_000,
            max_payload_setting: "message-bytes-max",
            fragments_max: 1024,
            queue_bytes_max: 4 << 20,
            queue_messages_max: 4096,
            skippable_bytes_max: 256 << 10,
            refusable_bytes_max: 512 << 10,
            message_flow: Flow {
                per_second: 1000.0,
                burst: 5000.0,
            },
            byte_flow: Flow {
                per_second: f64::from(64 << 20),
                burst: f64::from(64 << 20),
            },
            inbound_messages_max: 32,
            inbound_bytes_max: 1 << 20,
            poll_packets_max: 16,
            poll_bytes_max: 1_000_000,
            sessions_max: 100_000,
            cors: Cors::Any,
            connect_timeout: Duration::from_secs(45),
            attachments_max: 10,
            event_bytes_max: 1_000_000 + EVENT_TEXT_BYTES,
            acks_pending_max: 1000,
        }
    }
}

/// What an event whose attachments are as large as a message may have besides: its text.
pub const EVENT_TEXT_BYTES: usize = 64 << 10;

/// So many at once, and so many a second after that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// How many come in every second.
    pub per_second: f64,
    /// How many may be taken at once.
    pub burst: f64,
}

/// Which pages of other origins may use the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cors {
    /// `Access-Control-Allow-Origin: *` on every answer.
    Any,
    /// No CORS headers: pages of the same origin only.
    SameOrigin,
}
