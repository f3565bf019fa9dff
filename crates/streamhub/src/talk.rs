//! How much is said in one stream, by all of its members and whoever else talks there together, and from one address.
//!
//! Each message goes to every member: what one connection may say is no bound where many talk. Invariant: a message that is
//! refused takes nothing of what is left.

use crate::config::Rates;
use crate::names::limit;
use abanico_core::rate::{Bucket, Rate};
use std::time::Instant;

/// What may still be said.
#[derive(Debug)]
pub(crate) struct Talk {
    messages: Bucket,
    bytes: Bucket,
    bounds: [Excess; 2],
}

/// Which bound was reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Excess {
    pub(crate) limit: &'static str,
    pub(crate) rate: Rate,
}

impl Talk {
    /// In a stream.
    pub(crate) fn of_room(rates: &Rates) -> Self {
        Self::new(
            (limit::ROOM_CHAT_RATE, rates.room_chat),
            (limit::ROOM_CHAT_BYTES_RATE, rates.room_chat_bytes),
        )
    }

    /// From an address, in all streams together.
    pub(crate) fn of_address(rates: &Rates) -> Self {
        Self::new(
            (limit::ADDRESS_CHAT_RATE, rates.address_chat),
            (limit::ADDRESS_CHAT_BYTES_RATE, rates.address_chat_bytes),
        )
    }

    fn new(messages: (&'static str, Rate), bytes: (&'static str, Rate)) -> Self {
        Self {
            messages: Bucket::new(messages.1),
            bytes: Bucket::new(bytes.1),
            bounds: [messages, bytes].map(|(limit, rate)| Excess { limit, rate }),
        }
    }

    /// Takes a message of so many bytes, or says why it is one too many.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> Option<Excess> {
        let [of_messages, of_bytes] = self.bounds;
        if !self.messages.take(now) {
            return Some(of_messages);
        }
        if self.bytes.take_many(now, cost(bytes)) {
            return None;
        }
        self.messages.give_back();
        Some(of_bytes)
    }

    /// Gives a message back that was taken and not said.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.messages.give_back();
        self.bytes.give_back_many(cost(bytes));
    }
}

fn cost(bytes: usize) -> u32 {
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
}
