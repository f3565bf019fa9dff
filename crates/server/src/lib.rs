//! The server: configuration, HTTP doors, store and embedded pages around the streams.
//!
//! The start-up order stands in [`server`]; the binary's `main` is three lines over it, and tests or embedders use the
//! same door. Invariant: only this crate knows a setting's name, and only this crate knows a route.

pub mod config;
pub mod server;

mod accept;
mod addresses;
mod assets;
mod banner;
mod connection;
mod doors;
pub mod headers;
mod held;
mod http2;
mod https;
mod icecast;
mod listener;
pub mod login;
mod logs;
mod open_files;
pub mod origins;
pub mod outgoing;
mod private;
mod qr;
mod reserves;
pub mod rights;
mod routes;
mod shutdown;
mod store;
mod tls;
mod trust;
mod webrtc;
