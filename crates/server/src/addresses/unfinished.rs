//! How much of what clients say may stand unfinished, of one address and of all: by what is set, by what there is, and by
//! what one honest client needs.

use crate::config::Config;
use crate::doors::PROOF_BYTES_MAX;
use crate::reserves;
use abanico_socketio::{EVENT_TEXT_BYTES, Unfinished, UnfinishedMax};
use std::sync::Arc;

/// Where the system does not tell how much memory there is.
const ALL_WITHOUT_A_WORD: usize = 256 << 20;

/// What is told to whose address has too much.
macro_rules! of_address {
    ($limit:literal) => {
        concat!(
            "your address has too much unfinished (",
            $limit,
            "): finish a message before the next"
        )
    };
}

/// What is told when all together have too much.
const OF_ALL: &str = "too much is unfinished here (unfinished-bytes-max), and this for longest: say it again, and faster";

/// Nothing yet, within the bounds of this configuration.
pub(super) fn counted(config: &Config) -> Arc<Unfinished> {
    let (of_address, of_all) = bounds(config, reserves::all_memory(config.streams.memory_max));
    Unfinished::new(of_address, of_all)
}

fn bounds(config: &Config, memory: Option<usize>) -> (UnfinishedMax, UnfinishedMax) {
    let largest = [
        config.socketio.message_bytes_max.0 + EVENT_TEXT_BYTES,
        config.clients.frame_bytes_max.0,
        PROOF_BYTES_MAX,
    ];
    let largest = largest.into_iter().max().unwrap_or_default();
    let a_quarter = memory.map_or(ALL_WITHOUT_A_WORD, |memory| memory / 4);
    let all = config.connections.unfinished_bytes_max;
    let of_all = UnfinishedMax {
        bytes: all.map_or(a_quarter, |all| all.0).max(2 * largest),
        told: OF_ALL,
    };
    let set = config.connections.unfinished_bytes_per_address_max.0;
    let half = of_all.bytes / 2;
    let told = if half < set {
        of_address!("half of unfinished-bytes-max")
    } else {
        of_address!("unfinished-bytes-per-address-max")
    };
    let of_address = UnfinishedMax {
        bytes: set.min(half).max(largest),
        told,
    };
    (of_address, of_all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;

    #[test]
    fn an_address_may_have_one_whole_body_and_no_more_than_half_of_all() {
        let mut config = Config::from_sources(["abanico"], |_| None).unwrap();
        let of = |config: &Config, memory| {
            let (of_address, of_all) = bounds(config, memory);
            let close_frame_has = 123;
            assert!(
                of_address.told.len() <= close_frame_has && of_all.told.len() <= close_frame_has
            );
            (of_address.bytes >> 20, of_all.bytes >> 20, of_address.told)
        };
        let (set, half) = (
            of_address!("unfinished-bytes-per-address-max"),
            of_address!("half of unfinished-bytes-max"),
        );
        assert_eq!(of(&config, Some(8 << 30)), (64, 2048, set));
        assert_eq!(of(&config, None), (64, 256, set));
        assert_eq!(of(&config, Some(400 << 20)), (50, 100, half));
        assert_eq!(of(&config, Some(1 << 20)), (16, 32, half));
        config.connections.unfinished_bytes_max = Some(Size(80 << 20));
        config.connections.unfinished_bytes_per_address_max = Size(1);
        assert_eq!(of(&config, Some(8 << 30)), (16, 80, set));
        config.clients.frame_bytes_max = Size(60 << 20);
        assert_eq!(of(&config, Some(8 << 30)), (60, 120, set));
    }
}
