//! The kinds of values that settings have, each with a text form that a person would type.
//!
//! A value that cannot be read says what to type instead; where it stood (flag, variable, file) is added by whoever
//! read it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// Where the server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Every interface, IPv6 and IPv4 alike.
    Everywhere {
        /// The port; 0 lets the system choose one.
        port: u16,
    },
    /// One address only.
    At(SocketAddr),
}

impl Listen {
    /// The port that was asked for.
    pub fn port(self) -> u16 {
        match self {
            Self::Everywhere { port } => port,
            Self::At(address) => address.port(),
        }
    }

    /// The same interfaces on another port.
    pub fn with_port(self, port: u16) -> Self {
        match self {
            Self::Everywhere { .. } => Self::Everywhere { port },
            Self::At(address) => Self::At(SocketAddr::new(address.ip(), port)),
        }
    }
}

impl FromStr for Listen {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::Listen(text.to_owned());
        if let Ok(address) = text.parse() {
            return Ok(Self::At(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port = port.parse().map_err(|_| wrong())?;
        match host {
            "" | "*" => Ok(Self::Everywhere { port }),
            "localhost" => Ok(Self::At(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                port,
            ))),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere { port } => write!(f, ":{port}"),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// A length of time, written with its unit: `10s`, `250ms`, `1m 30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match humantime::parse_duration(text) {
            Ok(duration) => Ok(Self(duration)),
            Err(_) if text.parse::<u64>().is_ok() => Err(ValueError::NoUnit(text.to_owned())),
            Err(_) => Err(ValueError::Span(text.to_owned())),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A number of bytes: `1000000`, `64KiB`, `1MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

/// The units a size may be written in, longest first so that `KiB` is not read as `B`.
const SIZE_UNITS: [(&str, usize); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, unit) = SIZE_UNITS
            .iter()
            .find_map(|(name, factor)| Some((text.strip_suffix(name)?.trim_end(), *factor)))
            .unwrap_or((text, 1));
        let bytes = number
            .parse::<usize>()
            .ok()
            .and_then(|count| count.checked_mul(unit));
        bytes
            .map(Self)
            .ok_or_else(|| ValueError::Size(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = [
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
            ("MB", 1_000_000),
            ("kB", 1_000),
        ]
        .into_iter()
        .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => self.0.fmt(f),
        }
    }
}

/// How many of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub usize);

impl FromStr for Count {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse()
            .map(Self)
            .map_err(|_| ValueError::Count(text.to_owned()))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part of a whole, from nothing (0) to all (1), written in percent: `90%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let read = || {
            let percent: f64 = text.strip_suffix('%')?.trim_end().parse().ok()?;
            (0.0..=100.0)
                .contains(&percent)
                .then_some(Self(percent / 100.0))
        };
        read().ok_or_else(|| ValueError::Share(text.to_owned()))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was typed, without the noise of having been divided.
        write!(f, "{}%", (self.0 * 1e6).round() / 1e4)
    }
}

/// Addresses of this machine as others know them, each with a port or without: `203.0.113.5, [2001:db8::5]:3000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(pub Vec<(IpAddr, Option<u16>)>);

impl FromStr for Addresses {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let read = |one: &str| {
            let with_port = one.parse::<SocketAddr>();
            let with_port = with_port.map(|address| (address.ip(), Some(address.port())));
            with_port.or_else(|_| one.parse().map(|ip| (ip, None)))
        };
        text.split(',')
            .map(|one| read(one.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(|_| ValueError::Addresses(text.to_owned()))
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (ip, port)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match port {
                Some(port) => write!(f, "{comma}{}", SocketAddr::new(*ip, *port))?,
                None => write!(f, "{comma}{ip}")?,
            }
        }
        Ok(())
    }
}

/// Names and addresses of a machine, between commas: `desk.local,192.168.1.20`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// Names, in lower case.
    pub names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

impl FromStr for Hosts {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for host in text.split(',').map(str::trim) {
            match host.parse() {
                Ok(address) => addresses.push(address),
                Err(_) if is_name(host) => names.push(host.to_ascii_lowercase()),
                Err(_) if host.strip_prefix("*.").is_some_and(is_name) => {
                    return Err(ValueError::Wildcard(host.to_owned()));
                }
                Err(_) => return Err(ValueError::Hosts(text.to_owned())),
            }
        }
        Ok(Self { names, addresses })
    }
}

/// Whether a text can be a host's name. What is all digits and dots is an address that was mistyped.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253
        && text.split('.').all(is_label)
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let hosts: Vec<_> = self.names.iter().cloned().chain(addresses).collect();
        f.write_str(&hosts.join(","))
    }
}

/// How often something may be done: a number per second for good, and a number at once: `5/s burst 30`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Often {
    /// How many a second, for good.
    pub per_second: f64,
    /// How many at once.
    pub burst: u32,
}

impl FromStr for Often {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let read = || {
            let (per_second, burst) = text.split_once("/s burst ")?;
            let often = Self {
                per_second: per_second.trim().parse().ok()?,
                burst: burst.trim().parse().ok()?,
            };
            (often.per_second.is_finite() && often.per_second >= 0.0).then_some(often)
        };
        read().ok_or_else(|| ValueError::Often(text.to_owned()))
    }
}

impl fmt::Display for Often {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s burst {}", self.per_second, self.burst)
    }
}

/// Bytes a second, and bytes at once: `64MiB/s burst 64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throughput {
    /// How many a second, for good.
    pub per_second: Size,
    /// How many at once.
    pub burst: Size,
}

