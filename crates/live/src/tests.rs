//! A channel as publishers and viewers see it.

use crate::native::{Header, parse_tracks};
use crate::packet::Content;
use crate::pool::{Bounds, Pool};
use crate::source::{Encoder, Fault, SourceError, Taken};
use crate::watching::{Item, Watching};
use crate::{Channel, Format, Packet};
use abanico_media::ingest::IngestError;
use bytes::Bytes;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

mod kept;

/// A JPEG picture of 640 × 480 as far as its header goes.
const PICTURE: &[u8] =
    b"\xff\xd8\xff\xc0\x00\x11\x08\x01\xe0\x02\x80\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9";

fn channel() -> Channel {
    Channel::new(&Pool::new(Bounds::default()))
}

/// A VP8 frame of 64 × 48 that is one as far as its header goes.
fn vp8(keyframe: bool) -> Bytes {
    let mut frame = vec![u8::from(!keyframe), 0, 0];
    if keyframe {
        frame.extend_from_slice(&[0x9d, 1, 0x2a, 64, 0, 48, 0]);
    }
    frame.extend_from_slice(&[7; 20]);
    frame.into()
}

const VP8_OPUS: &str = r#"{"tracks":[{"track":9,"kind":"audio","codec":"opus","sampleRate":48000,"channels":2},
    {"track":4,"kind":"video","codec":"vp8","width":64,"height":48}]}"#;

/// A publisher of VP8 and Opus.
struct Publisher(Encoder);

impl Publisher {
    fn new(channel: &Channel) -> Self {
        let mut encoder = channel.encoder();
        encoder.tracks(parse_tracks(VP8_OPUS).unwrap()).unwrap();
        Self(encoder)
    }

    fn video(&mut self, at_millis: i64, keyframe: bool) -> Taken {
        self.push(4, at_millis, keyframe, vp8(keyframe)).unwrap()
    }

    fn sound(&mut self, at_millis: i64) -> Taken {
        self.push(9, at_millis, true, Bytes::from_static(b"\xfcopus"))
            .unwrap()
    }

    fn push(
        &mut self,
        track: u8,
        at_millis: i64,
        keyframe: bool,
        payload: Bytes,
    ) -> Result<Taken, SourceError> {
        let header = Header {
            track,
            keyframe,
            gap: false,
            sequence: 0,
            duration: 0,
            timestamp: at_millis * 1000,
            captured: 5,
        };
        self.0.push(&header, payload)
    }
}

/// Everything that a viewer is given without waiting; `None` at the end if the stream has ended.
fn given(watching: &mut Watching) -> Vec<Option<Item>> {
    let mut all = Vec::new();
    while let Poll::Ready(item) = watching.poll_next(&mut Context::from_waker(Waker::noop())) {
        let end = item.is_none();
        all.push(item);
        if end {
            break;
        }
    }
    all
}

/// The same in short: `i` init, `K` keyframe, `v` video, `a` sound, `-N` frames skipped, `.` the end.
fn short(watching: &mut Watching) -> String {
    let words = given(watching).into_iter().map(|item| match item {
        None => ".".to_owned(),
        Some(Item::Skipped { frames, .. }) => format!("-{frames}"),
        Some(Item::Unsuitable(_)) => "!".to_owned(),
        Some(Item::Packet(packet)) => match packet.content {
            Content::Init { .. } => "i".to_owned(),
            Content::Frame { video: false, .. } => "a".to_owned(),
            Content::Frame { keyframe: true, .. } => "K".to_owned(),
            Content::Frame { .. } => "v".to_owned(),
        },
    });
    words.collect()
}

