//! Where one can begin to read: what an EBML header and a Cluster look like in the middle of
//! anything.
//!
//! Four bytes of id alone stand in a picture's bytes now and then; with a size that can be and the
//! first byte of a body that can be they practically never do.

use super::ebml::{HEADER_BYTES_MAX, Read, id, read_size};

/// Whether a recording begins here: an EBML header of a sane size that begins as one does.
pub(super) fn document_signature(bytes: &[u8]) -> Read<()> {
    signature(bytes, id::EBML, |size, first| {
        size.is_some_and(|size| size <= DOCUMENT_HEADER_BYTES_MAX as u64)
            && matches!(first, 0x42 | 0xec | 0xbf)
    })
}

/// Whether one may go on reading here after garbage.
pub(super) fn recovery_signature(bytes: &[u8]) -> Read<()> {
    let cluster = signature(bytes, id::CLUSTER, |_, first| {
        matches!(first, 0xe7 | 0xec | 0xbf | 0xa7 | 0xab | 0xa3 | 0xa0 | 0x58)
    });
    match cluster {
        Read::Bad => document_signature(bytes),
        Read::Done(..) | Read::More => cluster,
    }
}

/// An element's id, its size, and the first byte of its body.
fn signature(bytes: &[u8], id: u32, fits: impl Fn(Option<u64>, u8) -> bool) -> Read<()> {
    let magic = id.to_be_bytes();
    let len = bytes.len().min(magic.len());
    if bytes[..len] != magic[..len] {
        return Read::Bad;
    }
    match read_size(&bytes[len..]) {
        Read::Done(size, size_len) => match bytes.get(len + size_len) {
            Some(first) if fits(size, *first) => Read::Done((), len + size_len + 1),
            Some(_) => Read::Bad,
            None => Read::More,
        },
        Read::More => Read::More,
        Read::Bad => Read::Bad,
    }
}

/// A few bytes that a cut separated from what they begin.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: [u8; TAIL_BYTES_MAX],
    len: usize,
}

impl Tail {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Drops the first byte and on, up to the next that is one of `wanted`; says how many.
    pub(super) fn drop_to_next(&mut self, wanted: &[u8]) -> usize {
        let gone = (1..self.len)
            .find(|i| wanted.contains(&self.bytes[*i]))
            .unwrap_or(self.len);
        self.bytes.copy_within(gone..self.len, 0);
        self.len -= gone;
        gone
    }
}

/// Headers and signatures are decided within so many bytes: an id, a size and one more.
const TAIL_BYTES_MAX: usize = HEADER_BYTES_MAX + 1;

/// An EBML header says a version and a name: one that claims more is garbage.
pub(super) const DOCUMENT_HEADER_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_alone_is_not_enough() {
        assert_eq!(
            recovery_signature(b"\x1f\x43\xb6\x75\xff\xe7"),
            Read::Done((), 6)
        );
        assert_eq!(recovery_signature(b"\x1f\x43\xb6\x75\xff\x42"), Read::Bad);
        assert_eq!(recovery_signature(b"\x1f\x43\xb6\x75\x00"), Read::Bad);
        assert_eq!(
            document_signature(b"\x1a\x45\xdf\xa3\x9f\x42"),
            Read::Done((), 6)
        );
        assert_eq!(document_signature(b"\x1a\x45\xdf\xa3\xff\x42"), Read::Bad);
        assert_eq!(document_signature(b"\x1f\x43\xb6\x75\xff\xe7"), Read::Bad);
    }

    #[test]
    fn signatures_are_decided_within_a_tail() {
        for id in [id::EBML, id::CLUSTER] {
            for size in [
                &b"\x01\0\0\0\0\0\0\x20"[..],
                b"\x01\xff\xff\xff\xff\xff\xff\xff",
            ] {
                let bytes = [&id.to_be_bytes()[..], size, &[0x42]].concat();
                assert_eq!(bytes.len(), TAIL_BYTES_MAX);
                assert_ne!(recovery_signature(&bytes), Read::More);
            }
        }
    }
}
