//! What is fuzzed: each parser that meets the network, as a function of bytes that panics when something is wrong.

mod codec;
mod engine_payload;
mod ingest;
mod jpeg;
mod mp4;
mod native;
mod socket_packet;
mod webm;
mod websocket_frame;

use crate::seeds;

/// A parser, and what it is fed first.
#[derive(Clone, Copy)]
pub struct Target {
    /// How it is called on the command line.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
    /// Good input, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them. Those of WebRTC are in `crates/rtc`, whose session is more than a function.
pub const TARGETS: [Target; 9] = [
    target("engine-payload", engine_payload::run, seeds::none),
    target("socket-packet", socket_packet::run, seeds::none),
    target("websocket-frame", websocket_frame::run, seeds::websocket),
    target("native", native::run, seeds::native),
    target("webm", webm::run, seeds::webm),
    target("mp4", mp4::run, seeds::mp4),
    target("jpeg", jpeg::run, seeds::jpeg),
    target("codec", codec::run, seeds::codec),
    target("http-body", ingest::run, seeds::http_body),
];

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

/// Bytes that are taken apart: single ones, and pieces with their length in front.
struct Pieces<'a>(&'a [u8]);

impl<'a> Pieces<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn piece(&mut self) -> &'a [u8] {
        let length = self.byte().map_or(0, usize::from).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }
}
