//! What real recorders write goes in, and real decoders judge what comes out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod browser;
mod iterable;
mod peers;

mod demux;
mod join;
mod mp4;
mod multipart;
mod mux;
