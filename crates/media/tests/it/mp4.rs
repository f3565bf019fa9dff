//! The MP4 demuxer sees what ffprobe sees, and what it reads can be packaged anew.

use abanico_media::demux::Event;
use abanico_media::frame::{Codec, Frame, Track};
use abanico_media::{mp4, webm};
use bytes::Bytes;

use crate::browser;
use crate::demux::as_packets;
use crate::mux::{normal, same_pictures, wire};
use crate::peers::{PICTURE, Packet, TONE, ffmpeg, packets};

fn demux(recording: &Bytes, chunk: usize) -> (Vec<Track>, Vec<Frame>) {
    let mut demuxer = mp4::Demuxer::new(mp4::Limits::default());
    let mut events = Vec::new();
    let mut rest = recording.clone();
    while !rest.is_empty() {
        demuxer
            .push(rest.split_to(chunk.min(rest.len())), &mut events)
            .unwrap();
    }
    let mut tracks = Vec::new();
    let mut frames = Vec::new();
    for event in events {
        match event {
            Event::Init(init) => tracks = init.tracks.to_vec(),
            Event::Frame(frame) => frames.push(frame),
            Event::Skipped(bytes) => panic!("{bytes} bytes skipped"),
        }
    }
    (tracks, frames)
}

fn agrees_with_ffprobe(recording: &Bytes) -> (Vec<Track>, Vec<Frame>) {
    let expected = packets(recording);
    assert!(expected.len() >= 10, "only {} packets", expected.len());
    let (tracks, frames) = demux(recording, usize::MAX);
    let got = as_packets(&tracks, &frames);
    for (stream, track) in tracks.iter().enumerate() {
        let of_stream = |all: &[Packet]| {
            all.iter()
                .filter(|packet| packet.stream == stream)
                .cloned()
                .collect::<Vec<_>>()
        };
        let (got, expected) = (of_stream(&got), of_stream(&expected));
        assert_eq!(got.len(), expected.len(), "{:?}", track.codec);
        for (got, expected) in got.iter().zip(&expected) {
            assert_eq!((got.keyframe, got.size), (expected.keyframe, expected.size));
            // Before zero there is nothing to show.
            assert!(
                got.pts_ms.abs_diff(expected.pts_ms.max(0)) <= 1,
                "{got:?} {expected:?}"
            );
        }
    }
    for chunk in [1, 999] {
        assert_eq!(demux(recording, chunk), (tracks.clone(), frames.clone()));
    }
    (tracks, frames)
}

fn packaged_anew(recording: &Bytes) -> Vec<Track> {
    let (tracks, frames) = agrees_with_ffprobe(recording);
    let (tracks, frames) = normal(tracks, frames);
    let mut muxer = mp4::Muxer::new(&tracks).unwrap();
    let init_segment = muxer.init_segment();
    let out = wire(
        &init_segment,
        frames.iter().map(|frame| muxer.write(frame).unwrap()),
    );
    same_pictures(&out, recording, &tracks);
    let mut muxer = webm::Muxer::new(&tracks, webm::DocType::Matroska).unwrap();
    let init_segment = muxer.init_segment();
    let out = wire(
        &init_segment,
        frames.iter().map(|frame| muxer.write(frame).unwrap()),
    );
    same_pictures(&out, recording, &tracks);
    tracks
}

const H264: &str = "-c:v libx264 -preset ultrafast -g 20";

#[test]
fn what_ffmpeg_fragments_is_read() {
    let vp9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20";
    let av1 = "-c:v libsvtav1 -preset 12 -g 20 -svtav1-params pred-struct=1";
    let h265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0 -g 20";
    for (args, codec) in [
        (
            format!("{PICTURE} {TONE} -t 2 {H264} -c:a aac -movflags empty_moov+frag_keyframe"),
            Codec::H264,
        ),
        (
            format!(
                "{PICTURE} {TONE} -t 2 {H264} -c:a aac -movflags empty_moov+frag_every_frame+default_base_moof"
            ),
            Codec::H264,
        ),
        (
            format!("{PICTURE} {TONE} -t 2 {H264} -c:a aac -movflags cmaf+frag_keyframe"),
            Codec::H264,
        ),
        (
            format!(
                "{PICTURE} {TONE} -t 2 {H264} -c:a aac -movflags dash+frag_keyframe+delay_moov"
            ),
            Codec::H264,
        ),
        (
            format!("{PICTURE} -t 2 {h265} -tag:v hvc1 -movflags empty_moov+frag_keyframe"),
            Codec::Hevc,
        ),
        (
            format!("{PICTURE} {TONE} -t 2 {vp9} -c:a libopus -movflags empty_moov+frag_keyframe"),
            Codec::Vp9,
        ),
        (
            format!("{PICTURE} -t 2 {av1} -movflags empty_moov+frag_every_frame"),
            Codec::Av1,
        ),
    ] {
        let tracks = packaged_anew(&ffmpeg(&format!("{args} -f mp4")));
        assert_eq!(tracks[0].codec, codec);
    }
}

#[test]
fn reordered_pictures_keep_both_their_times() {
    let recording = ffmpeg(&format!(
        "{PICTURE} -t 2 {H264} -bf 2 -movflags empty_moov+frag_keyframe -f mp4"
    ));
    let tracks = packaged_anew(&recording);
    assert_eq!(tracks[0].codec, Codec::H264);
    let (_, frames) = demux(&recording, 4096);
    assert!(frames.iter().any(|frame| frame.decode_timestamp.is_some()));
}

#[test]
fn what_chromium_records_as_mp4_is_read() {
    let formats = [
        ("video/mp4;codecs=avc1,opus", true, "avc1."),
        ("video/mp4;codecs=vp9,opus", true, "vp09.00."),
        ("video/mp4;codecs=avc3", false, "avc1."),
        ("video/mp4;codecs=av01", false, "av01.0."),
    ];
    let recordings = browser::record(&formats.map(|(mime, sound, _)| (mime, sound)), 3);
    for (recording, (_, _, codec)) in recordings.iter().zip(formats) {
        let tracks = packaged_anew(&recording.whole());
        let video = tracks.iter().find(|track| track.is_video()).unwrap();
        assert!(
            video.codec_string.starts_with(codec),
            "{}: {}",
            recording.mime,
            video.codec_string
        );
    }
}

#[test]
fn a_file_that_is_not_fragmented_is_refused() {
    let file = crate::peers::Scratch::new("mp4", b"");
    let path = file.path().to_str().unwrap();
    let args = format!("-v error -y -f lavfi -i testsrc=size=160x120:rate=30 -t 1 {H264} {path}");
    let made = crate::peers::run(
        "ffmpeg",
        "ffmpeg",
        &args.split(' ').collect::<Vec<_>>(),
        b"",
    );
    assert!(made.status.success());
    let recording = Bytes::from(std::fs::read(path).unwrap());
    let refused = mp4::Demuxer::new(mp4::Limits::default())
        .push(recording, &mut Vec::new())
        .unwrap_err();
    assert_eq!(refused, mp4::DemuxError::NotFragmented);
}
