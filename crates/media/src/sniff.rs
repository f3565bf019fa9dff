//! Says what kind of media some bytes are, by their first few and nothing else.
//!
//! File names, MIME types and data URL prefixes are claims; the signature is what decides.

/// What a publisher's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One JPEG picture.
    Jpeg,
    /// One PNG picture.
    Png,
    /// One WebP picture.
    WebP,
    /// A WebM or Matroska recording.
    WebM,
    /// An MP4 recording (`ftyp` first) or a fragment of one (`styp` or `moof` first).
    Mp4,
    /// None of these.
    Unknown,
}

/// So many bytes are always enough for [`sniff`] to decide.
pub const SNIFF_BYTES: usize = 12;

impl Kind {
    /// The MIME type without parameters; `application/octet-stream` for [`Kind::Unknown`].
    #[must_use]
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::WebM => "video/webm",
            Self::Mp4 => "video/mp4",
            Self::Unknown => "application/octet-stream",
        }
    }

    /// Whether one message of this kind is one whole picture.
    #[must_use]
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::WebP)
    }
}

/// Recognises media by its first bytes.
///
/// `None` asks for more: everything so far could still become one of the known kinds (a browser's
/// first chunk of a recording can be a single byte). With [`SNIFF_BYTES`] or more the answer is
/// never `None`.
#[must_use]
pub fn sniff(first_bytes: &[u8]) -> Option<Kind> {
    let mut undecided = false;
    for (kind, signature) in SIGNATURES {
        match signature.compare(first_bytes) {
            Match::Yes => return Some(*kind),
            Match::Maybe => undecided = true,
            Match::No => {}
        }
    }
    if undecided { None } else { Some(Kind::Unknown) }
}

enum Match {
    Yes,
    Maybe,
    No,
}

/// Bytes that must stand at fixed places: `None` stands for any byte.
struct Signature(&'static [Option<u8>]);

impl Signature {
    fn compare(&self, bytes: &[u8]) -> Match {
        let fits = self
            .0
            .iter()
            .zip(bytes)
            .all(|(wanted, byte)| wanted.is_none_or(|wanted| wanted == *byte));
        match (fits, bytes.len() >= self.0.len()) {
            (true, true) => Match::Yes,
            (true, false) => Match::Maybe,
            (false, _) => Match::No,
        }
    }
}

const fn all<const N: usize>(bytes: [u8; N]) -> [Option<u8>; N] {
    let mut out = [None; N];
    let mut i = 0;
    while i < N {
        out[i] = Some(bytes[i]);
        i += 1;
    }
    out
}

/// An MP4 box's type, which stands after four bytes of size.
const fn mp4_box(kind: [u8; 4]) -> [Option<u8>; 8] {
    let mut out = [None; 8];
    let mut i = 0;
    while i < 4 {
        out[4 + i] = Some(kind[i]);
        i += 1;
    }
    out
}

/// `ftyp` and the major brand: still pictures travel in the same boxes and are not recordings.
const fn mp4_brand(brand: [u8; 4]) -> [Option<u8>; 12] {
    let mut out = [None; 12];
    let kind = *b"ftyp";
    let mut i = 0;
    while i < 4 {
        out[4 + i] = Some(kind[i]);
        out[8 + i] = Some(brand[i]);
        i += 1;
    }
    out
}

const WEBP: [Option<u8>; 12] = {
    let mut out = [None; 12];
    let (riff, webp) = (*b"RIFF", *b"WEBP");
    let mut i = 0;
    while i < 4 {
        out[i] = Some(riff[i]);
        out[8 + i] = Some(webp[i]);
        i += 1;
    }
    out
};

/// In order: the first that fits wins, so the picture brands stand before `ftyp` alone.
const SIGNATURES: &[(Kind, Signature)] = &[
    (Kind::Jpeg, Signature(&all([0xff, 0xd8, 0xff]))),
    (Kind::Png, Signature(&all(*b"\x89PNG\r\n\x1a\n"))),
    (Kind::WebP, Signature(&WEBP)),
    (Kind::WebM, Signature(&all([0x1a, 0x45, 0xdf, 0xa3]))),
    (Kind::Unknown, Signature(&mp4_brand(*b"avif"))),
    (Kind::Unknown, Signature(&mp4_brand(*b"heic"))),
    (Kind::Unknown, Signature(&mp4_brand(*b"mif1"))),
    (Kind::Mp4, Signature(&mp4_box(*b"ftyp"))),
    (Kind::Mp4, Signature(&mp4_box(*b"styp"))),
    (Kind::Mp4, Signature(&mp4_box(*b"moof"))),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_its_signature() {
        for (bytes, kind) in [
            (&b"\xff\xd8\xff\xe0\x00\x10JFIF"[..], Kind::Jpeg),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Kind::Png),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Kind::WebP),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01", Kind::WebM),
            (b"\0\0\0\x18ftypiso5\0\0\0\0", Kind::Mp4),
            (b"\0\0\0\x18stypmsdh\0\0\0\0", Kind::Mp4),
            (b"\0\0\0\x18ftypavif\0\0\0\0", Kind::Unknown),
            (b"RIFF\x24\0\0\0WAVEfmt ", Kind::Unknown),
            (b"{\"hello\": 1}", Kind::Unknown),
            (b"GIF89a", Kind::Unknown),
        ] {
            assert_eq!(sniff(bytes), Some(kind), "{bytes:?}");
        }
    }

    #[test]
    fn a_first_chunk_of_one_byte_asks_for_more() {
        assert_eq!(sniff(b""), None);
        assert_eq!(sniff(b"\x1a"), None);
        assert_eq!(sniff(b"\xff\xd8"), None);
        assert_eq!(sniff(b"\x1a\x45"), None);
    }

    #[test]
    fn twelve_bytes_always_decide() {
        for first in 0..=255u8 {
            for rest in [0u8, 0xff, b'f'] {
                let mut bytes = [rest; SNIFF_BYTES];
                bytes[0] = first;
                assert!(sniff(&bytes).is_some());
            }
        }
    }
}
