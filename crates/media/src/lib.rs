//! Media container bytes in, init segments and frames out: pure, push style.
//!
//! Nothing here waits, reads a clock or touches a socket. Bytes come in as they arrive, cut
//! anywhere; what they mean comes out. Every parser has bounds, and none of them panics, loops or
//! grows without limit, whatever the bytes are.

pub mod frame;

pub mod sniff;

pub mod jpeg;

pub mod codec;

pub mod package;

pub mod demux;

pub mod join;

pub mod rest;

pub mod webm;

pub mod mp4;

pub mod ingest;
