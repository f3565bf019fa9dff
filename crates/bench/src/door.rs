//! How viewers watch. A door of the server is a variant here, and a client that speaks it.

use crate::content::Content;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
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
    /// Video as WebM in one HTTP answer: GET /live/KEY.webm
    Webm,
    /// Video as fragmented MP4 in one HTTP answer: GET /live/KEY.mp4
    Mp4,
    /// Video over WebRTC: an offer to /whep/KEY, and RTP; the delay is told of made-up frames, others do not say when they were sent
    Whep,
}

/// Reads the doors that the floor can be framed as, and offers no others.
pub(crate) fn with_floor() -> impl TypedValueParser<Value = Door> {
    let known = Door::value_variants()
        .iter()
        .filter(|door| door.has_floor())
        .filter_map(Door::to_possible_value);
    PossibleValuesParser::new(known).try_map(|name| Door::from_str(&name, false))
}

impl Door {
    /// Whether pictures go as bytes rather than as text, from the publisher too.
    pub(crate) fn is_binary(self) -> bool {
        match self {
            Self::SocketIoBinary
            | Self::Native
            | Self::Http
            | Self::Webm
            | Self::Mp4
            | Self::Whep => true,
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
            Self::Webm => "webm",
            Self::Mp4 => "mp4",
            Self::Whep => "whep",
        }
    }

    /// Whether a viewer watches the body of one HTTP answer, and of what kind. `None` if it does not.
    pub(crate) fn body(self) -> Option<Content> {
        match self {
            Self::SocketIo | Self::SocketIoBinary | Self::Polling | Self::Native | Self::Whep => {
                None
            }
            Self::Http => Some(Content::Pictures),
            Self::Webm => Some(Content::Clusters),
            Self::Mp4 => Some(Content::Fragments),
        }
    }

    /// Whether made-up pictures travel that way.
    pub(crate) fn takes_pictures(self) -> bool {
        !matches!(self, Self::Webm | Self::Mp4 | Self::Whep)
    }

    /// Whether the bare sender can frame bytes as for this door.
    pub(crate) fn has_floor(self) -> bool {
        self.takes_pictures() && self != Self::Polling
    }
}
