//! The programs that make and judge media: ffmpeg, ffprobe, mkvinfo.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

/// Runs a program to its end, with `input` on its standard input.
pub(crate) fn run(program: &str, package: &str, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program}: {error}; install it: apt-get install {package}")
        });
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that has seen enough closes its input.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// What ffmpeg writes to a pipe, which is how it writes to a server: it cannot go back.
pub(crate) fn ffmpeg(args: &str) -> Bytes {
    let args: Vec<_> = "-v error -nostdin"
        .split(' ')
        .chain(args.split(' '))
        .chain(["pipe:1"])
        .collect();
    let output = run("ffmpeg", "ffmpeg", &args, b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffmpeg {}: {said}", args.join(" "));
    assert!(
        !output.stdout.is_empty(),
        "ffmpeg {} wrote nothing",
        args.join(" ")
    );
    output.stdout.into()
}

/// A moving picture and a tone: inputs for [`ffmpeg`].
pub(crate) const PICTURE: &str = "-f lavfi -i testsrc=size=160x120:rate=30";
pub(crate) const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000";

/// One decoded frame: its time, and a checksum of its pixels or samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) pts: i64,
    pub(crate) checksum: String,
}

/// Decodes with ffmpeg, which must not have a word to say about it, and returns the frames of each
/// stream.
pub(crate) fn decode(media: &[u8]) -> Vec<Vec<Decoded>> {
    let args = "-v warning -nostdin -copyts -i pipe:0 -map 0 -fps_mode passthrough -enc_time_base -1 -f framecrc pipe:1";
    let output = run(
        "ffmpeg",
        "ffmpeg",
        &args.split(' ').collect::<Vec<_>>(),
        media,
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "", "ffmpeg complains");
    let mut streams = Vec::new();
    for line in String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        let stream: usize = fields[0].parse().unwrap();
        if streams.len() <= stream {
            streams.resize(stream + 1, Vec::new());
        }
        streams[stream].push(Decoded {
            pts: fields[2].parse().unwrap(),
            checksum: fields[5].to_owned(),
        });
    }
    streams
}

/// One packet as ffprobe sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packet {
    pub(crate) stream: usize,
    pub(crate) pts_ms: i64,
    pub(crate) keyframe: bool,
    pub(crate) size: usize,
}

/// The packets in a recording by ffprobe's reading, in their order.
pub(crate) fn packets(media: &[u8]) -> Vec<Packet> {
    let args =
        "-v error -show_entries packet=stream_index,pts_time,size,flags -of compact=p=0 pipe:0";
    let output = run(
        "ffprobe",
        "ffmpeg",
        &args.split(' ').collect::<Vec<_>>(),
        media,
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "ffprobe complains"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let packet = |line: &str| {
        let field = |name: &str| {
            let value = line
                .split('|')
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_else(|| panic!("no {name} in {line}"))
        };
        let seconds: f64 = field("pts_time").parse().unwrap();
        Packet {
            stream: field("stream_index").parse().unwrap(),
            pts_ms: (seconds * 1000.0).round() as i64,
            keyframe: field("flags").starts_with('K'),
            size: field("size").parse().unwrap(),
        }
    };
    text.lines()
        .filter(|line| line.contains("pts_time="))
        .map(packet)
        .collect()
}

/// How many blocks mkvinfo finds, which must read the whole of it.
pub(crate) fn mkvinfo_blocks(media: &[u8]) -> usize {
    let file = Scratch::new("mkv", media);
    let output = run(
        "mkvinfo",
        "mkvtoolnix",
        &["-v", "-v", file.path().to_str().unwrap()],
        b"",
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "mkvinfo: {text}");
    assert!(!text.to_lowercase().contains("error"), "mkvinfo: {text}");
    text.lines()
        .filter(|line| line.contains("+ Simple block") || line.contains("+ Block:"))
        .count()
}

/// A file that is gone when the test is over.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(extension: &str, content: &[u8]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("media-{}-{n}.{extension}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The same recording as mkvmerge writes it.
pub(crate) fn mkvmerge(media: &[u8]) -> Bytes {
    let input = Scratch::new("mkv", media);
    let output = Scratch::new("mkv", b"");
    let args = [
        "-q",
        "-o",
        output.path().to_str().unwrap(),
        input.path().to_str().unwrap(),
    ];
    let result = run("mkvmerge", "mkvtoolnix", &args, b"");
    assert!(
        result.status.success(),
        "mkvmerge: {}",
        String::from_utf8_lossy(&result.stdout)
    );
    std::fs::read(output.path()).unwrap().into()
}
