//! EBML's grammar: variable-length numbers, element headers, and elements within a slice.
//!
//! Reads only what it is handed; says when that is too little. Reading a stream of elements is
//! [`super::walk`]'s part.

use bytes::Bytes;

/// Element ids, marker bits included, as Matroska lists them.
pub(crate) mod id {
    pub(crate) const EBML: u32 = 0x1a45_dfa3;
    pub(crate) const EBML_VERSION: u32 = 0x4286;
    pub(crate) const EBML_READ_VERSION: u32 = 0x42f7;
    pub(crate) const EBML_MAX_ID_LENGTH: u32 = 0x42f2;
    pub(crate) const EBML_MAX_SIZE_LENGTH: u32 = 0x42f3;
    pub(crate) const DOC_TYPE: u32 = 0x4282;
    pub(crate) const DOC_TYPE_VERSION: u32 = 0x4287;
    pub(crate) const DOC_TYPE_READ_VERSION: u32 = 0x4285;
    pub(crate) const VOID: u32 = 0xec;
    pub(crate) const CRC_32: u32 = 0xbf;
    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const SEEK_HEAD: u32 = 0x114d_9b74;
    pub(crate) const INFO: u32 = 0x1549_a966;
    pub(crate) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub(crate) const MUXING_APP: u32 = 0x4d80;
    pub(crate) const WRITING_APP: u32 = 0x5741;
    pub(crate) const TRACKS: u32 = 0x1654_ae6b;
    pub(crate) const CUES: u32 = 0x1c53_bb6b;
    pub(crate) const ATTACHMENTS: u32 = 0x1941_a469;
    pub(crate) const CHAPTERS: u32 = 0x1043_a770;
    pub(crate) const TAGS: u32 = 0x1254_c367;
    pub(crate) const TRACK_ENTRY: u32 = 0xae;
    pub(crate) const TRACK_NUMBER: u32 = 0xd7;
    pub(crate) const TRACK_UID: u32 = 0x73c5;
    pub(crate) const TRACK_TYPE: u32 = 0x83;
    pub(crate) const FLAG_LACING: u32 = 0x9c;
    pub(crate) const DEFAULT_DURATION: u32 = 0x23_e383;
    pub(crate) const CODEC_ID: u32 = 0x86;
    pub(crate) const CODEC_PRIVATE: u32 = 0x63a2;
    pub(crate) const SEEK_PRE_ROLL: u32 = 0x56bb;
    pub(crate) const CONTENT_ENCODINGS: u32 = 0x6d80;
    pub(crate) const VIDEO: u32 = 0xe0;
    pub(crate) const PIXEL_WIDTH: u32 = 0xb0;
    pub(crate) const PIXEL_HEIGHT: u32 = 0xba;
    pub(crate) const AUDIO: u32 = 0xe1;
    pub(crate) const SAMPLING_FREQUENCY: u32 = 0xb5;
    pub(crate) const CHANNELS: u32 = 0x9f;
    pub(crate) const CLUSTER: u32 = 0x1f43_b675;
    pub(crate) const TIMESTAMP: u32 = 0xe7;
    pub(crate) const SILENT_TRACKS: u32 = 0x5854;
    pub(crate) const POSITION: u32 = 0xa7;
    pub(crate) const PREV_SIZE: u32 = 0xab;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(crate) const BLOCK_GROUP: u32 = 0xa0;
    pub(crate) const ENCRYPTED_BLOCK: u32 = 0xaf;
    pub(crate) const BLOCK: u32 = 0xa1;
    pub(crate) const BLOCK_DURATION: u32 = 0x9b;
    pub(crate) const REFERENCE_BLOCK: u32 = 0xfb;
}

/// What reading from a slice that may end too early can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read<T> {
    /// Read, and so many bytes long.
    Done(T, usize),
    /// Everything so far is right, but it goes on.
    More,
    /// No such thing can begin with these bytes.
    Bad,
}

/// An element's id and size, as they stand before its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u32,
    /// `None`: unknown, the body ends where something begins that cannot be in it.
    pub(crate) size: Option<u64>,
}

/// The longest header: four bytes of id, eight of size.
pub(crate) const HEADER_BYTES_MAX: usize = 12;

/// The eight bytes that stand for an unknown size.
pub(crate) const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

impl Header {
    /// Reads the header at the beginning of `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Read<Self> {
        let (id, id_len) = match read_id(bytes) {
            Read::Done(id, len) => (id, len),
            Read::More => return Read::More,
            Read::Bad => return Read::Bad,
        };
        match read_size(&bytes[id_len..]) {
            Read::Done(size, len) => Read::Done(Self { id, size }, id_len + len),
            Read::More => Read::More,
            Read::Bad => Read::Bad,
        }
    }
}

fn read_id(bytes: &[u8]) -> Read<u32> {
    let Some(&first) = bytes.first() else {
        return Read::More;
    };
    let len = first.leading_zeros() as usize + 1;
    if len > 4 {
        return Read::Bad;
    }
    let Some(bytes) = bytes.get(..len) else {
        return Read::More;
    };
    let id = bytes.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    // All data bits 0 or all 1 are no ids.
    let data_mask = (1u32 << (7 * len)) - 1;
    match id & data_mask {
        0 => Read::Bad,
        data if data == data_mask => Read::Bad,
        _ => Read::Done(id, len),
    }
}

