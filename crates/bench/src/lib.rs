//! The load tester: sizes a machine, and shows how near the server comes to what the kernel itself takes.
//!
//! It speaks over its own clients, which read the head of each frame and let the kernel throw the rest away, so that
//! watching costs less than serving. [`Bench`] is the command line; `abanico bench` mounts it.
//!
//! On Linux only, since it reads `/proc` and waits with epoll; elsewhere this crate is empty.
//!
//! Invariant: only this machine is ever loaded. A target that is not a loopback address is refused.

#![cfg(target_os = "linux")]

mod command;
mod compare;
mod floor;
mod interrupt;
mod live;
mod run;

mod client;
mod crowd;
mod habit;
mod hearing;
mod peer;
mod poller;
mod publisher;
mod viewer;
mod watch;
mod way;

mod body;
mod content;
mod handshake;
mod link;
mod material;
mod native;
mod records;
mod rtp;
mod secure;
mod session;
mod tls;
mod video;
mod words;

mod chart;
mod report;
mod tally;

mod door;
mod machine;
mod place;
mod quantity;

pub use command::Bench;
