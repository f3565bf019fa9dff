//! What a body consists of, as far as it must be known to count its frames: parts, elements or boxes, each with a head
//! that says how long it is.

use crate::link::LinkError;

/// The longest head of a part.
const PART_HEAD_BYTES_MAX: usize = 1024;

/// Between two parts, as our server writes it.
pub(crate) const PART_TAIL: &[u8] = b"\r\n--abanico\r\n";
/// What stands before a picture, as our server writes it.
pub(crate) fn part_head(len: usize) -> String {
    format!("Content-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n")
}

/// What a body consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Multipart: every part is a picture.
    Pictures,
    /// WebM, a cluster a frame.
    Clusters,
    /// MP4, a fragment a frame.
    Fragments,
}

/// What begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Bytes of its head.
    pub(crate) head_bytes: usize,
    /// Bytes that follow it.
    pub(crate) payload_bytes: usize,
    /// Whether they end a frame.
    pub(crate) is_frame: bool,
}

impl Content {
    /// Reads the head that `bytes` begin with. `None` if more of it must come.
    pub(crate) fn begun(self, bytes: &[u8]) -> Result<Option<Begun>, LinkError> {
        match self {
            Self::Pictures => part(bytes),
            Self::Clusters => element(bytes),
            Self::Fragments => mp4_box(bytes),
        }
    }
}

fn part(bytes: &[u8]) -> Result<Option<Begun>, LinkError> {
    const BLANK_LINE: &[u8] = b"\r\n\r\n";
    let Some(end) = memchr::memmem::find(bytes, BLANK_LINE) else {
        return if bytes.len() > PART_HEAD_BYTES_MAX {
            Err(LinkError::NoFrame)
        } else {
            Ok(None)
        };
    };
    Ok(Some(Begun {
        head_bytes: end + BLANK_LINE.len(),
        payload_bytes: content_length(&bytes[..end]).ok_or(LinkError::NoFrame)?,
        is_frame: true,
    }))
}

/// The length in a part's head.
fn content_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(head)
        .ok()?
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
}

/// An EBML element: its id and its size, each as long as its first bits say (RFC 8794, sections 4 and 5).
fn element(bytes: &[u8]) -> Result<Option<Begun>, LinkError> {
    const SEGMENT: u64 = 0x1853_8067;
    const CLUSTER: u64 = 0x1f43_b675;
    let Some((id, id_bytes)) = vint(bytes)? else {
        return Ok(None);
    };
    let Some((size, size_bytes)) = vint(&bytes[id_bytes..])? else {
        return Ok(None);
    };
    let marker = 1 << (7 * size_bytes);
    let is_unknown = size == marker * 2 - 1;
    let payload_bytes = match id {
        // What is in it is looked at one by one.
        SEGMENT => 0,
        _ if is_unknown => return Err(LinkError::NoFrame),
        _ => usize::try_from(size - marker).map_err(|_| LinkError::NoFrame)?,
    };
    Ok(Some(Begun {
        head_bytes: id_bytes + size_bytes,
        payload_bytes,
        is_frame: id == CLUSTER,
    }))
}

/// A number with its marker bit, and how many bytes it takes.
fn vint(bytes: &[u8]) -> Result<Option<(u64, usize)>, LinkError> {
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Err(LinkError::NoFrame);
    }
    let number = bytes.get(..len).map(|bytes| {
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    });
    Ok(number.map(|number| (number, len)))
}

/// A box: its size with its head, and its type (ISO/IEC 14496-12, section 4.2).
fn mp4_box(bytes: &[u8]) -> Result<Option<Begun>, LinkError> {
    const HEAD_BYTES: u64 = 8;
    const LONG_HEAD_BYTES: u64 = 16;
    let Some((size, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let Some((kind, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let (size, head_bytes) = match u32::from_be_bytes(*size) {
        1 => match rest.first_chunk() {
            Some(size) => (u64::from_be_bytes(*size), LONG_HEAD_BYTES),
            None => return Ok(None),
        },
        size => (size.into(), HEAD_BYTES),
    };
    let payload_bytes = size.checked_sub(head_bytes).ok_or(LinkError::NoFrame)?;
    Ok(Some(Begun {
        head_bytes: usize::try_from(head_bytes).map_err(|_| LinkError::NoFrame)?,
        payload_bytes: usize::try_from(payload_bytes).map_err(|_| LinkError::NoFrame)?,
        is_frame: kind == b"mdat",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(content: Content, bytes: &[u8]) -> Option<(usize, usize, bool)> {
        for len in 0..bytes.len() {
            // A head that is cut off is waited for.
            assert_eq!(content.begun(&bytes[..len]).unwrap(), None, "{len}");
        }
        let begun = content.begun(bytes).unwrap()?;
        Some((begun.head_bytes, begun.payload_bytes, begun.is_frame))
    }

    #[test]
    fn elements_are_told_with_their_sizes_and_a_segment_is_entered() {
        use Content::Clusters;
        let ebml = b"\x1a\x45\xdf\xa3\x9f";
        assert_eq!(begun(Clusters, ebml), Some((5, 31, false)));
        let segment = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(begun(Clusters, segment), Some((12, 0, false)));
        let cluster = b"\x1f\x43\xb6\x75\x10\x00\x30\x39";
        assert_eq!(begun(Clusters, cluster), Some((8, 12_345, true)));
        // One of unknown size has no end that can be told without reading on.
        assert!(Clusters.begun(b"\x1f\x43\xb6\x75\xff").is_err());
        assert!(Clusters.begun(b"\x00").is_err());
    }

    #[test]
    fn boxes_are_told_with_their_sizes_long_ones_too() {
        use Content::Fragments;
        assert_eq!(begun(Fragments, b"\0\0\0\x20moof"), Some((8, 24, false)));
        assert_eq!(
            begun(Fragments, b"\0\0\0\x01mdat\0\0\0\0\0\x01\0\0"),
            Some((16, 65_520, true))
        );
        // To the end of the file: a stream has none.
        assert!(Fragments.begun(b"\0\0\0\0mdat").is_err());
    }

    #[test]
    fn a_part_says_its_length_or_is_none() {
        let head = part_head(30_000);
        let whole = format!("--abanico\r\n{head}");
        assert_eq!(
            begun(Content::Pictures, whole.as_bytes()),
            Some((whole.len(), 30_000, true))
        );
        assert!(Content::Pictures.begun(b"--x\r\n\r\n").is_err());
        assert!(Content::Pictures.begun(&[b'x'; 1_025]).is_err());
    }
}
