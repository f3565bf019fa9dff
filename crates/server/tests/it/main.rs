//! The real binary, driven from outside as its users do: over HTTP, by signals, by its settings.

mod acme;
mod acme_server;
mod addresses;
mod moderation;
mod node;

#[cfg(target_os = "linux")]
mod attacks;
#[cfg(target_os = "linux")]
mod bench;
mod events;
mod guesses;
mod kills;
mod limits;
mod login;
mod matrix;
#[cfg(target_os = "linux")]
mod mutations;
mod pages;
mod pairing;
mod private;
mod reserves;
mod restart;
mod rights;
mod routes;
mod secure;
#[cfg(target_os = "linux")]
mod shares;
mod shutdown;
#[cfg(target_os = "linux")]
mod stall;
mod start;
mod tls;
mod tokens;
