//! What this machine is called in its network: names and addresses for a certificate of LAN mode.

use super::authority::may_vouch_for;
use crate::banner::lan_addresses;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names and addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) hosts: BTreeSet<String>,
    pub(crate) addresses: BTreeSet<IpAddr>,
}

/// Endings under which a router or mDNS makes a machine known.
const ENDINGS: [&str; 4] = ["local", "lan", "internal", "home.arpa"];

impl Names {
    /// As of now, with those that the operator gave.
    pub(crate) fn now(given: &Self) -> Self {
        let mut names = given.clone();
        names.hosts.insert("localhost".to_owned());
        if let Some(host) = host() {
            let known = ENDINGS.iter().map(|ending| format!("{host}.{ending}"));
            names.hosts.extend(known);
            names.hosts.insert(host);
        }
        let itself: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        names.addresses.extend(itself);
        let private = lan_addresses().into_iter().filter(|it| may_vouch_for(*it));
        names.addresses.extend(private);
        names
    }

    /// The address to show to somebody in the network, of a server that listens at `bound`: one of IPv4 if there is any, else
    /// of IPv6, else a name that was given. What was given is shown wherever it listens.
    pub(crate) fn outward(&self, given: &Self, bound: IpAddr) -> Option<String> {
        let is_reached = |address: &&IpAddr| match bound.is_unspecified() {
            true => bound.is_ipv6() || address.is_ipv4(),
            false => **address == bound,
        };
        let own = self.addresses.iter().filter(is_reached);
        let mut addresses = given.addresses.iter().chain(own);
        let first = addresses.find(|address| !address.is_loopback());
        match first {
            Some(IpAddr::V6(address)) => Some(format!("[{address}]")),
            Some(address) => Some(address.to_string()),
            None => given.hosts.first().cloned(),
        }
    }
}

/// What the machine calls itself, up to the first dot, if that can be a name in a certificate.
pub(crate) fn host() -> Option<String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_str().ok()?;
    let name = name.split('.').next()?.to_ascii_lowercase();
    let is_label = !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_label && name != "localhost").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_shown_an_address_at_which_the_server_does_not_listen() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let of = |addresses: &[&str]| Names {
            addresses: addresses.iter().map(|text| ip(text)).collect(),
            ..Names::default()
        };
        let here = of(&["127.0.0.1", "::1", "fd00::2"]);
        let nothing = Names::default();
        let both = of(&["127.0.0.1", "192.168.1.20", "fd00::2"]);
        for (names, given, bound, shown) in [
            (&here, &nothing, "::", Some("[fd00::2]")),
            (&here, &nothing, "fd00::2", Some("[fd00::2]")),
            (&here, &nothing, "0.0.0.0", None),
            (&here, &nothing, "127.0.0.1", None),
            (&both, &nothing, "::", Some("192.168.1.20")),
            (&both, &nothing, "0.0.0.0", Some("192.168.1.20")),
            (&both, &nothing, "::1", None),
            (&here, &of(&["10.0.0.7"]), "127.0.0.1", Some("10.0.0.7")),
        ] {
            assert_eq!(names.outward(given, ip(bound)).as_deref(), shown, "{bound}");
        }
    }
}
