//! Recordings as Chromium's `MediaRecorder` makes them, with the edges of their chunks.
//!
//! A page is served from here, records its fake camera in several formats at once and posts what
//! it got.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;

/// One recording, chunk by chunk.
pub(crate) struct Recording {
    pub(crate) mime: String,
    pub(crate) chunks: Vec<Bytes>,
}

impl Recording {
    pub(crate) fn whole(&self) -> Bytes {
        self.chunks.concat().into()
    }
}

/// Records for some seconds in each of `formats`: a MIME type, and whether to record sound.
pub(crate) fn record(formats: &[(&str, bool)], seconds: u32) -> Vec<Recording> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let chromium = Chromium::open(&format!("http://127.0.0.1:{port}/"));
    let formats: Vec<_> = formats
        .iter()
        .map(|(mime, sound)| format!("['{mime}', {sound}]"))
        .collect();
    let page = PAGE
        .replace("FORMATS", &formats.join(", "))
        .replace("SECONDS", &seconds.to_string());
    let (sender, posted) = mpsc::channel();
    // A browser opens connections that it may never use: each is waited for by itself.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (sender, page) = (sender.clone(), page.clone());
            std::thread::spawn(move || {
                if let Some(message) = answer(stream.unwrap(), &page) {
                    // The test may be over.
                    let _ = sender.send(message);
                }
            });
        }
    });
    let mut recordings = HashMap::new();
    while recordings.len() < formats.len() {
        match posted
            .recv_timeout(PATIENCE)
            .expect("chromium posts its recordings")
        {
            Posted::Recording(n, recording) => recordings.insert(n, recording),
            Posted::Failure(why) => panic!("the page says: {why}"),
        };
    }
    drop(chromium);
    let mut recordings: Vec<_> = recordings.into_iter().collect();
    recordings.sort_by_key(|(n, _)| *n);
    recordings
        .into_iter()
        .map(|(_, recording)| recording)
        .collect()
}

const PAGE: &str = "<!doctype html><meta charset=utf-8><script>
addEventListener('error', e => fetch('/failed?' + encodeURIComponent(e.message)));
addEventListener('unhandledrejection', e => fetch('/failed?' + encodeURIComponent(e.reason)));
const formats = [FORMATS];
(async () => {
  const all = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240, frameRate: 30 }, audio: true });
  await Promise.all(formats.map(async ([mimeType, sound], n) => {
    const tracks = sound ? all.getTracks() : all.getVideoTracks();
    const recorder = new MediaRecorder(new MediaStream(tracks.map(track => track.clone())),
      { mimeType, videoBitsPerSecond: 400000, videoKeyFrameIntervalDuration: 700 });
    const chunks = [];
    recorder.ondataavailable = e => chunks.push(e.data);
    recorder.start(100);
    await new Promise(done => setTimeout(done, SECONDS * 1000));
    await new Promise(done => { recorder.onstop = done; recorder.stop(); });
    const sizes = chunks.map(chunk => chunk.size).join(',');
    await fetch(`/recorded?${n}&${recorder.mimeType}&${sizes}`, { method: 'POST', body: new Blob(chunks) });
  }));
})();
</script>";

/// Longer than any start of a browser and any recording here.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the page sent.
enum Posted {
    Recording(usize, Recording),
    Failure(String),
}

/// Answers one request; `None` when it was for the page itself, or for nothing.
fn answer(mut stream: TcpStream, page: &str) -> Option<Posted> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let content = if target == "/" { page } else { "" };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
    write!(
        stream,
        "{head}\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    )
    .ok()?;
    if let Some(why) = target.strip_prefix("/failed?") {
        return Some(Posted::Failure(why.to_owned()));
    }
    let query = target.strip_prefix("/recorded?")?;
    let [n, mime, sizes] = query.split('&').collect::<Vec<_>>()[..] else {
        return Some(Posted::Failure(target.clone()));
    };
    let mut rest = Bytes::from(body);
    let chunks = sizes
        .split(',')
        .map(|size| rest.split_to(size.parse().unwrap()))
        .collect();
    Some(Posted::Recording(
        n.parse().unwrap(),
        Recording {
            mime: mime.to_owned(),
            chunks,
        },
    ))
}

/// A browser that is ended with the test.
struct Chromium {
    child: Child,
    profile: std::path::PathBuf,
}

impl Chromium {
    fn open(url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("media-chromium-{}-{n}", std::process::id());
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let child = Command::new("chromium")
            .args("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run".split(' '))
            .args(
                "--disable-background-networking --disable-component-update --disable-sync"
                    .split(' '),
            )
            .args("--use-fake-device-for-media-stream --use-fake-ui-for-media-stream".split(' '))
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("chromium: {error}; install it: apt-get install chromium")
            });
        Self { child, profile }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