fn packets(watching: &mut Watching) -> Vec<Packet> {
    let items = given(watching).into_iter().flatten();
    items
        .filter_map(|item| match item {
            Item::Packet(packet) => Some(packet),
            Item::Skipped { .. } | Item::Unsuitable(_) => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_late_viewer_is_given_init_and_newest_group_and_then_the_very_next_packet() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    for (at, keyframe) in [(0, true), (33, false), (66, true), (100, false)] {
        publisher.video(at, keyframe);
        publisher.sound(at);
    }
    for format in [Format::Native, Format::WebM] {
        let mut watching = channel.watch(format).unwrap();
        assert_eq!(short(&mut watching), "iKava", "{format:?}");
        publisher.video(133, false);
        assert_eq!(short(&mut watching), "v", "{format:?}");
        publisher.video(66, true);
        publisher.sound(66);
        publisher.video(100, false);
        publisher.sound(100);
        assert_eq!(short(&mut watching), "Kava", "{format:?}");
    }
    channel.end();
    let mut late = channel.watch(Format::Native).unwrap();
    assert!(short(&mut late).ends_with('.'));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_was_there_before_the_first_frame_is_given_all() {
    let channel = channel();
    let mut early = channel.watch(Format::Native).unwrap();
    let mut publisher = Publisher::new(&channel);
    assert_eq!(short(&mut early), "");
    for at in 0..30 {
        publisher.video(at * 33, at % 10 == 0);
    }
    let group = format!("K{}", "v".repeat(9));
    assert_eq!(short(&mut early), format!("i{}", group.repeat(3)));
}

#[tokio::test(start_paused = true)]
async fn frames_are_numbered_without_a_gap_and_carry_what_the_publisher_said() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    publisher.sound(3);
    publisher.video(40, false);
    let mut watching = channel.watch(Format::Native).unwrap();
    let packets = packets(&mut watching);
    assert!(packets[0].head.starts_with(br#"{"type":"tracks""#));
    let headers: Vec<_> = packets[1..]
        .iter()
        .map(|packet| Header::split(&packet.joined()).unwrap().unwrap().0)
        .map(|header| {
            (
                header.sequence,
                header.track,
                header.keyframe,
                header.timestamp,
            )
        })
        .collect();
    assert_eq!(
        headers,
        [(0, 0, true, 0), (1, 1, true, 3000), (2, 0, false, 40_000)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_does_not_read_skips_to_the_newest_group_and_is_told_what_it_missed() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    let mut slow = channel.watch(Format::Native).unwrap();
    let mut quick = channel.watch(Format::Native).unwrap();
    assert_eq!(short(&mut slow), "iK");
    let mut seen = short(&mut quick);
    for frame in 1..=100 {
        tokio::time::advance(Duration::from_millis(40)).await;
        publisher.video(frame * 40, frame % 25 == 0);
        seen += &short(&mut quick);
    }
    assert_eq!(seen.len(), 102);
    assert_eq!(short(&mut slow), "-99K");
    publisher.video(4040, false);
    assert_eq!(short(&mut slow), "v");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_lags_within_the_newest_group_misses_nothing() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    let mut slow = channel.watch(Format::Native).unwrap();
    assert_eq!(short(&mut slow), "iK");
    for frame in 1..=100 {
        tokio::time::advance(Duration::from_millis(40)).await;
        publisher.video(frame * 40, false);
    }
    assert_eq!(short(&mut slow), "v".repeat(100));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_lags_again_and_again_is_given_keyframes_and_then_everything_again() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    let mut at = 0;
    let mut second = async |publisher: &mut Publisher| {
        for frame in 0..25 {
            publisher.video(at, frame == 0);
            at += 40;
            tokio::time::advance(Duration::from_millis(40)).await;
        }
    };
    second(&mut publisher).await;
    let mut slow = channel.watch(Format::Native).unwrap();
    assert_eq!(short(&mut slow).len(), 26);
    for lag in 0..3 {
        for _ in 0..3 {
            second(&mut publisher).await;
        }
        let thin = short(&mut slow);
        let expected = if lag < 2 { 24 } else { 0 };
        assert_eq!(thin, format!("-50K{}", "v".repeat(expected)), "lag {lag}");
    }
    let mut seen = String::new();
    for _ in 0..11 {
        for frame in 0..25 {
            publisher.video(at, frame == 0);
            at += 40;
            seen += &short(&mut slow);
            tokio::time::advance(Duration::from_millis(40)).await;
        }
    }
    let keyframes = format!("-24K{}", "-24K".repeat(9));
    assert!(seen.starts_with(&keyframes), "{seen}");
    assert!(seen.ends_with(&"v".repeat(24)), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_resumes_is_given_the_rest_of_the_newest_group_or_of_what_a_viewer_may_lag_before_it()
 {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    for (at, keyframe) in [
        (0, true),
        (33, false),
        (66, true),
        (100, false),
        (133, false),
    ] {
        publisher.video(at, keyframe);
    }
    let epoch = channel.epoch().to_owned();
    assert_eq!(short(&mut channel.resume(&epoch, 3)), "iv");
    assert_eq!(short(&mut channel.resume(&epoch, 4)), "i");
    assert_eq!(short(&mut channel.resume(&epoch, 0)), "ivKvv");
    for (epoch, sequence) in [(&*epoch, 99), ("another", 3)] {
        assert_eq!(short(&mut channel.resume(epoch, sequence)), "iKvv");
    }
    // While somebody watches, what comes back finds the same as when nobody does.
    let watching = channel.watch(Format::Native).unwrap();
    for at in 5..35 {
        publisher.video(at * 40, at % 10 == 0);
    }
    assert_eq!(
        short(&mut channel.resume(&epoch, 20)),
        format!("i{}Kvvvv", "v".repeat(9))
    );
    drop(watching);
    assert_eq!(
        short(&mut channel.resume(&epoch, 9)),
        format!("i{}Kvvvv", format!("K{}", "v".repeat(9)).repeat(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_resumes_too_late_is_told_what_it_missed_and_given_the_newest_group() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    for at in 0..60 {
        publisher.video(at * 100, at % 20 == 0);
    }
    let epoch = channel.epoch().to_owned();
    let group = format!("K{}", "v".repeat(19));
    // The newest group begins with frame 40, and two seconds before it came frame 20, which may be the oldest.
    assert_eq!(
        short(&mut channel.resume(&epoch, 19)),
        format!("i{group}{group}")
    );
    for sequence in [18, 3] {
        let missed = 39 - sequence;
        assert_eq!(
            short(&mut channel.resume(&epoch, sequence)),
            format!("i-{missed}{group}")
        );
    }
    // Who is not done when that is old as well is told, too.
    let mut reading = channel.resume(&epoch, 35);
    for _ in 0..3 {
        let _ = reading.poll_next(&mut Context::from_waker(Waker::noop()));
    }
    publisher.video(6000, true);
    assert_eq!(short(&mut reading), "-22K");
    let mut seen = channel.resume(&epoch, 58);
    assert_eq!(short(&mut seen), "ivK");
    publisher.video(6040, false);
    assert_eq!(short(&mut seen), "v");
}

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

#[tokio::test(start_paused = true)]
async fn a_format_is_made_only_while_it_is_watched() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    assert_eq!(channel.watching(), 0);
    let one = channel.watch(Format::WebM).unwrap();
    let other = channel.watch(Format::WebM).unwrap();
    assert_eq!(channel.watching(), 2);
    assert!(channel.lock().has_packager(Format::WebM));
    drop((one, other));
    assert!(!channel.lock().has_packager(Format::WebM));
    assert_eq!(channel.watching(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_format_that_cannot_carry_the_codec_says_so_and_what_can() {
    let channel = channel();
    let mut early = channel.watch(Format::Mp4).unwrap();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    let refused = channel.watch(Format::Mp4).err().unwrap().to_string();
    assert_eq!(
        refused,
        "this stream is VP8, which cannot travel in MP4; it can be had as .webm or at the watch page"
    );
    assert_eq!(short(&mut early), "!.");
    assert!(channel.watch(Format::Mjpeg).is_err());
    assert!(channel.watch(Format::WebM).is_ok());
}

#[tokio::test(start_paused = true)]
async fn pictures_are_stills_and_parts_of_a_multipart_body() {
    let channel = channel();
    let mut encoder = channel.encoder();
    assert_eq!(channel.still(), None);
    encoder.picture(PICTURE.into(), 0).unwrap();
    tokio::time::advance(Duration::from_millis(40)).await;
    encoder.picture(PICTURE.into(), 0).unwrap();
    assert_eq!(channel.still().as_deref(), Some(PICTURE));
    let mut watching = channel.watch(Format::Mjpeg).unwrap();
    let body: Vec<u8> = packets(&mut watching)
        .iter()
        .flat_map(|packet| packet.joined())
        .collect();
    let expected = [
        b"--abanico\r\nContent-Type: image/jpeg\r\nContent-Length: 23\r\n\r\n",
        PICTURE,
        b"\r\n--abanico\r\n",
    ]
    .concat();
    assert_eq!(body, expected);
    assert!(channel.watch(Format::WebM).is_err());
}

#[tokio::test(start_paused = true)]
async fn the_newest_source_publishes_and_the_timeline_goes_on() {
    let channel = channel();
    let mut first = Publisher::new(&channel);
    first.video(0, true);
    let mut watching = channel.watch(Format::Native).unwrap();
    short(&mut watching);
    tokio::time::advance(Duration::from_secs(5)).await;
    let mut second = Publisher::new(&channel);
    second.video(70_000, true);
    let replaced = first.push(4, 33, false, vp8(false));
    assert_eq!(replaced, Err(SourceError::Replaced));
    let packets = packets(&mut watching);
    let header = Header::split(&packets[0].joined()).unwrap().unwrap().0;
    assert_eq!((header.timestamp, header.sequence), (5_010_000, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_is_named_and_viewers_keep_what_was_whole() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    let mut watching = channel.watch(Format::Native).unwrap();
    assert_eq!(short(&mut watching), "iK");
    let broken = publisher
        .push(4, 33, true, Bytes::from_static(b"\x10??"))
        .unwrap();
    assert!(matches!(broken.faults[..], [Fault::Frame(_)]), "{broken:?}");
    assert_eq!(
        publisher.push(8, 33, true, Bytes::new()),
        Err(SourceError::UnknownTrack(8))
    );
    // Nothing but a keyframe can follow.
    assert_eq!(publisher.video(66, false).frames, 0);
    assert_eq!(publisher.video(100, true).frames, 1);
    assert_eq!(short(&mut watching), "K");
    let refused = channel
        .bytes()
        .push(Bytes::from_static(b"GIF89a and so on"), 0);
    assert_eq!(refused, Err(SourceError::Ingest(IngestError::Unrecognised)));
}

#[tokio::test(start_paused = true)]
async fn sound_that_is_none_is_left_out_and_pictures_go_on_without_it() {
    let channel = channel();
    let mut from = Publisher::new(&channel);
    let mut webm = channel.watch(Format::WebM).unwrap();
    let garbage = Bytes::from_static(b"\xff\xff\xff\xff\x01\x02\x03");
    for n in 0..60 {
        from.video(n * 20, n == 0);
        let taken = from.push(9, n * 20, true, garbage.clone()).unwrap();
        let words = taken.faults.first().map(ToString::to_string);
        let said = "a frame is left out: broken Opus frame: it lasts 0 or more than 120 ms";
        assert_eq!(words.as_deref(), Some(said));
    }
    assert_eq!(channel.tracks().len(), 1, "no player waits for its sound");
    from.video(1_300, true);
    let all = packets(&mut webm);
    assert!(
        all.iter()
            .all(|packet| !matches!(packet.content, Content::Frame { video: false, .. }))
    );

    let whole = self::channel();
    let mut from = Publisher::new(&whole);
    let mut native = whole.watch(Format::Native).unwrap();
    from.video(0, true);
    from.sound(0);
    for n in 1..60 {
        from.push(9, n * 20, true, garbage.clone()).unwrap();
    }
    from.video(1_200, false);
    from.sound(1_200);
    assert_eq!(
        short(&mut native),
        "iKava",
        "sound that was whole once goes on"
    );
    assert_eq!(whole.tracks().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_leaps_in_time_is_left_out_and_a_clock_that_is_set_moves_no_viewer() {
    let channel = channel();
    let mut from = Publisher::new(&channel);
    let mut native = channel.watch(Format::Native).unwrap();
    let mut times = Vec::new();
    let mut read = || {
        let frames = packets(&mut native).into_iter();
        let frames = frames.filter(|packet| matches!(packet.content, Content::Frame { .. }));
        times.extend(frames.map(|packet| {
            let header = Header::split(&packet.joined()).unwrap().unwrap().0;
            header.timestamp
        }));
    };
    from.video(0, true);
    read();
    let header = Header {
        track: 4,
        keyframe: true,
        gap: false,
        sequence: 0,
        duration: 0,
        timestamp: i64::MAX,
        captured: 0,
    };
    let taken = from.0.push(&header, vp8(true)).unwrap();
    assert_eq!(taken.faults, [Fault::Timestamp(i64::MAX)]);
    assert_eq!(taken.frames, 0);
    from.video(40, true);
    read();
    let two_days = 48 * 60 * 60 * 1000;
    assert_eq!(from.video(two_days, true).frames, 0);
    assert_eq!(from.video(two_days + 40, true).frames, 1);
    read();
    assert_eq!(times.len(), 3);
    assert!(times.iter().all(|at| *at < 1_000_000), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn the_publisher_is_asked_for_keyframes_twice_a_second() {
    let channel = channel();
    let mut asked = channel.keyframes_wanted();
    for _ in 0..10 {
        channel.want_keyframe();
    }
    assert_eq!(*asked.borrow_and_update(), 1);
    tokio::time::advance(Duration::from_millis(600)).await;
    channel.want_keyframe();
    assert_eq!(*asked.borrow_and_update(), 2);
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
