//! What webm-iterable, another reader of Matroska in another's hands, finds in a file: the blocks and when they are.

use std::time::Duration;

use abanico_media::frame::Frame;
use webm_iterable::WebmIterator;
use webm_iterable::matroska_spec::{Block, MatroskaSpec, SimpleBlock};

/// Compares the frames with what webm-iterable finds in the file.
pub(crate) fn same_blocks(media: &[u8], frames: &[Frame]) {
    let found = blocks(media);
    assert_eq!(found.len(), frames.len());
    for (n, (found, frame)) in found.iter().zip(frames).enumerate() {
        let (track, at, payload) = found;
        assert_eq!(*track, frame.track, "block {n}");
        assert!(
            at.abs_diff(frame.timestamp) <= Duration::from_millis(1),
            "block {n} of track {track}: {at:?} is not {:?}",
            frame.timestamp
        );
        assert!(*payload == frame.payload[..], "block {n} has other bytes");
    }
}

/// Track, timestamp and payload of each frame, in a file whose timestamps are milliseconds, as usual.
fn blocks(media: &[u8]) -> Vec<(u64, Duration, Vec<u8>)> {
    let mut source = media;
    let mut cluster = 0;
    let mut found = Vec::new();
    for tag in WebmIterator::new(&mut source, &[]) {
        let tag = tag.unwrap();
        let (track, offset, payloads) = match &tag {
            MatroskaSpec::Timestamp(at) => {
                cluster = i64::try_from(*at).unwrap();
                continue;
            }
            MatroskaSpec::SimpleBlock(_) => {
                let block = SimpleBlock::try_from(&tag).unwrap();
                (
                    block.track,
                    block.timestamp,
                    payloads(block.read_frame_data()),
                )
            }
            MatroskaSpec::Block(_) => {
                let block = Block::try_from(&tag).unwrap();
                (
                    block.track,
                    block.timestamp,
                    payloads(block.read_frame_data()),
                )
            }
            _ => continue,
        };
        let at = Duration::from_millis(u64::try_from(cluster + i64::from(offset)).unwrap());
        found.extend(payloads.into_iter().map(|payload| (track, at, payload)));
    }
    found
}

fn payloads<E: std::fmt::Debug>(
    frames: Result<Vec<webm_iterable::matroska_spec::Frame<'_>>, E>,
) -> Vec<Vec<u8>> {
    let frames = frames.unwrap();
    frames
        .into_iter()
        .map(|frame| frame.data.to_vec())
        .collect()
}