impl FromStr for Throughput {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let read = || {
            let (per_second, burst) = text.split_once("/s burst ")?;
            Some(Self {
                per_second: per_second.trim().parse().ok()?,
                burst: burst.trim().parse().ok()?,
            })
        };
        read().ok_or_else(|| ValueError::Throughput(text.to_owned()))
    }
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s burst {}", self.per_second, self.burst)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listen_address_may_leave_out_the_interface() {
        assert_eq!("3000".parse(), Ok(Listen::Everywhere { port: 3000 }));
        assert_eq!(":3000".parse(), Ok(Listen::Everywhere { port: 3000 }));
        assert_eq!("*:80".parse(), Ok(Listen::Everywhere { port: 80 }));
        assert_eq!(
            "localhost:80".parse(),
            Ok(Listen::At(([127, 0, 0, 1], 80).into()))
        );
        assert_eq!("[::1]:80".parse::<Listen>().map(Listen::port), Ok(80));
        for wrong in ["", ":", "host:80", "1.2.3.4", ":70000", "::"] {
            assert_eq!(
                wrong.parse::<Listen>(),
                Err(ValueError::Listen(wrong.to_owned())),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_length_of_time_needs_its_unit() {
        assert_eq!("250ms".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("0s".parse(), Ok(Span(Duration::ZERO)));
        assert_eq!(
            "10".parse::<Span>(),
            Err(ValueError::NoUnit("10".to_owned()))
        );
        assert_eq!(
            "soon".parse::<Span>(),
            Err(ValueError::Span("soon".to_owned()))
        );
    }

    #[test]
    fn a_share_is_written_in_percent() {
        assert_eq!("90%".parse(), Ok(Share(0.9)));
        assert_eq!(Share(0.04).to_string(), "4%");
        assert_eq!("100 %".parse(), Ok(Share(1.0)));
        for wrong in ["", "90", "%", "101%", "-1%", "NaN%", "0.9"] {
            assert_eq!(
                wrong.parse::<Share>(),
                Err(ValueError::Share(wrong.to_owned())),
                "{wrong}"
            );
        }
    }

    #[test]
    fn addresses_stand_between_commas_with_a_port_or_without() {
        let text = "203.0.113.5,[2001:db8::5]:3000,::1";
        let addresses: Addresses = text.parse().unwrap();
        let ports: Vec<_> = addresses.0.iter().map(|(_, port)| *port).collect();
        assert_eq!(ports, [None, Some(3000), None]);
        assert_eq!(addresses.to_string(), text);
        for wrong in ["", "here", "203.0.113.5,", ":3000"] {
            assert_eq!(
                wrong.parse::<Addresses>(),
                Err(ValueError::Addresses(wrong.to_owned())),
                "{wrong}"
            );
        }
    }

    #[test]
    fn hosts_are_names_and_addresses_between_commas() {
        let hosts: Hosts = "Desk.local,192.168.1.20,fd00::7".parse().unwrap();
        assert_eq!(hosts.names, ["desk.local"]);
        assert_eq!(hosts.addresses.len(), 2);
        assert_eq!(hosts.to_string(), "desk.local,192.168.1.20,fd00::7");
        for wrong in ["", "a b", "-a", "192.168.1", "desk:3000", "desk,", "a..b"] {
            assert_eq!(
                wrong.parse::<Hosts>(),
                Err(ValueError::Hosts(wrong.to_owned())),
                "{wrong}"
            );
        }
        let wildcard = "example.org,*.example.org".parse::<Hosts>();
        assert_eq!(
            wildcard,
            Err(ValueError::Wildcard("*.example.org".to_owned()))
        );
    }

    #[test]
    fn a_rate_has_a_pace_and_a_burst() {
        let often = Often {
            per_second: 0.5,
            burst: 3,
        };
        assert_eq!("0.5/s burst 3".parse(), Ok(often));
        assert_eq!(often.to_string(), "0.5/s burst 3");
        for wrong in [
            "5",
            "5/s",
            "-1/s burst 3",
            "inf/s burst 3",
            "NaN/s burst 3",
            "5/s burst many",
        ] {
            assert_eq!(
                wrong.parse::<Often>(),
                Err(ValueError::Often(wrong.to_owned())),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_rate_of_bytes_has_sizes_on_both_sides() {
        let throughput = Throughput {
            per_second: Size(8 << 20),
            burst: Size(500),
        };
        assert_eq!("8MiB/s burst 500B".parse(), Ok(throughput));
        assert_eq!(throughput.to_string(), "8MiB/s burst 500");
        for wrong in ["8MiB", "8MiB/s", "-1/s burst 3", "8MiB/s burst much"] {
            assert_eq!(
                wrong.parse::<Throughput>(),
                Err(ValueError::Throughput(wrong.to_owned()))
            );
        }
    }

    #[test]
    fn a_size_is_shown_as_it_would_be_typed() {
        for text in ["64KiB", "1MB", "3", "5GiB", "8MiB", "1500", "10kB"] {
            assert_eq!(
                text.parse::<Size>().map(|size| size.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!("1 MB".parse(), Ok(Size(1_000_000)));
        for wrong in [
            "",
            "B",
            "-1",
            "1TB",
            "99999999999999999999",
            "99999999999GiB",
        ] {
            assert_eq!(
                wrong.parse::<Size>(),
                Err(ValueError::Size(wrong.to_owned())),
                "{wrong}"
            );
        }
    }
}
