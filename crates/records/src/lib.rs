//! TLS records with the keys of a finished handshake, of TLS 1.3 and 1.2.
//!
//! Handshakes are rustls's. What comes after them is here, because one record's content is to be encrypted straight from
//! bytes that many connections share into the buffer that is sent: no copy, nothing from the heap. Bytes in, bytes out: no
//! socket, no waiting. Who drives it renews keys ([`Sealer::is_worn`]) and understands what is not content.
//!
//! Invariant: a number is used once per key. Each record takes the next one, whatever comes of it.

mod key;
mod opener;
mod sealer;

pub use key::{Nonces, Unsupported};
pub use opener::{Opened, Opener, Refused};
pub use sealer::{OVERHEAD_BYTES_MAX, Sealer};

/// Plaintext of one record, at most.
pub const CONTENT_BYTES_MAX: usize = 16 * 1024;

/// Type, version, length.
pub const HEAD_BYTES: usize = 5;

/// What authenticates a record, in every suite.
pub const TAG_BYTES: usize = 16;
