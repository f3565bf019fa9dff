//! Which Socket.IO connection answers for a stream, whatever door its media come over, how many viewers it would serve
//! itself from peer to peer, and which ones have asked it to.
//!
//! A viewer's newest request is kept as long as the viewer is there, and given to whoever answers for the stream next: a
//! publisher that was cut off has not heard it, one whose page begins anew serves nobody, and StreamHub's page asks only once.

use abanico_core::key::SessionId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The publisher's connection for everything but the media.
#[derive(Debug, Default)]
pub(crate) struct Hosting {
    host: Option<SessionId>,
    peers_max: Option<u32>,
    /// In the order in which they connected.
    askers: BTreeMap<SessionId, Asker>,
}

/// A viewer that has asked the publisher for its picture.
#[derive(Debug)]
struct Asker {
    socket_id: String,
    request: Option<Request>,
}

/// What a viewer asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// As it came.
    pub(crate) payload: Arc<str>,
    /// A publisher has offered its picture since, or refused it.
    pub(crate) is_answered: bool,
}

/// So many viewers that asked are remembered in a stream. What more of them say is passed on, and forgotten.
const ASKERS_MAX: usize = 1_000;
/// A request is a few names. A longer one is passed on, but not kept.
const REQUEST_BYTES_MAX: usize = 1 << 10;

impl Hosting {
    /// Whoever has just shown the right to publish answers from now on. What another wished before is void. True if it
    /// was another.
    pub(crate) fn take(&mut self, session: SessionId) -> bool {
        if self.is_of(session) {
            return false;
        }
        self.host = Some(session);
        self.peers_max = None;
        true
    }

    /// A viewer asks for the publisher's picture.
    pub(crate) fn asked(&mut self, viewer: SessionId, socket_id: &str, payload: &str) {
        if self.askers.len() >= ASKERS_MAX && !self.askers.contains_key(&viewer) {
            return;
        }
        let asker = Asker {
            socket_id: socket_id.to_owned(),
            request: (payload.len() <= REQUEST_BYTES_MAX).then(|| Request {
                payload: payload.into(),
                is_answered: false,
            }),
        };
        self.askers.insert(viewer, asker);
    }

    /// The publisher has offered a viewer its picture, or refused it.
    pub(crate) fn answered(&mut self, viewer: SessionId) {
        let asker = self.askers.get_mut(&viewer);
        if let Some(request) = asker.and_then(|asker| asker.request.as_mut()) {
            request.is_answered = true;
        }
    }

    /// The requests of all who are there.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let askers = self.askers.values();
        askers.filter_map(|asker| asker.request.clone()).collect()
    }

    /// Forgets a viewer that wants nothing of the publisher any more. The id of its socket, if it had asked.
    pub(crate) fn forget(&mut self, viewer: SessionId) -> Option<String> {
        Some(self.askers.remove(&viewer)?.socket_id)
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

    #[test]
    fn requests_are_kept_for_the_next_host_which_is_told_whether_they_were_answered() {
        let mut hosting = Hosting::default();
        assert!(hosting.take(SessionId(1)));
        for viewer in [4, 3, 5, 3] {
            hosting.asked(SessionId(viewer), "socket", "please");
        }
        hosting.answered(SessionId(5));
        let answered = |hosting: &Hosting| -> Vec<bool> {
            let requests = hosting.requests();
            requests.iter().map(|request| request.is_answered).collect()
        };
        assert_eq!(answered(&hosting), [false, false, true]);
        assert!(hosting.take(SessionId(2)));
        assert_eq!(answered(&hosting), [false, false, true]);
        assert_eq!(hosting.forget(SessionId(3)).as_deref(), Some("socket"));
        assert_eq!(hosting.forget(SessionId(3)), None);
        hosting.asked(SessionId(5), "socket", "once more");
        assert_eq!(answered(&hosting), [false, false]);
    }

    #[test]
    fn a_crowd_and_long_requests_are_not_kept() {
        let mut hosting = Hosting::default();
        let long = "l".repeat(REQUEST_BYTES_MAX + 1);
        hosting.asked(SessionId(0), "socket", &long);
        for viewer in 1..=ASKERS_MAX as u64 {
            hosting.asked(SessionId(viewer), "socket", "please");
        }
        assert_eq!(hosting.requests().len(), ASKERS_MAX - 1);
        assert!(hosting.forget(SessionId(0)).is_some());
    }
}
