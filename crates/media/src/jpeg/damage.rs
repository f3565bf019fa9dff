//! What can be seen to be wrong with a picture without decoding it.
//!
//! Its structure is walked from beginning to end: marker segments by their length, and in the data of a scan the markers,
//! which no data can look like. Of pictures of 77 kB in which 1,000 bytes were written over at random 96 % are told, of 300
//! bytes two thirds. A wrong bit, and a piece that is missing where there are no restart markers, are not seen: that takes
//! a decoder, 1.2 ms for such a picture in the place of 6 µs.

use memchr::memchr;

use super::{EOI, SOI, SOS, dimensions};

/// Why bytes are no whole picture. Places are counted in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It has no beginning, or nothing in it says how large it is.
    #[error("no frame header with a size before the picture's data")]
    NoSize,
    /// There is no more of it.
    #[error("it is cut off after {0} bytes")]
    CutOff(usize),
    /// Where a segment ends, none begins.
    #[error("no marker at byte {0}, where one must be")]
    NoMarker(usize),
    /// A marker that cannot be there.
    #[error("marker ff{marker:02x} at byte {at} has no place there")]
    Misplaced {
        /// The marker's second byte.
        marker: u8,
        /// Where it is.
        at: usize,
    },
    /// Restart markers count from 0 to 7 and over again.
    #[error(
        "restart marker {got} at byte {at} in the place of {expected}: a piece of the picture is missing"
    )]
    Restart {
        /// The one that should come.
        expected: u8,
        /// The one that is there.
        got: u8,
        /// Where it is.
        at: usize,
    },
    /// After its end there is something else than zeros or another picture.
    #[error("bytes of no picture after its end at byte {0}")]
    Rest(usize),
}

/// What is wrong with a picture, if that can be seen: one walk over its bytes.
#[must_use]
pub fn damage(picture: &[u8]) -> Option<Damage> {
    if dimensions(picture).is_none() {
        return Some(Damage::NoSize);
    }
    let end = match walk(picture) {
        Ok(end) => end,
        Err(damage) => return Some(damage),
    };
    // Cameras fill up with zeros, and telephones put a second picture behind the first.
    let rest = &picture[end..];
    let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
    let rest = &rest[..rest.len() - zeros];
    let is_well =
        rest.is_empty() || (rest.starts_with(&[0xff, SOI]) && rest.ends_with(&[0xff, EOI]));
    (!is_well).then_some(Damage::Rest(end))
}

/// Where the picture ends.
fn walk(picture: &[u8]) -> Result<usize, Damage> {
    let cut = Damage::CutOff(picture.len());
    let mut at = 2;
    let mut has_data = false;
    loop {
        let filled = picture
            .get(at..)
            .ok_or(cut)?
            .iter()
            .take_while(|byte| **byte == 0xff)
            .count();
        let marker = *picture.get(at + filled).ok_or(cut)?;
        if filled == 0 {
            return Err(Damage::NoMarker(at));
        }
        let after = at + filled + 1;
        let misplaced = Damage::Misplaced {
            marker,
            at: after - 2,
        };
        match marker {
            EOI if has_data => return Ok(after),
            // Reserved, without a segment, or the beginning or end of a picture without data.
            0x00..=0xbf | 0xd0..=EOI | 0xf0..=0xfd => return Err(misplaced),
            // Of one frame the header stands before its data.
            0xc0..=0xcf if has_data && !matches!(marker, 0xc4 | 0xcc) => return Err(misplaced),
            _ => {}
        }
        let length = picture.get(after..after + 2).ok_or(cut)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(misplaced);
        }
        at = after + length;
        if marker == SOS {
            has_data = true;
            at = scan(picture, at)?;
        }
    }
}

/// Where the marker after a scan's data is, of which `at` is the first byte.
fn scan(picture: &[u8], mut at: usize) -> Result<usize, Damage> {
    let cut = Damage::CutOff(picture.len());
    let mut expected = 0;
    loop {
        at += memchr(0xff, picture.get(at..).ok_or(cut)?).ok_or(cut)?;
        match *picture.get(at + 1).ok_or(cut)? {
            0x00 => at += 2,
            marker @ 0xd0..=0xd7 => {
                let got = marker - 0xd0;
                if got != expected {
                    return Err(Damage::Restart { expected, got, at });
                }
                expected = (expected + 1) % 8;
                at += 2;
            }
            0xff => at += 1,
            _ => return Ok(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &[u8] = b"\xff\xd8\xff\xe1\x00\x08\xff\xd8\xff\xd9xy\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00";

    fn picture(rest: &[u8]) -> Vec<u8> {
        [HEAD, b"\xff\xda\x00\x03\x01", rest].concat()
    }

    #[test]
    fn whole_pictures_are_without_damage() {
        for whole in [
            &b"data\xff\x00data\xff\xd9"[..],
            b"\xff\xd0\xff\xd1\xff\xd2\xff\xd3\xff\xd4\xff\xd5\xff\xd6\xff\xd7\xff\xd0da\xff\xff\xd9",
            // Progressive: tables and further scans.
            b"da\xff\xc4\x00\x03x\xff\xda\x00\x03\x01ta\xff\xfe\x00\x02\xff\xd9",
            b"data\xff\xd9\0\0\0",
            b"data\xff\xd9\xff\xd8another\xff\xd9",
        ] {
            assert_eq!(damage(&picture(whole)), None, "{whole:x?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let data = picture(b"").len();
        for (broken, expected) in [
            (&b"data"[..], Damage::CutOff(data + 4)),
            (b"data\xff", Damage::CutOff(data + 5)),
            (
                b"da\xff\x17ta\xff\xd9",
                Damage::Misplaced {
                    marker: 0x17,
                    at: data + 2,
                },
            ),
            (
                b"da\xff\xc0\x00\x02ta\xff\xd9",
                Damage::Misplaced {
                    marker: 0xc0,
                    at: data + 2,
                },
            ),
            (
                b"da\xff\xd8ta\xff\xd9",
                Damage::Misplaced {
                    marker: SOI,
                    at: data + 2,
                },
            ),
            (b"da\xff\xfe\x00\x03xta\xff\xd9", Damage::NoMarker(data + 7)),
            (
                b"\xff\xd0a\xff\xd2b\xff\xd9",
                Damage::Restart {
                    expected: 1,
                    got: 2,
                    at: data + 3,
                },
            ),
            (b"da\xff\xd9ta\xff\xd9", Damage::Rest(data + 4)),
            (b"data\xff\xd9more", Damage::Rest(data + 6)),
        ] {
            assert_eq!(damage(&picture(broken)), Some(expected), "{broken:x?}");
        }
        assert_eq!(damage(b"\xff\xd8\xff\xd9"), Some(Damage::NoSize));
        let no_data = [HEAD, b"\xff\xd9"].concat();
        assert_eq!(
            damage(&no_data),
            Some(Damage::Misplaced {
                marker: EOI,
                at: HEAD.len()
            })
        );
    }

    proptest! {
        #[test]
        fn whatever_ends_early_is_damaged(data in proptest::collection::vec(0_u8..0xff, 0..50), cut: proptest::sample::Index) {
            let whole = picture(&[&data[..], b"\xff\xd9"].concat());
            prop_assert_eq!(damage(&whole), None);
            prop_assert!(damage(&whole[..cut.index(whole.len())]).is_some());
        }

        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>) {
            let _ = damage(&bytes);
            let _ = damage(&picture(&bytes));
        }
    }
}
