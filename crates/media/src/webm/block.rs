//! Takes SimpleBlocks and BlockGroups apart: track, time, keyframe flag, laced frames.

use bytes::{Buf, Bytes};

use super::ebml::{Elements, Read, id, read_vint, uint};

/// One block: its head, and the bytes of its one or several frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) track: u64,
    /// Ticks from the Timestamp of the Cluster that it stands in.
    pub(crate) relative: i16,
    pub(crate) keyframe: bool,
    /// Ticks that the whole block lasts.
    pub(crate) duration: Option<u64>,
    lacing: Lacing,
    payload: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacing {
    None,
    Xiph,
    Fixed,
    Ebml,
}

impl Block {
    /// Reads a SimpleBlock's body.
    pub(crate) fn simple(body: Bytes) -> Option<Self> {
        let (mut block, flags) = Self::head(body)?;
        block.keyframe = flags & 0x80 != 0;
        Some(block)
    }

    /// Reads a BlockGroup's body. It is a keyframe when it names no block that it refers to.
    pub(crate) fn group(body: &Bytes) -> Option<Self> {
        let mut block = None;
        let mut keyframe = true;
        let mut duration = None;
        for (id, body) in Elements::new(body) {
            match id {
                id::BLOCK => block = Self::head(body),
                id::REFERENCE_BLOCK => keyframe = false,
                id::BLOCK_DURATION => duration = uint(&body),
                _ => {}
            }
        }
        let (block, _) = block?;
        Some(Self {
            keyframe,
            duration,
            ..block
        })
    }

    fn head(mut body: Bytes) -> Option<(Self, u8)> {
        let Read::Done(track, len) = read_vint(&body) else {
            return None;
        };
        body.advance(len);
        if body.len() < 3 {
            return None;
        }
        let relative = body.get_i16();
        let flags = body.get_u8();
        let lacing = match flags >> 1 & 3 {
            0 => Lacing::None,
            1 => Lacing::Xiph,
            2 => Lacing::Fixed,
            _ => Lacing::Ebml,
        };
        let block = Self {
            track,
            relative,
            keyframe: false,
            duration: None,
            lacing,
            payload: body,
        };
        Some((block, flags))
    }

    /// Whether it brings any bytes at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.payload.is_empty()
    }

    /// The frames in it, slices of the block. `None` when the lacing is broken: then nothing in it
    /// can be trusted.
    pub(crate) fn frames(mut self) -> Option<Frames> {
        let sizes = match self.lacing {
            Lacing::None => {
                return Some(Frames {
                    payload: self.payload,
                    sizes: Vec::new().into_iter(),
                    last: true,
                });
            }
            Lacing::Xiph => xiph(&mut self.payload)?,
            Lacing::Fixed => fixed(&mut self.payload)?,
            Lacing::Ebml => ebml(&mut self.payload)?,
        };
        let sum = sizes
            .iter()
            .try_fold(0usize, |sum, size| sum.checked_add(*size))?;
        (sum <= self.payload.len()).then(|| Frames {
            payload: self.payload,
            sizes: sizes.into_iter(),
            last: true,
        })
    }
}

/// The frames of one block.
#[derive(Debug)]
pub(crate) struct Frames {
    payload: Bytes,
    /// Of all frames but the last, which takes the rest.
    sizes: std::vec::IntoIter<usize>,
    last: bool,
}

impl Frames {
    /// How many are still to come.
    pub(crate) fn remaining(&self) -> usize {
        self.sizes.len() + usize::from(self.last)
    }
}

impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match self.sizes.next() {
            Some(size) => Some(self.payload.split_to(size)),
            None if self.last => {
                self.last = false;
                Some(std::mem::take(&mut self.payload))
            }
            None => None,
        }
    }
}

/// Reads how many frames follow the first one: at most 255.
fn count(payload: &mut Bytes) -> Option<usize> {
    payload
        .has_remaining()
        .then(|| usize::from(payload.get_u8()))
}

