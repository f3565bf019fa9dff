//! A list of networks: addresses, or ranges of them as `10.0.0.0/8`, with commas between them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Networks. None of them, unless told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no list of networks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: type for example 127.0.0.1 or 127.0.0.1,10.0.0.0/8,fd00::/8")]
pub struct NetworkError(String);

impl Networks {
    /// Whether the address is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Networks {
    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Networks {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let read = |one: &str| {
            let (address, bits) = match one.split_once('/') {
                Some((address, bits)) => (address, Some(bits)),
                None => (one, None),
            };
            let address = address.parse::<IpAddr>().ok()?;
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(all), |bits| bits.parse().ok())?;
            (bits <= all).then_some(Network { address, bits })
        };
        text.split(',')
            .map(|one| read(one.trim()).ok_or_else(|| NetworkError(one.trim().to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Network { address, bits }) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{address}/{bits}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let networks: Networks = "127.0.0.1, 10.0.0.0/8,fd00::/8".parse().unwrap();
        let contain = |address: &str| networks.contain(address.parse().unwrap());
        for inside in ["127.0.0.1", "::ffff:127.0.0.1", "10.255.0.1", "fd12::1"] {
            assert!(contain(inside), "{inside}");
        }
        for outside in ["127.0.0.2", "11.0.0.1", "fe80::1", "::1", "::a00:1"] {
            assert!(!contain(outside), "{outside}");
        }
        let everything: Networks = "0.0.0.0/0".parse().unwrap();
        assert!(everything.contain("192.0.2.1".parse().unwrap()));
        assert!(!Networks::default().contain("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for wrong in [
            "",
            "here",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            let error = wrong.parse::<Networks>();
            assert_eq!(error, Err(NetworkError(wrong.to_owned())), "{wrong}");
        }
    }
}
