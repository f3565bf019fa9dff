//! What is remembered of each address: a bucket, or several.
//!
//! Invariant: what is remembered of addresses has a bound; whoever has a network of IPv6 has one address.

use crate::grant::neighbourhood;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;
use uuid::Uuid;

/// So much is remembered. Of more, what was used longest ago is forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Something for each address, or several for one, each for a thing of its own.
#[derive(Debug)]
pub struct ByAddress<T>(HashMap<(IpAddr, Option<Uuid>), (T, Instant)>);

impl<T> Default for ByAddress<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> ByAddress<T> {
    /// What an address has, or has for some thing; `new` if it has none yet.
    pub fn of(
        &mut self,
        (from, thing): (IpAddr, Option<Uuid>),
        now: Instant,
        new: impl FnOnce() -> T,
    ) -> &mut T {
        let from = (neighbourhood(from), thing);
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(&from) {
            let oldest = self.0.iter().min_by_key(|(_, (_, at))| *at);
            if let Some(oldest) = oldest.map(|(from, _)| *from) {
                self.0.remove(&oldest);
            }
        }
        let (had, at) = self.0.entry(from).or_insert_with(|| (new(), now));
        *at = now;
        had
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_addresses_than_may_be_the_longest_gone_are_forgotten() {
        let mut counts = ByAddress::default();
        let now = Instant::now();
        for number in 0..2 * u32::try_from(REMEMBERED_MAX).unwrap() {
            let from = std::net::Ipv4Addr::from_bits(number).into();
            let at = now + std::time::Duration::from_millis(number.into());
            assert_eq!(*counts.of((from, None), at, || number), number);
        }
        assert_eq!(counts.0.len(), REMEMBERED_MAX);
        let last = std::net::Ipv4Addr::from_bits(2 * 10_000 - 1).into();
        assert_eq!(*counts.of((last, None), now, || 0), 2 * 10_000 - 1);
    }
}
