//! Buckets: how often each address may do something.

use abanico_core::rate::{Bucket, Rate};
use abanico_streamhub::by_address::ByAddress;
use std::net::IpAddr;
use std::time::Instant;
use uuid::Uuid;

/// A bucket for each address, or several for one, each for a thing of its own.
#[derive(Debug)]
pub(crate) struct PerAddress {
    rate: Rate,
    of: ByAddress<Bucket>,
}

impl PerAddress {
    /// All are full.
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            of: ByAddress::default(),
        }
    }

    /// What each address is given.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one of the address's, or says that none is left.
    pub(crate) fn take(&mut self, from: IpAddr, now: Instant) -> bool {
        self.bucket((from, None), now).take(now)
    }

    /// The bucket of an address, or the one that it has for some thing.
    pub(crate) fn bucket(&mut self, from: (IpAddr, Option<Uuid>), now: Instant) -> &mut Bucket {
        self.of.of(from, now, || Bucket::new(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abanico_streamhub::grant::neighbourhood;

    #[test]
    fn a_whole_network_of_ipv6_is_one_address() {
        let network = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn each_address_has_a_bucket() {
        let mut buckets = PerAddress::new(Rate {
            burst: 1,
            per_second: 0.0,
        });
        let now = Instant::now();
        for (address, is_given) in [
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("2001:db8:0:1::1", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", false),
        ] {
            let taken = buckets.take(address.parse().unwrap(), now);
            assert_eq!(taken, is_given, "{address}");
        }
    }
}
