//! The heap: how often it is asked, for a frame and for a viewer.

use crate::paths::{self, Fan};
use crate::world::World;
use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::io::Read;
use std::net::TcpStream;
use std::sync::Mutex;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The count is the whole process's: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How often the heap is asked while `action` runs.
fn allocations(action: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    action();
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn encoding_a_frame_asks_the_heap_a_few_times_however_large_it_is() {
    let _one = ONE_AT_A_TIME.lock();
    let json = paths::picture_json();
    let text = allocations(|| drop(paths::encode_text(&json)));
    assert!(text <= 8, "{text} allocations for a text");
    let picture = Bytes::from(vec![0x5a; 300_000]);
    let binary = allocations(|| drop(paths::encode_binary(&picture)));
    assert!(
        binary <= 12,
        "{binary} allocations for a text with an attachment"
    );
}

#[test]
fn the_feed_hands_a_frame_to_a_thousand_viewers_without_the_heap() {
    let _one = ONE_AT_A_TIME.lock();
    let mut fan = Fan::new(1_000);
    let count = allocations(|| {
        for _ in 0..100 {
            fan.frame();
        }
    });
    assert!(
        count <= 100,
        "{count} allocations for 100 frames and 1,000 viewers"
    );
}

#[test]
fn a_frame_on_its_way_to_a_viewers_socket_does_not_touch_the_heap() {
    let _one = ONE_AT_A_TIME.lock();
    let few = allocations_for(10);
    let many = allocations_for(210);
    let for_a_viewer = many.saturating_sub(few) as f64 / f64::from(FRAMES) / 200.0;
    assert!(
        for_a_viewer < 0.01,
        "{for_a_viewer:.3} allocations a frame and viewer: {few} with 10 viewers, {many} with 210"
    );
}

const FRAMES: u32 = 50;

/// How often the heap is asked while some frames travel to so many viewers.
fn allocations_for(viewers: usize) -> usize {
    let world = World::start();
    let mut viewers: Vec<_> = (0..viewers).map(|_| world.viewer()).collect();
    let message = paths::encode_text(&paths::picture_json());
    let mut scratch = vec![0; message.len()];
    // The first frames bring queues to the length that they will have.
    for _ in 0..5 {
        frame(&world, &message, &mut viewers, &mut scratch);
    }
    allocations(|| {
        for _ in 0..FRAMES {
            frame(&world, &message, &mut viewers, &mut scratch);
        }
    })
}

/// One frame, read by everybody before the next.
fn frame(
    world: &World,
    message: &abanico_socketio::Message,
    viewers: &mut [TcpStream],
    scratch: &mut [u8],
) {
    let len = world.push(message);
    for viewer in viewers {
        viewer.read_exact(&mut scratch[..len]).unwrap();
    }
}
