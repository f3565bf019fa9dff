//! Where something is: addresses to listen at, addresses and names that others know.

use super::ValueError;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

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

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let hosts: Vec<_> = self.names.iter().cloned().chain(addresses).collect();
        f.write_str(&hosts.join(","))
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
}
