//! Pictures that got lost.

use crate::house::{House, PATIENCE, push};
use crate::network::Network;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use str0m::Event;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_that_lost_its_picture_is_given_the_group_again_by_a_publisher_that_cannot_be_asked()
 {
    let house = House::open(|server| server);
    let mut encoder = house.encoder();
    for n in 0..3 {
        push(&mut encoder, n, Duration::from_millis(40), 2_000);
    }
    let mut viewer = house.watch(house.address);
    let frames = tokio::task::spawn_blocking(move || {
        let mut frames: Vec<(bool, u64)> = Vec::new();
        let until = Instant::now() + PATIENCE;
        let mut asked = false;
        while frames.len() < 6 && Instant::now() < until {
            viewer.run(Instant::now() + Duration::from_millis(10), &mut |event| {
                if let Event::MediaData(data) = event {
                    frames.push((data.is_keyframe(), data.time.numer()));
                }
            });
            if frames.len() == 3 && !asked {
                viewer.want_keyframe();
                asked = true;
            }
        }
        frames
    })
    .await
    .unwrap();
    let keyframes: Vec<bool> = frames.iter().map(|(keyframe, _)| *keyframe).collect();
    assert_eq!(keyframes, [true, false, false, true, false, false]);
    assert!(
        frames.is_sorted_by(|(_, before), (_, after)| before < after),
        "time goes on: {frames:?}"
    );
}

/// Frames of which some packets get lost, and some of those twice.
const FRAMES: u32 = 150;

/// What came of one frame.
struct Frame {
    ticks: u64,
    whole: bool,
    reported: Option<(u32, u64)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_network_loses_is_sent_again_and_reports_say_what_was_sent() {
    let mut network = None;
    let house = House::open(|server| {
        let new = Network::new(server, 100_000_000, Duration::from_millis(10));
        let address = new.address;
        network = Some(new);
        address
    });
    let network = network.unwrap();
    network.set_loss(20);
    let every = Duration::from_millis(20);
    let mut encoder = house.encoder();
    push(&mut encoder, 0, every, 10_000);
    let mut viewer = house.watch(network.address);
    let (frames, reports) = tokio::task::spawn_blocking(move || {
        let mut frames: Vec<Frame> = Vec::new();
        let until = Instant::now() + PATIENCE;
        let (mut next, mut pushed) = (Instant::now(), 1);
        while frames.len() < FRAMES as usize && Instant::now() < until {
            viewer.run(Instant::now() + Duration::from_millis(2), &mut |event| {
                if let Event::MediaData(data) = event {
                    let report = data.last_sender_info;
                    frames.push(Frame {
                        ticks: data.time.numer(),
                        whole: data.contiguous,
                        reported: report
                            .map(|report| (report.sender_packet_count, report.rtp_time.numer())),
                    });
                }
            });
            // Once the first has come it is connected, and the others follow.
            if frames.is_empty() {
                next = Instant::now();
            } else if Instant::now() >= next {
                push(&mut encoder, pushed, every, 10_000);
                (next, pushed) = (next + every, pushed + 1);
            }
        }
        (frames, network.reports())
    })
    .await
    .unwrap();
    let numbers: Vec<u32> = (0..).take(reports.len()).collect();
    assert_eq!(reports, numbers, "a number, and so a nonce, is used once");
    let came: BTreeSet<u64> = frames.iter().map(|frame| frame.ticks / 1_800).collect();
    let missing: Vec<u64> = (0..u64::from(FRAMES))
        .filter(|n| !came.contains(n))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(frames.is_sorted_by_key(|frame| frame.ticks));
    let torn = frames.iter().filter(|frame| !frame.whole).count();
    assert_eq!(torn, 0, "every packet came, one way or the other");
    let (packets, time) = frames.last().and_then(|frame| frame.reported).unwrap();
    // Nine packets a frame, reported once a second.
    assert!((9 * 70..=9 * FRAMES).contains(&packets), "{packets}");
    assert!(
        (70 * 1_800..=u64::from(FRAMES) * 2_000).contains(&time),
        "{time}"
    );
    // What the threads are busy with decides who else is let in.
    assert!(abanico_hub::time_bringing() > Duration::ZERO);
}
