//! A joiner's bytes decode without an error, whoever made the recording and wherever it is joined.

use abanico_media::demux::Event;
use abanico_media::frame::Codec;
use abanico_media::mp4;
use abanico_media::webm::{Joinable, Limits};
use bytes::Bytes;

use crate::browser;
use crate::demux::demux;
use crate::peers::{PICTURE, TONE, decode, ffmpeg, mkvinfo_blocks};

/// Joins after several of the chunks, and compares what is decoded with the end of what is decoded
/// of the whole recording.
fn joins_cleanly(chunks: &[Bytes]) {
    let whole: Bytes = chunks.concat().into();
    let (tracks, _) = demux(&whole, usize::MAX);
    let video = tracks.iter().position(|track| track.is_video());
    let everything = decode(&whole);
    let mut joinable = Joinable::new(Limits::default());
    let mut joins = 0;
    for (n, chunk) in chunks.iter().enumerate() {
        joinable.push(chunk);
        if n % (chunks.len() / 6).max(1) != 2 {
            continue;
        }
        let Some(join) = joinable.join() else {
            continue;
        };
        joins += 1;
        let joined: Bytes = join
            .iter()
            .chain(&chunks[n + 1..])
            .flatten()
            .copied()
            .collect::<Vec<_>>()
            .into();
        let (_, frames) = demux(&joined, 777);
        assert_eq!(mkvinfo_blocks(&joined), frames.len());
        let decoded = decode(&joined);
        for (stream, track) in tracks.iter().enumerate() {
            let mut of_track = frames.iter().filter(|frame| frame.track == track.id);
            if Some(stream) != video {
                // A decoder may begin its sound some samples later than its first frame.
                assert!(decoded[stream].len() <= of_track.count());
                assert!(!decoded[stream].is_empty());
                continue;
            }
            assert_eq!(
                decoded[stream].len(),
                of_track.clone().count(),
                "every frame is decoded"
            );
            assert!(of_track.next().unwrap().keyframe);
            let expected = &everything[stream][everything[stream].len() - decoded[stream].len()..];
            assert_eq!(
                decoded[stream], expected,
                "the same pictures are seen at the same times"
            );
        }
    }
    assert!(joins >= 3, "only {joins} joins");
}

fn chunks(recording: &Bytes, chunk: usize) -> Vec<Bytes> {
    let mut rest = recording.clone();
    std::iter::from_fn(|| (!rest.is_empty()).then(|| rest.split_to(chunk.min(rest.len()))))
        .collect()
}

#[test]
fn what_ffmpeg_sends_can_be_joined() {
    let vp8 = "-c:v libvpx -deadline realtime -cpu-used 8 -g 20";
    let vp9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20";
    let av1 = "-c:v libsvtav1 -preset 12 -g 20 -svtav1-params pred-struct=1";
    let h264 = "-c:v libx264 -preset ultrafast -tune zerolatency -g 20";
    for args in [
        format!("{PICTURE} {TONE} -t 4 {vp8} -c:a libopus -f webm"),
        format!(
            "{PICTURE} {TONE} -t 4 {vp8} -c:a libopus -live 1 -cluster_time_limit 5000 -f webm"
        ),
        format!("{PICTURE} -t 4 {vp8} -f webm"),
        format!("{PICTURE} {TONE} -t 4 {vp9} -c:a libopus -cluster_time_limit 250 -f webm"),
        format!("{PICTURE} -t 4 {av1} -f webm"),
        format!("{PICTURE} {TONE} -t 4 {h264} -c:a aac -f matroska"),
    ] {
        let recording = ffmpeg(&args);
        joins_cleanly(&chunks(&recording, recording.len() / 30));
    }
}

#[test]
fn what_chromium_records_can_be_joined() {
    let formats = [
        ("video/webm;codecs=vp8", false),
        ("video/webm;codecs=vp8,opus", true),
        ("video/webm;codecs=vp9,opus", true),
        ("video/x-matroska;codecs=avc1,opus", true),
    ];
    let recordings = browser::record(&formats, 4);
    for (recording, codec) in
        recordings
            .iter()
            .zip([Codec::Vp8, Codec::Vp8, Codec::Vp9, Codec::H264])
    {
        let (tracks, _) = demux(&recording.whole(), usize::MAX);
        assert!(
            tracks.iter().any(|track| track.codec == codec),
            "{}: {tracks:?}",
            recording.mime
        );
        joins_cleanly(&recording.chunks);
    }
}

/// Fragmented MP4 as recorders write it: fragments of one frame, of a group, and of an interval.
#[test]
fn a_joiner_of_an_mp4_recording_decodes_every_frame_from_a_keyframe_on() {
    for movflags in ["frag_every_frame", "frag_keyframe", "frag_custom"] {
        let movflags = format!("empty_moov+default_base_moof+{movflags}");
        let recording = ffmpeg(&format!(
            "{PICTURE} {TONE} -t 5 -c:v libx264 -preset ultrafast -tune zerolatency -g 15 -c:a aac \
             -frag_duration 200000 -movflags {movflags} -f mp4"
        ));
        let mut joinable = mp4::Joinable::new(mp4::Limits::default(), 16 << 20);
        let (mut rest, mut pushed, mut joins) = (recording.clone(), 0, 0);
        while !rest.is_empty() {
            let chunk = rest.split_to(rest.len().min(4_999));
            pushed += chunk.len();
            joinable.push(&chunk);
            let Some(join) = joinable.join() else {
                continue;
            };
            joins += 1;
            if joins % 5 != 1 {
                continue;
            }
            let joined: Bytes = [&join.concat()[..], &recording[pushed..]].concat().into();
            let mut demuxer = mp4::Demuxer::new(mp4::Limits::default());
            let mut events = Vec::new();
            demuxer.push(joined.clone(), &mut events).unwrap();
            let video = |event: &Event| match event {
                Event::Frame(frame) if frame.track == 1 => Some(frame.keyframe),
                _ => None,
            };
            let frames: Vec<_> = events.iter().filter_map(video).collect();
            assert_eq!(frames.first(), Some(&true), "{movflags}");
            assert_eq!(decode(&joined)[0].len(), frames.len(), "{movflags}");
        }
        assert!(joins > 5, "only {joins} joins of {movflags}");
    }
}
