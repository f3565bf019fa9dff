//! So many things of each kind one address may have at one time, and the name of the setting that says so.

use crate::config::{Config, Count};

/// What each address may have at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    pub(super) connections: Share,
    /// Requests that are open, whatever they ask for: from their head to the end of their answer.
    pub(super) requests: Share,
    /// Whatever stays: sessions of Socket.IO, of viewers, of publishers and of WebRTC.
    pub(super) sessions: Share,
    /// Those of WebRTC among them.
    pub(super) webrtc: Share,
    /// Those that are not connected yet.
    pub(super) connecting: Share,
    /// Handshakes of TLS.
    pub(super) handshakes: Share,
}

/// So many, and what says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) max: usize,
    pub(super) limit: &'static str,
}

impl Shares {
    /// What is set, but of what there is for all no more than half.
    pub(super) fn of(config: &Config) -> Self {
        let (connections, webrtc) = (&config.connections, &config.webrtc);
        let sessions = Share::new(
            connections.sessions_per_address_max,
            "sessions-per-address-max",
        );
        let connecting = webrtc.rtc_connecting_per_address_max;
        Self {
            connections: Share::new(
                connections.connections_per_address_max,
                "connections-per-address-max",
            )
            .or_half(connections.connections_max, "half of connections-max"),
            requests: Share::new(
                connections.requests_per_address_max,
                "requests-per-address-max",
            ),
            sessions: sessions.or_half(config.socketio.sessions_max, "half of sessions-max"),
            webrtc: sessions.or_half(webrtc.rtc_sessions_max, "half of rtc-sessions-max"),
            connecting: Share::new(connecting, "rtc-connecting-per-address-max"),
            handshakes: Share::new(
                config.tls.tls_handshakes_per_address_max,
                "tls-handshakes-per-address-max",
            ),
        }
    }
}

impl Share {
    fn new(max: Count, limit: &'static str) -> Self {
        Self { max: max.0, limit }
    }

    /// Half of what all have, if that is less. Of what one alone may have whoever comes first has all.
    fn or_half(self, all: Count, limit: &'static str) -> Self {
        let max = all.0.div_ceil(2);
        match max < self.max {
            true => Self { max, limit },
            false => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_there_is_for_all_an_address_has_half_at_most_and_is_told_of_what() {
        let share = |set, all| {
            let share = Share::new(Count(set), "set").or_half(Count(all), "half of all");
            (share.max, share.limit)
        };
        assert_eq!(share(1_000, 50_000), (1_000, "set"));
        assert_eq!(share(1_000, 2_000), (1_000, "set"));
        assert_eq!(share(1_000, 1_999), (1_000, "set"));
        assert_eq!(share(1_000, 100), (50, "half of all"));
        assert_eq!(share(1_000, 1), (1, "half of all"));
        assert_eq!(share(1_000, 0), (0, "half of all"));
    }
}
