//! The kinds of values that settings have, each with a text form that a person would type.
//!
//! A value that cannot be read says what to type instead; where it stood (flag, variable, file) is added by whoever
//! read it.

pub(super) mod amount;
pub(super) mod place;
pub(super) mod rate;

/// A value that cannot be read, and what to type instead.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a place to listen at.
    #[error(
        "`{0}` is no address to listen at: type for example :3000 (every interface), 127.0.0.1:3000 (this machine only) \
         or [::1]:3000"
    )]
    Listen(String),
    /// A bare number where a length of time is wanted.
    #[error("`{0}` has no unit: type for example {0}s or {0}ms")]
    NoUnit(String),
    /// Not a length of time.
    #[error("`{0}` is no length of time: type for example 10s, 250ms or 1m 30s")]
    Span(String),
    /// Not a number of bytes.
    #[error("`{0}` is no size: type for example 1000000, 64KiB or 1MB")]
    Size(String),
    /// Not bytes a second.
    #[error("`{0}` is no rate of bytes: type for example 8MiB/s burst 64MiB")]
    Throughput(String),
    /// Not a number of things.
    #[error("`{0}` is no whole number: type for example 1000")]
    Count(String),
    /// Not a part of a whole.
    #[error("`{0}` is no share: type for example 90% or 2.5%, at most 100%")]
    Share(String),
    /// Not addresses.
    #[error(
        "`{0}` is no list of addresses: type for example 203.0.113.5 or 203.0.113.5,[2001:db8::5]:3000"
    )]
    Addresses(String),
    /// Not STUN or TURN servers.
    #[error(
        "`{0}` is no list of STUN and TURN servers: type for example stun:stun.example.org:3478 or \
         turn:USER:PASSWORD@turn.example.org:3478?transport=tcp"
    )]
    IceServers(String),
    /// Not hosts.
    #[error("`{0}` is no list of hosts: type for example desk.local,192.168.1.20")]
    Hosts(String),
    /// A wildcard among hosts.
    #[error(
        "`{0}` is a wildcard, and a certificate for that is none that this server can get or make: list each name, or bring one with \
         tls-certificate and tls-key"
    )]
    Wildcard(String),
    /// Not a rate.
    #[error("`{0}` is no rate: type for example `5/s burst 30`")]
    Often(String),
}
