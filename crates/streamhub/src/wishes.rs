//! How often a publisher is asked for a keyframe on whose behalf: that of each viewer, and of all viewers of an address.
//!
//! Whoever watches may wish for one, and each costs the publisher and all who watch ten times a usual frame. Who joins is
//! shown the newest group in any case.

use crate::Shared;
use crate::room::Room;
use abanico_core::rate::{Bucket, Rate};
use abanico_live::{Share, Wisher};
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

impl Shared {
    /// What one viewer may wish for.
    pub(crate) fn wishes(&self) -> Share {
        full(self.rates.keyframes)
    }

    /// A viewer of this room who has so many wishes left, and comes from this address.
    pub(crate) fn wisher(&self, room: &Room, from: IpAddr, own: Share) -> Wisher {
        let of_address = (!self.gate.speaks_for_many(from)).then(|| {
            let mut wishers = self.wishers.lock();
            let new = || full(self.rates.address_keyframes);
            let share = wishers.of((from, Some(room.id)), Instant::now(), new);
            Arc::clone(share)
        });
        Wisher::new(own, of_address)
    }
}

fn full(rate: Rate) -> Share {
    Arc::new(Mutex::new(Bucket::new(rate)))
}
