//! A message of the native door, as bytes and as text: a header that is read is written the same again.

use abanico_live::native::{HEADER_BYTES, Header, parse_tracks, tracks_json};
use bytes::Bytes;

pub(super) fn run(data: &[u8]) {
    let message = Bytes::copy_from_slice(data);
    if let Ok(Some((header, payload))) = Header::split(&message) {
        assert_eq!(payload.len(), data.len() - HEADER_BYTES);
        let mut again = Vec::new();
        header.put(&mut again);
        let again = Bytes::from(again);
        let Ok(Some((same, _))) = Header::split(&again) else {
            panic!("a header that was written cannot be read");
        };
        assert_eq!(same, header);
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(tracks) = parse_tracks(text)
    {
        assert!(!tracks_json(&tracks).is_empty());
    }
}
