//! WebSocket (RFC 6455) as a server speaks it: frames, the opening handshake, and the socket below.
//!
//! Nothing here knows Engine.IO. Extensions and subprotocols are not negotiated.

pub(crate) mod accept;
pub(crate) mod cable;
pub mod frame;
pub(crate) mod io;
pub(crate) mod line;
pub(crate) mod standing;
pub(crate) mod turn;
