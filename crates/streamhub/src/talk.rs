//! How much is said in one stream, by all of its members and whoever else talks there together.
//!
//! Each message goes to every member: what one connection may say is no bound where many talk. Invariant: a message that is
//! refused takes nothing of what is left.

use crate::config::Rates;
use crate::names::limit;
use abanico_core::rate::{Bucket, Rate};
use std::time::Instant;

/// What may still be said in a stream.
#[derive(Debug)]
pub(crate) struct Talk {
    messages: Bucket,
    bytes: Bucket,
    rates: (Rate, Rate),
}

/// Which bound was reached.
#[derive(Debug, PartialEq)]
pub(crate) struct Excess {
    pub(crate) limit: &'static str,
    pub(crate) rate: Rate,
}

impl Talk {
    pub(crate) fn new(rates: &Rates) -> Self {
        let rates = (rates.room_chat, rates.room_chat_bytes);
        Self {
            messages: Bucket::new(rates.0),
            bytes: Bucket::new(rates.1),
            rates,
        }
    }

    /// Takes a message of so many bytes, or says why it is one too many.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> Option<Excess> {
        if !self.messages.take(now) {
            return Some(Excess {
                limit: limit::ROOM_CHAT_RATE,
                rate: self.rates.0,
            });
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if self.bytes.take_many(now, bytes) {
            return None;
        }
        self.messages.give_back();
        Some(Excess {
            limit: limit::ROOM_CHAT_BYTES_RATE,
            rate: self.rates.1,
        })
    }
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
        let (mut talk, now) = (Talk::new(&rates), Instant::now());
        let mut said = |bytes| talk.take(bytes, now).map(|excess| excess.limit);
        assert_eq!(said(600), None);
        assert_eq!(said(600), Some("room-chat-bytes-rate"));
        assert_eq!(said(300), None);
        assert_eq!(said(100), None);
        assert_eq!(said(0), Some("room-chat-rate"));
    }
}
