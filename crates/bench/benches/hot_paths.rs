//! What one frame costs in time and in heap: encoded once, pushed once, read by every viewer, parsed.
//!
//! `cargo bench -p abanico-bench`

mod paths;

use bytes::Bytes;
use divan::{AllocProfiler, Bencher};
use paths::{Fan, PICTURE_BYTES, Round};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench]
fn encode_text(bencher: Bencher) {
    let json = paths::picture_json();
    bencher.bench(|| paths::encode_text(&json));
}

#[divan::bench]
fn encode_binary(bencher: Bencher) {
    let picture = Bytes::from(vec![0x5a; PICTURE_BYTES / 4 * 3]);
    bencher.bench(|| paths::encode_binary(&picture));
}

#[divan::bench]
fn decode_published(bencher: Bencher) {
    let frame = paths::published_frame();
    bencher.bench(|| paths::decode_published(&frame));
}

#[divan::bench(args = [1, 100, 1_000, 10_000])]
fn feed_frame_to_viewers(bencher: Bencher, viewers: usize) {
    let mut fan = Fan::new(viewers);
    bencher
        .counter(divan::counter::ItemsCount::new(viewers))
        .bench_local(|| fan.frame());
}

#[divan::bench(args = [1, 100, 1_000, 10_000])]
fn courier_frame_to_outlets(bencher: Bencher, viewers: usize) {
    let mut round = Round::new(viewers);
    bencher
        .counter(divan::counter::ItemsCount::new(viewers))
        .bench_local(|| round.frame());
}

#[divan::bench]
fn follow_recording(bencher: Bencher) {
    let chunks = paths::recording();
    bencher.bench(|| paths::follow(&chunks));
}
