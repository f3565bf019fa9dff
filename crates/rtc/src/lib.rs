//! WebRTC through the server: WHIP publishes into a [`Channel`](abanico_live::Channel), WHEP watches one.
//!
//! An [`Endpoint`] is one UDP socket, connections of ICE over TCP, and one task that drives every session of them. The protocol is str0m's, which does no
//! I/O of its own; nothing of it shows outside. Who may publish or watch, and where HTTP leads, is for others to know.
//!
//! Invariants: a datagram reaches a session only from an address that showed the session's ICE password; media goes only
//! to an address that has answered; what a peer
//! sends ends its own session at most; sessions, those not yet connected, addresses of a session and offers are bounded.

mod alerts;
mod answering;
mod clock;
mod driver;
mod egress;
mod endpoint;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod ingress;
mod keys;
mod meter;
mod narrow;
mod negotiation;
mod offer;
mod payload;
mod pictures;
mod probe;
mod reach;
mod registry;
mod report;
mod route;
mod sender;
mod session;
mod silence;
mod socket;
mod srtp;
mod streams;
mod stun;
mod trickle;
mod wakeups;

pub use endpoint::{Accepted, Config, Endpoint};
pub use ingress::{Ended, Publishing};
pub use negotiation::Negotiated;
pub use offer::{OFFER_BYTES_MAX, Refused};
pub use registry::{Side, Unlisted};
pub use trickle::{Patched, TrickleRefused};
