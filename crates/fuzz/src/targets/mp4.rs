//! Any bytes, cut anywhere: no panic, bounded memory, the same as uncut, and what a joiner gets is a recording.
//!
//! The first byte says how the rest is cut.

use abanico_media::codec::Normalizer;
use abanico_media::demux::Event;
use abanico_media::mp4::{Demuxer, Joinable, Limits, Muxer};
use bytes::Bytes;

const LIMITS: Limits = Limits {
    init_bytes_max: 8192,
    fragment_header_bytes_max: 8192,
    frame_bytes_max: 8192,
};

pub(super) fn run(data: &[u8]) {
    let Some((&cut, recording)) = data.split_first() else {
        return;
    };
    let recording = Bytes::copy_from_slice(recording);
    joins(recording.clone(), cut);
    let mut whole = Vec::new();
    let result = Demuxer::new(LIMITS).push(recording.clone(), &mut whole);
    let mut demuxer = Demuxer::new(LIMITS);
    let mut events = Vec::new();
    let mut rest = recording;
    let mut again = Ok(());
    while !rest.is_empty() && again.is_ok() {
        again = demuxer.push(
            rest.split_to(usize::from(cut).clamp(1, rest.len())),
            &mut events,
        );
    }
    assert_eq!((result, &whole), (again, &events));

    let mut normalizers = Vec::new();
    let mut out = Vec::new();
    for event in events {
        match event {
            Event::Init(init) => {
                normalizers = init
                    .tracks
                    .iter()
                    .filter_map(|track| Normalizer::new(track.clone()).ok())
                    .collect();
                let _ = Muxer::new(&init.tracks);
            }
            Event::Frame(frame) => {
                for normalizer in &mut normalizers {
                    let _ = normalizer.push(frame.clone(), &mut out);
                }
            }
            Event::Skipped(_) => {}
        }
    }
}

const GROUP_BYTES_MAX: usize = 16_384;

fn joins(mut recording: Bytes, cut: u8) {
    let mut joinable = Joinable::new(LIMITS, GROUP_BYTES_MAX);
    while !recording.is_empty() {
        let chunk = recording.split_to(usize::from(cut).clamp(1, recording.len()));
        let info = joinable.push(&chunk);
        assert!(
            info.first_boundary
                .is_none_or(|boundary| boundary <= chunk.len())
        );
        let Some(join) = joinable.join() else {
            continue;
        };
        let bytes: usize = join.iter().map(Bytes::len).sum();
        assert!(bytes <= GROUP_BYTES_MAX + LIMITS.init_bytes_max);
        let mut demuxer = Demuxer::new(LIMITS);
        let mut joined = Vec::new();
        let read = join
            .into_iter()
            .try_for_each(|piece| demuxer.push(piece, &mut joined));
        assert_eq!(read, Ok(()));
        assert!(matches!(joined.first(), Some(Event::Init(_))));
    }
}
