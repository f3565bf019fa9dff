//! What somebody was granted who showed something, or nothing: what it may do, and until when.
//!
//! A grant is given once, when a session begins, and is held as long as the session. Its [`Lease`] is over when its time has
//! come or whoever gave it takes it back, and the session ends with it.
//!
//! Invariant: what was shown is not part of what a grant prints.

use abanico_core::rights::{Deed, Over, Place, Publishing, Refused, Shown};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

/// What one session has.
#[derive(Clone)]
pub struct Grant {
    /// The rules of the server.
    pub publishing: Publishing,
    /// Where it stands.
    pub place: Place,
    /// Its address, as far as that can be known.
    pub address: IpAddr,
    /// Its connection, for whoever is told of several things that it does. No secret, and no right.
    pub connection: Uuid,
    /// What it showed that concerns the server.
    pub shown: Shown,
    /// For whom that was made: a stream that was opened with it can be taken again by whoever shows as much for the same
    /// holder.
    pub holder: Option<Arc<str>>,
    /// What it showed that is nothing of the server's: a stream's token, as may be.
    pub rest: Option<String>,
    /// Until when.
    pub lease: Lease,
    /// Whoever decides was not asked, because there was no stream that this could be enough for: it lets one into none that
    /// has begun meanwhile.
    pub unasked: bool,
}

impl Grant {
    /// What somebody has who showed nothing, on a connection of its own.
    pub fn of_nobody(publishing: Publishing, place: Place, address: IpAddr) -> Self {
        Self {
            publishing,
            place,
            address,
            connection: Uuid::new_v4(),
            shown: Shown::Nothing,
            holder: None,
            rest: None,
            lease: Lease::default(),
            unasked: false,
        }
    }

    /// Whether its holder may do the deed, as far as the server decides it; a stream has rights of its own besides.
    ///
    /// # Errors
    /// When something is missing.
    pub fn may(&self, deed: Deed) -> Result<(), Refused> {
        self.publishing.may(deed, self.place, self.shown)
    }

    /// Whether the operator has it.
    pub fn is_operator(&self) -> bool {
        self.may(Deed::Operate).is_ok()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("shown", &self.shown)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// How long something holds: for ever, unless told otherwise. Clones end together.
#[derive(Debug, Clone, Default)]
pub struct Lease {
    until: Option<Instant>,
    lessor: Option<watch::Receiver<()>>,
    /// Whoever keeps order where it is used.
    keeper: Option<watch::Receiver<()>>,
}

/// Who can take back what it gave: all leases that it gave are over when it is dropped.
#[derive(Debug)]
pub struct Lessor(watch::Sender<()>);

impl Lease {
    /// One that is over after this time.
    #[must_use]
    pub fn ending_in(mut self, time: Duration) -> Self {
        let end = Instant::now().checked_add(time);
        // Whichever comes first; a time that no clock has is never.
        self.until = self.until.into_iter().chain(end).min();
        self
    }

    /// One that is over, too, when this lessor goes, who keeps order where it is used.
    #[must_use]
    pub(crate) fn kept_by(mut self, keeper: &Lessor) -> Self {
        self.keeper = Some(keeper.0.subscribe());
        self
    }

    /// Whether it is over by itself some time, or may be.
    pub fn may_end(&self) -> bool {
        self.until.is_some() || self.lessor.is_some() || self.keeper.is_some()
    }

    /// Waits until it is over.
    pub async fn over(&self) -> Over {
        let expired = async {
            match self.until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = gone(self.keeper.clone()) => Over::Removed,
            () = gone(self.lessor.clone()) => Over::Revoked,
            () = expired => Over::Expired,
        }
    }
}

/// Waits until a lessor has gone, if there is one.
async fn gone(lessor: Option<watch::Receiver<()>>) {
    match lessor {
        // Nothing is ever sent.
        Some(mut lessor) => while lessor.changed().await.is_ok() {},
        None => std::future::pending().await,
    }
}

/// Whoever has one IPv6 address has all that begin with the same 64 bits.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = u128::MAX << 64;
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() & NETWORK).into()
        }
        address => address,
    }
}

impl Lessor {
    /// Gives a lease until it is dropped.
    pub fn lease(&self) -> Lease {
        Lease {
            lessor: Some(self.0.subscribe()),
            ..Lease::default()
        }
    }
}

impl Default for Lessor {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_over_when_its_time_comes_or_its_lessor_goes() {
        let lessor = Lessor::default();
        let lease = lessor.lease().ending_in(Duration::from_secs(10));
        assert_eq!(lease.over().now_or_never(), None);
        let both = lease.clone();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(lease.over().await, Over::Expired);
        drop(lessor);
        assert_eq!(both.over().await, Over::Revoked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_of_nobody_is_for_ever_and_the_earlier_end_counts() {
        assert!(!Lease::default().may_end());
        let for_ever = Lease::default().ending_in(Duration::MAX);
        assert!(!for_ever.may_end());
        let short = for_ever
            .ending_in(Duration::from_secs(1))
            .ending_in(Duration::from_secs(9));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(short.over().now_or_never(), Some(Over::Expired));
    }
}
