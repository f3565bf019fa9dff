//! The demuxer sees what ffprobe sees.

use abanico_media::demux::Event;
use abanico_media::frame::{Codec, Frame, Track};
use abanico_media::webm::{Demuxer, Limits};
use bytes::Bytes;

use crate::peers::{PICTURE, Packet, TONE, ffmpeg, packets};

/// Everything in a recording that comes in chunks of so many bytes.
pub(crate) fn demux(recording: &Bytes, chunk: usize) -> (Vec<Track>, Vec<Frame>) {
    let mut demuxer = Demuxer::new(Limits::default());
    let mut events = Vec::new();
    let mut rest = recording.clone();
    while !rest.is_empty() {
        demuxer.push(rest.split_to(chunk.min(rest.len())), &mut events);
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

/// The frames, said as ffprobe says them.
pub(crate) fn as_packets(tracks: &[Track], frames: &[Frame]) -> Vec<Packet> {
    let packet = |frame: &Frame| Packet {
        stream: tracks
            .iter()
            .position(|track| track.id == frame.track)
            .unwrap(),
        pts_ms: frame.timestamp.as_millis() as i64,
        keyframe: frame.keyframe,
        size: frame.payload.len(),
    };
    frames.iter().map(packet).collect()
}

fn agrees_with_ffprobe(recording: &Bytes) -> Vec<Track> {
    let expected = packets(recording);
    assert!(expected.len() >= 10, "only {} packets", expected.len());
    for chunk in [1, 1000, usize::MAX] {
        let (tracks, frames) = demux(recording, chunk);
        // ffprobe takes the pre-skip off Opus timestamps; their order is the same.
        let mut got = as_packets(&tracks, &frames);
        for (got, expected) in got.iter_mut().zip(&expected) {
            if tracks[got.stream].codec == Codec::Opus && (got.pts_ms - expected.pts_ms).abs() <= 7
            {
                got.pts_ms = expected.pts_ms;
            }
        }
        assert_eq!(got, expected);
    }
    demux(recording, 1000).0
}

const VP8: &str = "-c:v libvpx -deadline realtime -cpu-used 8 -g 20";

#[test]
fn vp8_with_opus_is_read() {
    let tracks = agrees_with_ffprobe(&ffmpeg(&format!(
        "{PICTURE} {TONE} -t 3 {VP8} -c:a libopus -f webm"
    )));
    assert_eq!(
        tracks
            .iter()
            .map(|track| track.codec.clone())
            .collect::<Vec<_>>(),
        [Codec::Vp8, Codec::Opus]
    );
    assert!(tracks[1].config.starts_with(b"OpusHead"));
}

#[test]
fn live_mode_and_short_clusters_are_read() {
    let live = format!("{PICTURE} {TONE} -t 3 {VP8} -c:a libopus -live 1 -f webm");
    agrees_with_ffprobe(&ffmpeg(&live));
    let short = format!("{PICTURE} {TONE} -t 3 {VP8} -c:a libopus -cluster_time_limit 100 -f webm");
    agrees_with_ffprobe(&ffmpeg(&short));
    let crc = format!("{PICTURE} -t 3 {VP8} -write_crc32 1 -f matroska");
    agrees_with_ffprobe(&ffmpeg(&crc));
}

#[test]
fn vp9_and_av1_are_read() {
    let vp9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20";
    let tracks = agrees_with_ffprobe(&ffmpeg(&format!("{PICTURE} -t 2 {vp9} -f webm")));
    assert_eq!(tracks[0].codec, Codec::Vp9);
    let av1 = "-c:v libsvtav1 -preset 12 -g 20 -svtav1-params pred-struct=1";
    let tracks = agrees_with_ffprobe(&ffmpeg(&format!("{PICTURE} -t 2 {av1} -f webm")));
    assert_eq!(tracks[0].codec, Codec::Av1);
}

#[test]
fn h264_and_aac_in_matroska_are_read() {
    let h264 = "-c:v libx264 -preset ultrafast -g 20 -bf 2 -c:a aac";
    let tracks = agrees_with_ffprobe(&ffmpeg(&format!(
        "{PICTURE} {TONE} -t 3 {h264} -f matroska"
    )));
    assert_eq!(
        tracks
            .iter()
            .map(|track| track.codec.clone())
            .collect::<Vec<_>>(),
        [Codec::H264, Codec::Aac]
    );
    assert_eq!(tracks[0].config[0], 1, "an avcC begins with its version");
}

#[test]
fn lacing_is_undone() {
    // mkvmerge laces short audio frames unless told not to.
    let plain = ffmpeg(&format!(
        "{TONE} -t 3 -c:a libopus -frame_duration 10 -f webm"
    ));
    let laced = crate::peers::mkvmerge(&plain);
    let (plain_tracks, plain_frames) = demux(&plain, 1000);
    let (laced_tracks, laced_frames) = demux(&laced, 1000);
    assert_eq!(plain_tracks[0].codec, laced_tracks[0].codec);
    let payloads = |frames: &[Frame]| {
        frames
            .iter()
            .map(|frame| frame.payload.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(payloads(&laced_frames), payloads(&plain_frames));
}
