//! The real binary, driven from outside as its users do: over HTTP, by signals, by its settings.

// What the tests are made of: servers and their clients.
mod acme_server;
mod answer;
mod client;
mod material;
mod node;
mod secure;
mod socket;
mod stream;

mod acme;
#[cfg(target_os = "linux")]
mod attacks;
#[cfg(target_os = "linux")]
mod bench;
mod events;
mod guesses;
mod kills;
mod limits;
mod links;
mod login;
mod matrix;
mod moderation;
#[cfg(target_os = "linux")]
mod mutations;
mod offers;
mod pages;
mod pairing;
mod private;
mod reserves;
mod restart;
mod rights;
mod routes;
mod shutdown;
#[cfg(target_os = "linux")]
mod stall;
#[cfg(unix)]
mod standstill;
mod start;
mod tls;
mod tokens;
