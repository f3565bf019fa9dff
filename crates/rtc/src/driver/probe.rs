//! What tests ask of a driver, and do to it.

use super::Driver;
use crate::session::Way;
use std::net::SocketAddr;
use std::time::Instant;
use str0m::net::Protocol;

impl Driver {
    /// Does all that it was told so far.
    pub(crate) fn obey_all(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            self.obey(command);
        }
    }

    /// Takes an address for one that has shown the password of the only session.
    pub(crate) fn believe(&mut self, address: SocketAddr) {
        for (id, session) in &mut self.sessions {
            let way: Way = (Protocol::Udp, address);
            session.addresses.push(way);
            self.by_address.insert(way, *id);
        }
    }

    /// When something last reached the only session, if it is still there.
    pub(crate) fn heard(&self) -> Option<Instant> {
        self.sessions.values().next().map(|session| session.heard)
    }

    /// Whether the only session is there and connected.
    pub(crate) fn is_connected(&self) -> bool {
        let mut sessions = self.sessions.values();
        sessions
            .next()
            .is_some_and(|session| session.half_open.is_none())
    }

    /// Takes the only session for ended, while its state machine still waits for something.
    #[cfg(test)]
    pub(crate) fn take_for_ended(&mut self) {
        for session in self.sessions.values_mut() {
            session.closed = Some(Instant::now());
        }
    }

    /// Sends what is left to be sent.
    pub(crate) fn flush(&mut self) {
        self.socket.flush();
    }

    /// Whether nothing of any session is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
            && self.by_fragment.is_empty()
            && self.by_address.is_empty()
            && self.deadlines.is_empty()
    }
}
