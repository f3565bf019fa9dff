//! Places: so many things of one kind each address may have at one time, each given back when it is over.

use abanico_streamhub::grant::neighbourhood;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// So many things of a kind each address may have at one time.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl Places {
    pub(crate) fn of(max: usize) -> Arc<Self> {
        let taken = Mutex::default();
        Arc::new(Self { max, taken })
    }

    /// A place for this address, or none.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let from = neighbourhood(from);
        let mut taken = self.taken.lock();
        let count = taken.get(&from).copied().unwrap_or(0);
        if count >= self.max {
            return None;
        }
        taken.insert(from, count + 1);
        Some(Place(Some((Arc::clone(self), from))))
    }
}

/// A place of an address, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<(Arc<Places>, IpAddr)>);

impl Place {
    /// Of whom nobody counts.
    pub(super) const UNCOUNTED: Self = Self(None);

    /// Whose it is, if that is counted.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.0.as_ref().map(|(_, from)| *from)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((places, from)) = &self.0 else {
            return;
        };
        let mut taken = places.taken.lock();
        if let Some(count) = taken.get_mut(from) {
            *count -= 1;
            if *count == 0 {
                taken.remove(from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_of_places_and_gives_them_back() {
        let places = Places::of(2);
        let take = |address: &str| places.take(address.parse().unwrap());
        let first = take("2001:db8::1");
        let second = take("2001:db8::2");
        assert!(first.is_some() && second.is_some());
        assert!(take("2001:db8::3").is_none());
        assert!(take("192.0.2.1").is_some());
        drop(first);
        assert!(take("2001:db8::3").is_some());
        drop(second);
        assert!(places.taken.lock().is_empty());
    }
}
