//! Any bytes may claim to be a picture.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = abanico_media::jpeg::dimensions(data);
    let _ = abanico_media::sniff::sniff(data);
    let _ = abanico_media::opus::packet_duration(data);
});
