//! Pictures that got lost.

use crate::house::{House, PATIENCE};
use crate::peer::vp8;
use abanico_live::native::Header;
use abanico_media::frame::{Codec, Track, TrackKind};
use bytes::Bytes;
use std::time::{Duration, Instant};
use str0m::Event;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_that_lost_its_picture_is_given_the_group_again_by_a_publisher_that_cannot_be_asked()
 {
    let house = House::open(|server| server);
    let mut encoder = house.channel.encoder();
    let kind = TrackKind::Video {
        width: 0,
        height: 0,
    };
    encoder
        .tracks(vec![Track {
            id: 0,
            codec: Codec::Vp8,
            kind,
            config: Bytes::new(),
            codec_string: String::new(),
            frame_duration: None,
        }])
        .unwrap();
    for n in 0..3_u32 {
        let header = Header {
            track: 0,
            keyframe: n == 0,
            gap: false,
            sequence: n,
            duration: 0,
            timestamp: i64::from(n) * 40_000,
            captured: 0,
        };
        encoder
            .push(&header, vp8(n == 0, 160, 2_000).into())
            .unwrap();
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
