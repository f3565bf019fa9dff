//! Multipart JPEG from and to ffmpeg.

use std::time::Duration;

use abanico_media::demux::Event;
use abanico_media::frame::TrackKind;
use abanico_media::jpeg::multipart;

use crate::peers::{PICTURE, ffmpeg, run};

#[test]
fn what_ffmpeg_sends_is_read_and_ffmpeg_reads_what_is_sent() {
    let body = ffmpeg(&format!(
        "{PICTURE} -t 2 -c:v mjpeg -pix_fmt yuvj420p -f mpjpeg -boundary_tag cam"
    ));
    let mut demuxer = multipart::Demuxer::new("cam", 1_000_000);
    let mut events = Vec::new();
    for (n, chunk) in body.chunks(999).enumerate() {
        demuxer
            .push(chunk, Duration::from_millis(n as u64), &mut events)
            .unwrap();
    }
    let Some((Event::Init(init), frames)) = events.split_first() else {
        panic!("no pictures");
    };
    assert_eq!(
        init.tracks[0].kind,
        TrackKind::Video {
            width: 160,
            height: 120
        }
    );
    assert_eq!(frames.len(), 60);

    let mut sent = multipart::preamble().to_vec();
    for frame in frames {
        let Event::Frame(frame) = frame else {
            panic!("{frame:?}")
        };
        sent.extend(multipart::part(&frame.payload).concat());
    }
    let args = "-v warning -f mpjpeg -i pipe:0 -fps_mode passthrough -f framecrc pipe:1";
    let read = run(
        "ffmpeg",
        "ffmpeg",
        &args.split(' ').collect::<Vec<_>>(),
        &sent,
    );
    // It says so of what it sent itself, too: after the last boundary it misses a picture.
    let said = String::from_utf8_lossy(&read.stderr);
    assert_eq!(
        said.trim(),
        "pipe:0: Invalid data found when processing input"
    );
    let lines = String::from_utf8(read.stdout).unwrap();
    assert_eq!(
        lines.lines().filter(|line| !line.starts_with('#')).count(),
        60
    );
}
