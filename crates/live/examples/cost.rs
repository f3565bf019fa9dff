//! What a frame costs: to take apart, to package for each format, and to hand to a viewer.
//!
//! `cargo run --release -p abanico-live --example cost -- RECORDING` reads a WebM, Matroska or fragmented MP4 file again
//! and again, with nobody watching, with one viewer of each format, and with a thousand viewers.

#![expect(
    clippy::print_stdout,
    reason = "what an example prints is what it is for"
)]

use abanico_live::{Bounds, Channel, Format, Pool, Watching};
use bytes::Bytes;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// The pieces that a network gives.
const PIECE_BYTES: usize = 16 << 10;
const ROUNDS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which recording?")?;
    let recording = Bytes::from(std::fs::read(path)?);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let _within = runtime.enter();

    let alone = run(&recording, None, 0)?;
    println!("nobody watches   {alone:>9.1?} a frame");
    for format in [Format::Native, Format::WebM, Format::Mp4] {
        match run(&recording, Some(format), 1) {
            Ok(one) => {
                let thousand = run(&recording, Some(format), 1000)?;
                println!(
                    "{:<16} {one:>9.1?} a frame, {:.1?} more for each viewer",
                    format.name(),
                    thousand.saturating_sub(one) / 999
                );
            }
            Err(unfit) => println!("{:<16} {unfit}", format.name()),
        }
    }
    Ok(())
}

/// The time for one frame.
fn run(
    recording: &Bytes,
    format: Option<Format>,
    viewers: usize,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let channel = Channel::new(&Pool::new(Bounds::default()));
    // The tracks must be known before a format can be refused.
    channel.bytes().push(recording.clone(), 0)?;
    let mut watching = Vec::new();
    for _ in 0..viewers {
        let mut one = channel.watch(format.unwrap_or(Format::Native))?;
        read(&mut one);
        watching.push(one);
    }
    let (mut frames, begun) = (0, Instant::now());
    for _ in 0..ROUNDS {
        let mut source = channel.bytes();
        let mut rest = recording.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(PIECE_BYTES.min(rest.len()));
            frames += source.push(piece, 0)?.frames;
            watching.iter_mut().for_each(read);
        }
    }
    let frames = u32::try_from(frames)?.max(1);
    Ok(begun.elapsed() / frames)
}

fn read(watching: &mut Watching) {
    let mut cx = Context::from_waker(Waker::noop());
    while let std::task::Poll::Ready(Some(_)) = watching.poll_next(&mut cx) {}
}
