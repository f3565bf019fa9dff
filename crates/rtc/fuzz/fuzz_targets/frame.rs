//! Any bytes as a frame of any codec, cut for viewers.
#![no_main]

use abanico_media::frame::Codec;
use abanico_rtc::hostile::frame;
use libfuzzer_sys::fuzz_target;

const CODECS: [Codec; 5] = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Opus];

fuzz_target!(|input: (u8, &[u8])| {
    frame(&CODECS[usize::from(input.0) % CODECS.len()], input.1);
});
