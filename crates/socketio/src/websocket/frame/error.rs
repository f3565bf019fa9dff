//! What ends a connection, and the codes that say so (RFC 6455, 7.4).

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A client must mask its frames.
    #[error("frame is not masked")]
    Unmasked,
    /// A reserved bit is set, and no extension was agreed on.
    #[error("reserved bits are set")]
    ReservedBits,
    /// The opcode has no meaning.
    #[error("opcode {0} is reserved")]
    Opcode(u8),
    /// A control frame is cut into fragments.
    #[error("control frame is fragmented")]
    FragmentedControl,
    /// A control frame has more than 125 bytes.
    #[error("control frame of {0} bytes")]
    LongControl(u64),
    /// A continuation without a beginning.
    #[error("continuation of no message")]
    StrayContinuation,
    /// A new message before the end of the one before.
    #[error("message within a message")]
    Interleaved,
    /// A length with its highest bit set.
    #[error("frame length is negative")]
    Length,
    /// A close frame with half a code, a code that may not be sent, or a reason that is no UTF-8.
    #[error("close frame is malformed")]
    Close,
    /// A text that is no UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// More bytes than [`super::Limits::message_bytes_max`].
    #[error("message is larger than {max} bytes")]
    TooLarge {
        /// The bound.
        max: usize,
    },
    /// More frames than [`super::Limits::fragments_max`].
    #[error("message has more than {max} fragments")]
    TooManyFragments {
        /// The bound.
        max: usize,
    },
}

impl FrameError {
    /// The code to close the connection with.
    pub fn close_code(self) -> u16 {
        match self {
            Self::Unmasked
            | Self::ReservedBits
            | Self::Opcode(_)
            | Self::FragmentedControl
            | Self::LongControl(_)
            | Self::StrayContinuation
            | Self::Interleaved
            | Self::Length
            | Self::Close => code::PROTOCOL_ERROR,
            Self::Utf8 => code::INVALID_DATA,
            Self::TooLarge { .. } => code::TOO_LARGE,
            Self::TooManyFragments { .. } => code::POLICY,
        }
    }
}

/// Close codes that a server sends.
pub mod code {
    /// The purpose is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The server is going down.
    pub const GOING_AWAY: u16 = 1001;
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// A text was no UTF-8.
    pub const INVALID_DATA: u16 = 1007;
    /// The peer broke a rule of ours.
    pub const POLICY: u16 = 1008;
    /// A message was too large.
    pub const TOO_LARGE: u16 = 1009;
    /// Something on our side went wrong.
    pub const INTERNAL: u16 = 1011;
}
