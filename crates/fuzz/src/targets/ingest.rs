//! Any bytes at an ingest door: what comes out is a stream, whatever went in.
//!
//! The first byte says how the rest is cut.

use std::collections::HashMap;
use std::time::Duration;

use abanico_media::ingest::{Ingest, Ingested, Limits, Timeline};
use bytes::Bytes;

pub(super) fn run(data: &[u8]) {
    let Some((&cut, body)) = data.split_first() else {
        return;
    };
    let mut ingest = Ingest::new(Limits::default(), Timeline::default());
    let mut out = Vec::new();
    for (n, chunk) in body.chunks(usize::from(cut).max(1)).enumerate() {
        let now = Duration::from_millis(n as u64);
        if ingest
            .push(Bytes::copy_from_slice(chunk), now, &mut out)
            .is_err()
        {
            break;
        }
    }
    let mut tracks = HashMap::new();
    let mut begun = Vec::new();
    for ingested in out {
        match ingested {
            Ingested::Begun(numbers) => {
                begun = numbers;
                tracks.clear();
            }
            Ingested::Track(track) => {
                assert!(begun.contains(&track.id));
                assert!(!track.codec_string.is_empty());
                tracks.insert(track.id, (track.is_video(), false));
            }
            Ingested::Frame(frame) => {
                let (video, running) = tracks
                    .get_mut(&frame.track)
                    .expect("a track comes before its frames");
                assert!(*running || frame.keyframe || !*video);
                *running = true;
            }
            Ingested::Skipped(_) => tracks
                .values_mut()
                .for_each(|(_, running)| *running = false),
            Ingested::Refused(_) | Ingested::Broken(_) => {}
        }
    }
}