fn xiph(payload: &mut Bytes) -> Option<Vec<usize>> {
    let count = count(payload)?;
    let mut sizes = Vec::with_capacity(count);
    for _ in 0..count {
        let mut size = 0usize;
        loop {
            if payload.is_empty() {
                return None;
            }
            let byte = payload.get_u8();
            size += usize::from(byte);
            if byte != 255 {
                break;
            }
        }
        sizes.push(size);
    }
    Some(sizes)
}

fn fixed(payload: &mut Bytes) -> Option<Vec<usize>> {
    let count = count(payload)?;
    payload
        .len()
        .is_multiple_of(count + 1)
        .then(|| vec![payload.len() / (count + 1); count])
}

fn ebml(payload: &mut Bytes) -> Option<Vec<usize>> {
    let count = count(payload)?;
    let mut sizes: Vec<usize> = Vec::with_capacity(count);
    for _ in 0..count {
        let Read::Done(value, len) = read_vint(payload) else {
            return None;
        };
        payload.advance(len);
        let size = match sizes.last() {
            None => i64::try_from(value).ok()?,
            // The others are differences, shifted so that they are never negative.
            Some(before) => {
                let bias = (1i64 << (7 * len - 1)) - 1;
                i64::try_from(*before).ok()? + i64::try_from(value).ok()? - bias
            }
        };
        sizes.push(usize::try_from(size).ok()?);
    }
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simple(flags: u8, payload: &[u8]) -> Block {
        let body = [&[0x81, 0xff, 0xfe, flags], payload].concat();
        Block::simple(body.into()).unwrap()
    }

    fn frames(block: Block) -> Option<Vec<Vec<u8>>> {
        Some(block.frames()?.map(|frame| frame.to_vec()).collect())
    }

    #[test]
    fn a_block_says_track_time_and_key() {
        let block = simple(0x80, b"key");
        assert_eq!((block.track, block.relative, block.keyframe), (1, -2, true));
        assert_eq!(frames(block).unwrap(), [b"key"]);
        assert!(!simple(0x00, b"delta").keyframe);
    }

    #[test]
    fn laced_frames_come_apart() {
        let whole = [vec![1u8; 300], vec![2; 5], vec![3; 7]].concat();
        let expected = vec![vec![1u8; 300], vec![2; 5], vec![3; 7]];
        let xiph = [&[2, 255, 45, 5][..], &whole].concat();
        assert_eq!(frames(simple(0x02, &xiph)).unwrap(), expected);
        // 300 in two bytes, then 5 - 300 as a difference in two bytes.
        let difference = (5 - 300 + (1 << 13) - 1) | 0x4000u16 as i32;
        let ebml = [
            &[2, 0x41, 0x2c][..],
            &(difference as u16).to_be_bytes(),
            &whole,
        ]
        .concat();
        assert_eq!(frames(simple(0x06, &ebml)).unwrap(), expected);
        assert_eq!(
            frames(simple(0x04, b"\x02aabbcc")).unwrap(),
            [b"aa", b"bb", b"cc"]
        );
    }

    #[test]
    fn broken_lacing_yields_nothing() {
        for (flags, payload) in [
            (0x02, &b""[..]),
            (0x02, b"\x02\xff\xff"),
            (0x02, b"\x01\x09abc"),
            (0x04, b"\x02aabbc"),
            (0x06, b"\x02\x81\x80abc"),
            (0x06, b"\x01\x01\xff\xff\xff\xff\xff\xff\xffabc"),
        ] {
            assert_eq!(frames(simple(flags, payload)), None, "{payload:?}");
        }
    }

    #[test]
    fn a_group_that_refers_to_another_block_is_no_keyframe() {
        let key = b"\xa1\x85\x81\x00\x00\x00x\x9b\x81\x21";
        let block = Block::group(&Bytes::from_static(key)).unwrap();
        assert!(block.keyframe);
        assert_eq!(block.duration, Some(33));
        let delta = Bytes::from([&key[..], b"\xfb\x81\xdf"].concat());
        assert!(!Block::group(&delta).unwrap().keyframe);
    }
}
