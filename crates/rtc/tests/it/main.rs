//! An endpoint and its peers, with real sockets between them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod house;
mod moves;
mod narrow;
mod network;
mod peer;
mod picture;
