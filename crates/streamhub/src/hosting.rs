//! Which Socket.IO connection answers for a stream, whatever door its media come over, and how many viewers it would
//! serve itself from peer to peer.

use abanico_core::key::SessionId;

/// The publisher's connection for everything but the media.
#[derive(Debug, Default)]
pub(crate) struct Hosting {
    host: Option<SessionId>,
    peers_max: Option<u32>,
}

impl Hosting {
    /// Whoever has just shown the right to publish answers from now on. What another wished before is void.
    pub(crate) fn take(&mut self, session: SessionId) {
        if !self.is_of(session) {
            *self = Self {
                host: Some(session),
                peers_max: None,
            };
        }
    }

    pub(crate) fn is_of(&self, session: SessionId) -> bool {
        self.host == Some(session)
    }

    pub(crate) fn host(&self) -> Option<SessionId> {
        self.host
    }

    pub(crate) fn peers_max(&self) -> Option<u32> {
        self.peers_max
    }

    /// True if that is another number than before.
    pub(crate) fn set_peers_max(&mut self, max: u32) -> bool {
        self.peers_max.replace(max) != Some(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_host_wished_does_not_hold_for_the_next() {
        let mut hosting = Hosting::default();
        hosting.take(SessionId(1));
        assert!(hosting.set_peers_max(5));
        assert!(!hosting.set_peers_max(5));
        hosting.take(SessionId(1));
        assert_eq!(hosting.peers_max(), Some(5));
        hosting.take(SessionId(2));
        assert!(!hosting.is_of(SessionId(1)));
        assert_eq!(hosting.peers_max(), None);
    }
}
