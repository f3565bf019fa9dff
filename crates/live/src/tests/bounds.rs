//! What is held, of one channel and of all: it is counted, bounded, and let go of.

use super::{Publisher, vp8};
use crate::pool::{Bounds, Pool};
use crate::watching::Item;
use crate::{Channel, Format};
use bytes::Bytes;
use std::task::{Context, Poll, Waker};

#[tokio::test(start_paused = true)]
async fn what_is_kept_before_the_newest_group_is_counted_and_let_go_of() {
    let pool = Pool::new(Bounds::default());
    let channel = Channel::new(&pool);
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    let one = pool.held_bytes();
    for at in 1..200 {
        publisher.video(at * 100, true);
    }
    assert!(pool.held_bytes() <= 21 * one, "{}", pool.held_bytes());
    channel.forget_group();
    assert_eq!(pool.held_bytes(), 0);

    let mut bounds = Bounds::default();
    bounds.feed.lag_bytes_max = 5 * one;
    let pool = Pool::new(bounds);
    let mut publisher = Publisher::new(&Channel::new(&pool));
    for at in 0..200 {
        publisher.video(at * 100, true);
    }
    assert_eq!(pool.held_bytes(), 6 * one);
}

#[tokio::test]
async fn what_a_format_copies_is_charged_while_somebody_watches_it() {
    let pool = Pool::new(Bounds::default());
    let channel = Channel::new(&pool);
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    publisher.video(33, false);
    let alone = pool.held_bytes();
    let watching = channel.watch(Format::Rtp).unwrap();
    let watched = pool.held_bytes();
    assert!(watched > alone);
    publisher.video(66, true);
    publisher.video(99, false);
    drop(watching);
    let native = channel.watch(Format::Native).unwrap();
    let before = pool.held_bytes();
    drop((native, publisher, channel));
    assert!(before > 0);
    assert_eq!(pool.held_bytes(), 0);
}

#[tokio::test]
async fn what_the_door_of_rtp_makes_of_packets_is_counted_and_bounded_with_them() {
    let payload = Bytes::from([vp8(false), vec![7; 10_000].into()].concat());
    let held = |format, held_bytes_max, frames: i64| {
        let pool = Pool::new(Bounds {
            held_bytes_max,
            ..Bounds::default()
        });
        let channel = Channel::new(&pool);
        let mut publisher = Publisher::new(&channel);
        let _watching = channel.watch(format).unwrap();
        publisher.video(0, true);
        for n in 1..=frames {
            publisher.push(4, n, false, payload.clone()).unwrap();
        }
        pool.budget.held_bytes()
    };
    let plenty = 1 << 30;
    let (native, rtp) = (
        held(Format::Native, plenty, 20),
        held(Format::Rtp, plenty, 20),
    );
    assert!(native > 20 * 10_000, "{native}");
    assert!(rtp > native + 20 * 10_000, "{rtp}, not only {native}");
    let bounded = held(Format::Rtp, 300_000, 200);
    assert!((200_000..=300_000).contains(&bounded), "{bounded}");
}

#[tokio::test]
async fn who_joins_where_there_is_no_room_for_copies_waits_for_the_next_keyframe() {
    let publish = |pool| {
        let channel = Channel::new(pool);
        let mut publisher = Publisher::new(&channel);
        publisher.video(0, true);
        publisher.video(33, false);
        (channel, publisher)
    };
    let roomy = Pool::new(Bounds::default());
    let _held = publish(&roomy);
    let groups_bytes_max = roomy.held_bytes();
    let pool = Pool::new(Bounds {
        groups_bytes_max,
        ..Bounds::default()
    });
    let (channel, mut publisher) = publish(&pool);
    let mut watching = channel.watch(Format::Rtp).unwrap();
    let mut next = || match watching.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Item::Packet(packet))) => Some(packet),
        _ => None,
    };
    assert!(next().unwrap().is_init());
    assert!(next().is_none(), "there was no room");
    publisher.video(66, false);
    assert!(next().is_none(), "nothing without a keyframe");
    publisher.video(99, true);
    assert!(next().unwrap().begins_group());
}

#[tokio::test(start_paused = true)]
async fn what_all_channels_hold_has_a_bound() {
    let pool = Pool::new(Bounds {
        groups_bytes_max: 4000,
        ..Bounds::default()
    });
    let channels: Vec<_> = (0..10).map(|_| Channel::new(&pool)).collect();
    let mut publishers: Vec<_> = channels.iter().map(Publisher::new).collect();
    for at in 0..50 {
        for publisher in &mut publishers {
            publisher.video(at * 33, at == 0);
        }
        assert!(pool.held_bytes() <= 4000);
    }
    drop((publishers, channels));
    assert_eq!(pool.held_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_memory_is_short_groups_hold_a_quarter() {
    let frame = {
        let pool = Pool::new(Bounds::default());
        let channel = Channel::new(&pool);
        Publisher::new(&channel).video(0, true);
        pool.held_bytes()
    };
    let pool = Pool::new(Bounds {
        groups_bytes_max: 40 * frame,
        ..Bounds::default()
    });
    let channels: Vec<_> = (0..10).map(|_| Channel::new(&pool)).collect();
    let mut publishers: Vec<_> = channels.iter().map(Publisher::new).collect();
    let mut at = 0;
    let mut group = |frames: u64| {
        for frame in 0..frames {
            at += 1;
            for publisher in &mut publishers {
                publisher.video(at * 33, frame == 0);
            }
        }
    };
    let quarter = 10 * frame;
    group(3);
    assert!(pool.held_bytes() > quarter);
    pool.set_short(true);
    group(1);
    assert!(pool.held_bytes() <= quarter);
    group(3);
    assert!(pool.held_bytes() <= quarter);
    pool.set_short(false);
    group(3);
    assert!(pool.held_bytes() > quarter);
}