/// Reads a size: `None` in it is the unknown size, all data bits 1.
pub(crate) fn read_size(bytes: &[u8]) -> Read<Option<u64>> {
    match read_vint(bytes) {
        Read::Done(value, len) => {
            let unknown = (1u64 << (7 * len)) - 1;
            Read::Done((value != unknown).then_some(value), len)
        }
        Read::More => Read::More,
        Read::Bad => Read::Bad,
    }
}

/// Reads a variable-length number, marker bit removed.
pub(crate) fn read_vint(bytes: &[u8]) -> Read<u64> {
    let Some(&first) = bytes.first() else {
        return Read::More;
    };
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Read::Bad;
    }
    let Some(bytes) = bytes.get(..len) else {
        return Read::More;
    };
    let value = bytes
        .iter()
        .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    Read::Done(value & ((1u64 << (7 * len)) - 1), len)
}

/// The elements in a body that is whole. Ends at the first that is broken or reaches beyond it.
pub(crate) struct Elements {
    rest: Bytes,
}

impl Elements {
    pub(crate) fn new(body: &Bytes) -> Self {
        Self { rest: body.clone() }
    }
}

impl Iterator for Elements {
    type Item = (u32, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        let Read::Done(header, len) = Header::read(&self.rest) else {
            return None;
        };
        let size = usize::try_from(header.size?).ok()?;
        if size > self.rest.len() - len {
            return None;
        }
        let _ = self.rest.split_to(len);
        Some((header.id, self.rest.split_to(size)))
    }
}

/// An unsigned integer of up to eight bytes. No bytes are 0.
pub(crate) fn uint(body: &[u8]) -> Option<u64> {
    (body.len() <= 8).then(|| {
        body.iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    })
}

/// A float of four or eight bytes. No bytes are 0.
pub(crate) fn float(body: &[u8]) -> Option<f64> {
    match body.len() {
        0 => Some(0.0),
        4 => Some(f64::from(f32::from_be_bytes(body.try_into().ok()?))),
        8 => Some(f64::from_be_bytes(body.try_into().ok()?)),
        _ => None,
    }
}

/// Writes an id.
pub(crate) fn put_id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    out.extend_from_slice(&bytes[id.leading_zeros() as usize / 8..]);
}

/// Writes a size in as few bytes as hold it.
pub(crate) fn put_size(out: &mut Vec<u8>, size: u64) {
    let mut len = 1;
    // All ones is the unknown size, so the largest number of each length is left out.
    while len < 8 && size >= (1 << (7 * len)) - 1 {
        len += 1;
    }
    let marked = size | 1 << (7 * len);
    out.extend_from_slice(&marked.to_be_bytes()[8 - len..]);
}

/// Writes an element whose body is at hand.
pub(crate) fn put_element(out: &mut Vec<u8>, id: u32, body: &[u8]) {
    put_id(out, id);
    put_size(out, body.len() as u64);
    out.extend_from_slice(body);
}

/// Writes an unsigned integer in as few bytes as hold it.
pub(crate) fn put_uint(out: &mut Vec<u8>, id: u32, value: u64) {
    let skip = (value.leading_zeros() as usize / 8).min(7);
    put_element(out, id, &value.to_be_bytes()[skip..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_of_every_length_are_read() {
        let cases: [(&[u8], u32, Option<u64>, usize); 5] = [
            (&[0xa3, 0x81, 0], id::SIMPLE_BLOCK, Some(1), 2),
            (&[0xa3, 0xff], id::SIMPLE_BLOCK, None, 2),
            (&[0x58, 0x54, 0x84], id::SILENT_TRACKS, Some(4), 3),
            (
                &[0x1f, 0x43, 0xb6, 0x75, 0x40, 0x02],
                id::CLUSTER,
                Some(2),
                6,
            ),
            (
                &[
                    0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                ],
                id::SEGMENT,
                None,
                12,
            ),
        ];
        for (bytes, id, size, len) in cases {
            assert_eq!(Header::read(bytes), Read::Done(Header { id, size }, len));
            for cut in 0..len {
                assert_eq!(Header::read(&bytes[..cut]), Read::More);
            }
        }
    }

    #[test]
    fn impossible_headers_are_refused() {
        for bytes in [
            &[0x00][..],
            &[0x08, 1, 2, 3, 4],
            &[0x80, 0x81],
            &[0xff, 0x81],
            &[0xa3, 0x00],
        ] {
            assert_eq!(Header::read(bytes), Read::Bad, "{bytes:?}");
        }
    }

    #[test]
    fn elements_stop_at_one_that_reaches_beyond_its_parent() {
        let body = Bytes::from_static(&[0xec, 0x81, 0, 0xec, 0x82, 0]);
        assert_eq!(Elements::new(&body).count(), 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(size in 0u64..(1 << 56) - 1, value: u64) {
            let mut out = Vec::new();
            put_id(&mut out, id::TIMESTAMP_SCALE);
            put_size(&mut out, size);
            prop_assert_eq!(
                Header::read(&out),
                Read::Done(Header { id: id::TIMESTAMP_SCALE, size: Some(size) }, out.len())
            );

            let mut out = Vec::new();
            put_uint(&mut out, id::TIMESTAMP, value);
            let (read_id, body) = Elements::new(&Bytes::from(out)).next().unwrap();
            prop_assert_eq!((read_id, uint(&body)), (id::TIMESTAMP, Some(value)));
        }
    }
}
