//! Any bytes, cut anywhere: no panic, bounded memory, the same frames as uncut, and what a joiner
//! gets is a recording.
//!
//! The first byte says how the rest is cut.

use abanico_media::demux::Event;
use abanico_media::webm::{Demuxer, Joinable, Limits};
use bytes::Bytes;

const LIMITS: Limits = Limits {
    init_bytes_max: 4096,
    group_bytes_max: 16_384,
    element_bytes_max: 8192,
};

pub(super) fn run(data: &[u8]) {
    let Some((&cut, recording)) = data.split_first() else {
        return;
    };
    let recording = Bytes::copy_from_slice(recording);
    let mut joinable = Joinable::new(LIMITS);
    let mut events = Vec::new();
    let mut rest = recording.clone();
    while !rest.is_empty() {
        let chunk = rest.split_to(usize::from(cut).clamp(1, rest.len()));
        let info = joinable.push_with_events(&chunk, &mut events);
        assert!(
            info.first_boundary
                .is_none_or(|boundary| boundary <= chunk.len())
        );
        assert!(
            info.restarted
                .is_none_or(|restart| restart.offset <= chunk.len())
        );
        assert!(joinable.held_bytes() <= LIMITS.group_bytes_max + 2 * LIMITS.init_bytes_max + 8192);
        if let Some(join) = joinable.join() {
            let mut demuxer = Demuxer::new(LIMITS);
            let mut joined = Vec::new();
            join.into_iter()
                .for_each(|piece| demuxer.push(piece, &mut joined));
            let Some(Event::Init(init)) = joined.first() else {
                panic!("no init segment: {joined:?}")
            };
            let video = init.tracks.iter().any(|track| track.is_video());
            assert!(
                !video || !matches!(joined.get(1), Some(Event::Frame(frame)) if !frame.keyframe)
            );
        }
    }
    // A chunk that begins like a recording in the middle of an element is one: that is the only
    // thing for which the cut matters.
    if !recording
        .windows(4)
        .skip(1)
        .any(|bytes| bytes == b"\x1a\x45\xdf\xa3")
    {
        let mut whole = Vec::new();
        Demuxer::new(LIMITS).push(recording, &mut whole);
        assert_eq!(events, whole);
    }
}
