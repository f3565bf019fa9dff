//! Which addresses the server may connect to: those of the internet, and those that the operator lists.
//!
//! An address that means this machine, its network or nothing at all is denied, whichever way it is written: as IPv4 in
//! IPv6, behind a translator (NAT64) or in a tunnel (6to4, Teredo).

use crate::rights::Networks;
use std::net::IpAddr;

/// What is no address of the internet, from IANA's registries of special addresses; and `168.63.129.16`, where one cloud
/// keeps what a machine may know of itself, as others do at `169.254.169.254`.
const SPECIAL: &str = "0.0.0.0/8,10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.0.0.0/24,\
    192.0.2.0/24,192.88.99.0/24,192.168.0.0/16,198.18.0.0/15,198.51.100.0/24,203.0.113.0/24,168.63.129.16,224.0.0.0/4,\
    240.0.0.0/4,2001::/23,2001:db8::/32,2002::/16,3fff::/20";

/// All else that is.
const INTERNET: &str = "0.0.0.0/0,2000::/3";

/// Decides about addresses.
#[derive(Debug, Clone)]
pub(crate) struct Reachable {
    listed: Networks,
    internet: Networks,
    special: Networks,
}

impl Reachable {
    /// The internet and what is listed.
    pub(crate) fn and(listed: Networks) -> Self {
        let constant = |text: &str| text.parse().expect("a constant list of networks");
        Self {
            listed,
            internet: constant(INTERNET),
            special: constant(SPECIAL),
        }
    }

    /// Whether a connection to this address may be made.
    pub(crate) fn may(&self, address: IpAddr) -> bool {
        let is_of_the_internet = self.internet.contain(address) && !self.special.contain(address);
        is_of_the_internet || self.is_listed(address)
    }

    /// Whether the operator lists it.
    pub(crate) fn is_listed(&self, address: IpAddr) -> bool {
        self.listed.contain(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_may_be_reached() {
        let nothing_listed = Reachable::and(Networks::default());
        for inner in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "192.0.2.1",
            "203.0.113.9",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!nothing_listed.may(inner.parse().unwrap()), "{inner}");
        }
        for outer in [
            "1.1.1.1",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "::ffff:1.1.1.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
        ] {
            assert!(nothing_listed.may(outer.parse().unwrap()), "{outer}");
            assert!(!nothing_listed.is_listed(outer.parse().unwrap()), "{outer}");
        }
    }

    #[test]
    fn what_is_listed_may_be_reached_and_nothing_beside_it() {
        let some = Reachable::and("127.0.0.1,10.1.0.0/16,fd00::/8".parse().unwrap());
        for listed in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.255.1", "fd00::1"] {
            assert!(some.may(listed.parse().unwrap()), "{listed}");
        }
        for denied in ["127.0.0.2", "10.2.0.1", "::1", "fc00::1"] {
            assert!(!some.may(denied.parse().unwrap()), "{denied}");
        }
    }
}
