//! The whole crate from outside: allocations counted, and the load tester before a server of its own.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

#[path = "../../benches/paths/mod.rs"]
mod paths;

mod allocations;
#[cfg(target_os = "linux")]
mod doors;
mod world;
