//! Made-up video for doors that take no pictures: frames that say they are VP8 in groups of two seconds, of equal size.
//!
//! What a server looks at is there: whether a frame is a keyframe, and how large the picture is. Nothing could decode them.
//! Each carries its [`Stamp`] behind that, in a keyframe or not.

use crate::material::{Stamp, Template, noise};
use crate::native;

/// The frames of one stream.
#[derive(Debug, Clone)]
pub(crate) struct Video {
    keyframe: Template,
    delta: Template,
    /// Frames from one keyframe to the next.
    group: u64,
}

/// Start code, 640 × 480.
const KEYFRAME: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01];
const DELTA: [u8; 10] = [0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The smallest frame that can be made.
const FRAME_BYTES_MIN: usize = 64;
/// What browsers' keyframes are apart when a page asks for it, and what a server keeps for who comes late.
const GROUP_SECONDS: f64 = 2.0;

impl Video {
    /// Frames of `size` bytes as the native door takes them, `rate` of them in a second.
    pub(crate) fn published(size: usize, rate: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded by the command line"
        )]
        let group = (rate * GROUP_SECONDS).round().max(1.0) as u64;
        let template = |head: [u8; 10], keyframe| {
            let frame = frame(&head, size);
            Template::framed_to_publish(&native::frame_head(keyframe), &frame, head.len())
        };
        Self {
            keyframe: template(KEYFRAME, true),
            delta: template(DELTA, false),
            group,
        }
    }

    /// The message as it goes out now.
    pub(crate) fn stamped(&mut self, stamp: Stamp) -> &[u8] {
        let template = if stamp.number.is_multiple_of(self.group) {
            &mut self.keyframe
        } else {
            &mut self.delta
        };
        template.stamped(stamp)
    }
}

fn frame(head: &[u8], size: usize) -> Vec<u8> {
    let mut frame = head.to_vec();
    let rest = size.max(FRAME_BYTES_MIN) - head.len();
    frame.extend(noise().take(rest));
    frame
}

/// Reads the stamp of a frame that begins so.
pub(crate) fn stamp(frame: &[u8]) -> Option<Stamp> {
    Stamp::from_bytes(frame.get(KEYFRAME.len()..)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::TIMESTAMP_AT;

    #[test]
    fn a_group_begins_with_a_keyframe_and_every_frame_has_its_stamp() {
        let mut video = Video::published(3_000, 1.5);
        for number in 0..7 {
            let stamp = Stamp {
                number,
                sent_us: 1_000_000 + number,
            };
            let message = video.stamped(stamp);
            // A client's header of a message of this length has eight bytes, the last four of which are its mask.
            let (head, masked) = message.split_at(8);
            let plain: Vec<u8> = std::iter::zip(masked, head[4..].iter().cycle())
                .map(|(byte, mask)| byte ^ mask)
                .collect();
            let (head, frame) = plain.split_at(native::FRAME_HEAD_BYTES);
            let is_key = number % 3 == 0;
            assert_eq!(head[3], u8::from(is_key), "{number}");
            let timestamp = head[TIMESTAMP_AT..][..8].try_into().unwrap();
            assert_eq!(u64::from_be_bytes(timestamp), stamp.sent_us);
            assert_eq!(frame.len(), 3_000);
            assert_eq!(frame[0] & 1 == 0, is_key, "{number}");
            assert_eq!(super::stamp(frame), Some(stamp));
        }
    }
}
