//! Why a session ends, and how its client is told.

use crate::engine::link::LinkEnd;
use crate::handler::DisconnectReason;
use crate::websocket::frame::{FrameError, code};

/// Why and how a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) reason: DisconnectReason,
    pub(crate) farewell: Farewell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// There is nobody to say it to.
    None,
    /// What is queued, then goodbye.
    AfterQueue(u16, &'static str),
    /// At once.
    AtOnce(u16, &'static str),
    /// At once, because a message has more than so many bytes.
    TooLarge(usize),
}

impl Ending {
    pub(crate) fn of(reason: DisconnectReason) -> Self {
        let farewell = match reason {
            DisconnectReason::ClientDisconnect => Farewell::AtOnce(code::NORMAL, ""),
            DisconnectReason::TransportClose => Farewell::AtOnce(code::NORMAL, ""),
            DisconnectReason::TransportError => {
                Farewell::AtOnce(code::PROTOCOL_ERROR, "transport error")
            }
            DisconnectReason::PingTimeout => Farewell::AtOnce(code::POLICY, "ping timeout"),
            DisconnectReason::MessageTimeout => Farewell::AtOnce(code::POLICY, "message timeout"),
            DisconnectReason::Unfinished => Farewell::AtOnce(code::POLICY, "too much unfinished"),
            DisconnectReason::ServerDisconnect => Farewell::AfterQueue(code::NORMAL, ""),
            DisconnectReason::SlowConsumer => Farewell::AtOnce(code::POLICY, "slow consumer"),
            DisconnectReason::ParseError => Farewell::AtOnce(code::PROTOCOL_ERROR, "parse error"),
            DisconnectReason::HandlerPanic => Farewell::AtOnce(code::INTERNAL, "internal error"),
            DisconnectReason::ServerShutdown => {
                Farewell::AfterQueue(code::GOING_AWAY, "server shutdown")
            }
        };
        Self { reason, farewell }
    }

    /// The same, with a close code and a reason of somebody's choice.
    pub(crate) fn with(self, farewell: Option<(u16, &'static str)>) -> Self {
        let farewell = match (farewell, self.reason) {
            (None, _) => return self,
            // What it holds is wanted at once.
            (Some((code, reason)), DisconnectReason::Unfinished) => Farewell::AtOnce(code, reason),
            (Some((code, reason)), _) => Farewell::AfterQueue(code, reason),
        };
        Self { farewell, ..self }
    }
}

impl From<LinkEnd> for Ending {
    fn from(end: LinkEnd) -> Self {
        match end {
            LinkEnd::Eof => Self {
                reason: DisconnectReason::TransportClose,
                farewell: Farewell::None,
            },
            LinkEnd::Io(_) | LinkEnd::Stalled => Self {
                reason: DisconnectReason::TransportError,
                farewell: Farewell::None,
            },
            LinkEnd::Frame(FrameError::TooLarge { max }) => Self {
                reason: DisconnectReason::TransportError,
                farewell: Farewell::TooLarge(max),
            },
            LinkEnd::Frame(error) => Self {
                reason: DisconnectReason::TransportError,
                farewell: Farewell::AtOnce(error.close_code(), "malformed frame"),
            },
            LinkEnd::Closed(code) => Self {
                reason: DisconnectReason::TransportClose,
                farewell: Farewell::AtOnce(code.unwrap_or(code::NORMAL), ""),
            },
        }
    }
}
