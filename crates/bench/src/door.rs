//! How viewers watch. A door of the server is a variant here, and a client that speaks it.

use clap::ValueEnum;
use serde::Serialize;

/// The way that bytes take to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Door {
    /// Socket.IO over WebSocket, pictures as data URLs (base64): StreamHub's own way
    #[value(name = "socketio")]
    SocketIo,
    /// Socket.IO over WebSocket, pictures as binary attachments
    #[value(name = "socketio-binary")]
    SocketIoBinary,
    /// Socket.IO over HTTP long polling, pictures as data URLs
    Polling,
    /// Our own frames over a WebSocket at /live/KEY
    Native,
    /// Multipart pictures in one HTTP answer: GET /live/KEY.mjpeg
    Http,
}

impl Door {
    /// Whether pictures go as bytes rather than as text, from the publisher too.
    pub(crate) fn is_binary(self) -> bool {
        match self {
            Self::SocketIoBinary | Self::Native | Self::Http => true,
            Self::SocketIo | Self::Polling => false,
        }
    }

    /// The name as it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SocketIo => "socketio",
            Self::SocketIoBinary => "socketio-binary",
            Self::Polling => "polling",
            Self::Native => "native",
            Self::Http => "http",
        }
    }
}
