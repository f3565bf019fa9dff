//! How much is said in one stream, by all of its members and whoever else talks there together, and from one address: chat,
//! which goes to every member, and signals to its publisher.
//!
//! What one connection may say is no bound where many talk, nor what all may where one address has many. Invariant: a
//! message that is refused takes nothing of what is left.

use crate::by_address::ByAddress;
use crate::config::Rates;
use crate::names::limit;
use abanico_core::rate::{Bucket, Rate};
use parking_lot::Mutex;
use std::net::IpAddr;
use std::time::Instant;

/// What may still be said from each address, in all streams together.
#[derive(Debug)]
pub(crate) struct Talkers {
    of: Mutex<ByAddress<Talk>>,
    /// Of whoever said nothing yet.
    full: Talk,
}

/// What may still be said.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    messages: Option<Bound>,
    bytes: Bound,
}

#[derive(Debug, Clone)]
struct Bound {
    left: Bucket,
    beyond: Excess,
}

/// Which bound was reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Excess {
    pub(crate) limit: &'static str,
    pub(crate) rate: Rate,
}

impl Talkers {
    pub(crate) fn new(full: Talk) -> Self {
        let of = Mutex::default();
        Self { of, full }
    }

    /// Takes a message of so many bytes of what may be said in a room and, if it is one client's, from this address; or
    /// says of what there is not enough left.
    pub(crate) fn take(
        &self,
        from: Option<IpAddr>,
        room: &Mutex<Talk>,
        bytes: usize,
        now: Instant,
    ) -> Option<Excess> {
        let Some(from) = from else {
            return room.lock().take(bytes, now);
        };
        let mut of = self.of.lock();
        let talk = of.of((from, None), now, || self.full.clone());
        if let Some(excess) = talk.take(bytes, now) {
            return Some(excess);
        }
        let excess = room.lock().take(bytes, now);
        if excess.is_some() {
            talk.give_back(bytes);
        }
        excess
    }
}

impl Talk {
    /// Chat in a stream.
    pub(crate) fn of_room(rates: &Rates) -> Self {
        Self {
            messages: Some(Bound::new(limit::ROOM_CHAT_RATE, rates.room_chat)),
            bytes: Bound::new(limit::ROOM_CHAT_BYTES_RATE, rates.room_chat_bytes),
        }
    }

    /// Chat from an address.
    pub(crate) fn of_address(rates: &Rates) -> Self {
        Self {
            messages: Some(Bound::new(limit::ADDRESS_CHAT_RATE, rates.address_chat)),
            bytes: Bound::new(limit::ADDRESS_CHAT_BYTES_RATE, rates.address_chat_bytes),
        }
    }

    /// Signals to the publisher of a stream. Each viewer has a bound for how many it sends, all have one for their bytes.
    pub(crate) fn signals_of_room(rates: &Rates) -> Self {
        Self {
            messages: None,
            bytes: Bound::new(limit::ROOM_SIGNAL_BYTES_RATE, rates.room_signal_bytes),
        }
    }

    /// Signals to publishers from an address.
    pub(crate) fn signals_of_address(rates: &Rates) -> Self {
        let rate = rates.address_signal_bytes;
        Self {
            messages: None,
            bytes: Bound::new(limit::ADDRESS_SIGNAL_BYTES_RATE, rate),
        }
    }

    /// Takes a message of so many bytes, or says why it is one too many.
    fn take(&mut self, bytes: usize, now: Instant) -> Option<Excess> {
        if let Some(messages) = &mut self.messages
            && !messages.left.take(now)
        {
            return Some(messages.beyond);
        }
        if self.bytes.left.take_many(now, cost(bytes)) {
            return None;
        }
        if let Some(messages) = &mut self.messages {
            messages.left.give_back();
        }
        Some(self.bytes.beyond)
    }

    /// Gives a message back that was taken and not said.
    fn give_back(&mut self, bytes: usize) {
        if let Some(messages) = &mut self.messages {
            messages.left.give_back();
        }
        self.bytes.left.give_back_many(cost(bytes));
    }
}

impl Bound {
    fn new(limit: &'static str, rate: Rate) -> Self {
        Self {
            left: Bucket::new(rate),
            beyond: Excess { limit, rate },
        }
    }
}

pub(crate) fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_bytes_are_bounded_and_what_is_refused_takes_nothing() {
        let rate = |burst| Rate {
            burst,
            per_second: 0.0,
        };
        let rates = Rates {
            room_chat: rate(3),
            room_chat_bytes: rate(1000),
            ..Rates::default()
        };
        let (mut talk, now) = (Talk::of_room(&rates), Instant::now());
        let mut said = |bytes| talk.take(bytes, now).map(|excess| excess.limit);
        assert_eq!(said(600), None);
        assert_eq!(said(600), Some("room-chat-bytes-rate"));
        assert_eq!(said(300), None);
        assert_eq!(said(100), None);
        assert_eq!(said(0), Some("room-chat-rate"));
    }

    #[test]
    fn what_is_given_back_may_be_said_again() {
        let rate = |burst| Rate {
            burst,
            per_second: 0.0,
        };
        let rates = Rates {
            address_chat: rate(2),
            address_chat_bytes: rate(100),
            ..Rates::default()
        };
        let (mut talk, now) = (Talk::of_address(&rates), Instant::now());
        for _ in 0..10 {
            assert_eq!(talk.take(70, now), None);
            let excess = talk.take(70, now).map(|excess| excess.limit);
            assert_eq!(excess, Some("address-chat-bytes-rate"));
            talk.give_back(70);
        }
        assert_eq!(talk.take(50, now), None);
        assert_eq!(talk.take(50, now), None);
        let excess = talk.take(0, now).map(|excess| excess.limit);
        assert_eq!(excess, Some("address-chat-rate"));
    }

    #[test]
    fn who_has_an_address_takes_of_both_or_of_neither_and_who_has_none_of_the_room_alone() {
        let rate = |burst| Rate {
            burst,
            per_second: 0.0,
        };
        let rates = Rates {
            address_signal_bytes: rate(100),
            room_signal_bytes: rate(150),
            ..Rates::default()
        };
        let talkers = Talkers::new(Talk::signals_of_address(&rates));
        let room = || Mutex::new(Talk::signals_of_room(&rates));
        let (one, other) = (room(), room());
        let now = Instant::now();
        let said = |from: Option<&str>, room: &Mutex<Talk>, bytes| {
            let from = from.map(|from| from.parse().unwrap());
            let excess = talkers.take(from, room, bytes, now);
            excess.map(|excess| excess.limit)
        };
        let (ada, bob) = (Some("192.0.2.1"), Some("192.0.2.2"));
        assert_eq!(said(ada, &one, 60), None);
        assert_eq!(said(ada, &one, 60), Some("address-signal-bytes-rate"));
        assert_eq!(said(bob, &one, 80), None);
        assert_eq!(said(ada, &one, 20), Some("room-signal-bytes-rate"));
        // What the room did not take the address has still.
        assert_eq!(said(ada, &other, 40), None);
        assert_eq!(said(None, &other, 100), None);
        assert_eq!(said(None, &other, 100), Some("room-signal-bytes-rate"));
    }
}
