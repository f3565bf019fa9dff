//! Packages a recording anew: WebM, Matroska or fragmented MP4 in, `.webm`, `.mkv` or `.mp4` out.
//!
//! `cargo run -p abanico-media --example package -- IN OUT` says each track's codec string, and on
//! standard output the length of the init segment and of each packet, one a line: what a viewer
//! would append to a MediaSource one after the other.

use std::io::Write;
use std::process::ExitCode;

use abanico_media::codec::{Normal, Normalizer};
use abanico_media::demux::Event;
use abanico_media::frame::{Frame, Track};
use abanico_media::package::{PackageError, Packet};
use abanico_media::sniff::{Kind, sniff};
use abanico_media::{mp4, webm};
use bytes::Bytes;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = &args[..] else {
        eprintln!("usage: package IN OUT.webm|OUT.mkv|OUT.mp4");
        return ExitCode::FAILURE;
    };
    match package(input, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

enum Muxer {
    WebM(webm::Muxer),
    Mp4(mp4::Muxer),
}

impl Muxer {
    fn new(tracks: &[Track], output: &str) -> Result<Self, PackageError> {
        Ok(match output.rsplit('.').next() {
            Some("mp4") => Self::Mp4(mp4::Muxer::new(tracks)?),
            Some("webm") => Self::WebM(webm::Muxer::new(tracks, webm::DocType::WebM)?),
            _ => Self::WebM(webm::Muxer::new(tracks, webm::DocType::Matroska)?),
        })
    }

    fn init_segment(&self) -> Bytes {
        match self {
            Self::WebM(muxer) => muxer.init_segment(),
            Self::Mp4(muxer) => muxer.init_segment(),
        }
    }

    fn write(&mut self, frame: &Frame) -> Option<Packet> {
        match self {
            Self::WebM(muxer) => muxer.write(frame),
            Self::Mp4(muxer) => muxer.write(frame),
        }
    }
}

fn package(input: &str, output: &str) -> Result<(), Failure> {
    let (tracks, frames) = read(&Bytes::from(std::fs::read(input)?))?;
    let mut muxer = Muxer::new(&tracks, output)?;
    let mut file = std::fs::File::create(output)?;
    let mut sizes = std::io::stdout().lock();
    let init_segment = muxer.init_segment();
    file.write_all(&init_segment)?;
    writeln!(sizes, "{}", init_segment.len())?;
    for frame in &frames {
        if let Some(packet) = muxer.write(frame) {
            file.write_all(&packet.head)?;
            file.write_all(&packet.payload)?;
            writeln!(sizes, "{}", packet.len())?;
        }
    }
    Ok(())
}

/// The tracks as they are at the end, and all frames.
fn read(recording: &Bytes) -> Result<(Vec<Track>, Vec<Frame>), Failure> {
    let mut events = Vec::new();
    match sniff(recording) {
        Some(Kind::WebM) => {
            webm::Demuxer::new(webm::Limits::default()).push(recording.clone(), &mut events)
        }
        Some(Kind::Mp4) => {
            mp4::Demuxer::new(mp4::Limits::default()).push(recording.clone(), &mut events)?
        }
        kind => return Err(format!("neither WebM nor MP4 but {kind:?}").into()),
    }
    let mut normalizers: Vec<(u64, Normalizer)> = Vec::new();
    let mut out = Vec::new();
    for event in events {
        match event {
            Event::Init(init) => {
                normalizers.clear();
                for track in init.tracks.iter() {
                    normalizers.push((track.id, Normalizer::new(track.clone())?));
                }
            }
            Event::Frame(frame) => {
                if let Some((_, normalizer)) =
                    normalizers.iter_mut().find(|(id, _)| *id == frame.track)
                {
                    normalizer.push(frame, &mut out)?;
                }
            }
            Event::Skipped(bytes) => eprintln!("{bytes} bytes skipped"),
        }
    }
    let mut frames = Vec::new();
    for normal in out {
        match normal {
            Normal::Track(track) => eprintln!(
                "track {}: {} {:?}",
                track.id, track.codec_string, track.kind
            ),
            Normal::Frame(frame) => frames.push(frame),
        }
    }
    let tracks = normalizers
        .iter()
        .filter_map(|(_, normalizer)| normalizer.track().cloned())
        .collect();
    Ok((tracks, frames))
}
