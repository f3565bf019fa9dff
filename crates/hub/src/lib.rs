//! Runs `abanico-core` on tokio: a task per stream with one inbox, and the fan-out of its packets beside it.
//!
//! It knows no protocol. An adapter registers publishers and viewers with the [`Distributor`], hands it packets that are
//! ready for its wire, gives each viewer a [`feed::Cursor`] to read them with, and hears as an [`Audience`] what must be
//! told.
//!
//! Invariants: a slow viewer never slows the publisher or another viewer; nothing but a stream's own task changes it.

pub mod budget;
pub mod distributor;
mod effort;
pub mod feed;
pub mod late;
pub mod stream;
mod sync;
pub mod tally;

pub use distributor::Distributor;
pub use effort::{Stretch, time_bringing};
pub use stream::{Audience, Stream};
