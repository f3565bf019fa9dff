//! The server from outside: real sockets, bytes written by hand, no client library.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod world;

mod acks;
mod backpressure;
mod binary;
mod frames;
mod heartbeat;
mod http;
mod lending;
mod order;
mod panic;
mod plain;
mod polling;
mod rooms;
mod shutdown;
mod upgrade;
