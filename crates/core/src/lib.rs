//! What a live stream is, and who may do what to it.
//!
//! Pure: nothing in this crate waits, sleeps, spawns, reads the clock or touches a socket. Time comes in as an argument,
//! and what must happen next goes out as values. `abanico-hub` runs it.

pub mod key;
pub mod ladder;
pub mod late;
pub mod pace;
pub mod presence;
pub mod rate;
pub mod rights;
pub mod ring;
pub mod stream;
