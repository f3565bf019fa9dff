//! A server of the test's own, and small clients for it that hide nothing of the wire.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that a test waits for anything. It is there to end a test that would hang, not to time one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The binary, with no setting of the tester's environment.
pub(crate) fn abanico() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abanico"));
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("ABANICO_") || name == "PORT" {
            command.env_remove(&variable);
        }
    }
    command
}

/// Runs the binary to its end.
pub(crate) fn ran(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .expect("the binary can be started")
}

/// As much of a JPEG picture as tells its size, and noise.
pub(crate) fn picture(bytes: usize) -> Vec<u8> {
    let mut picture = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0".to_vec();
    picture.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0");
    picture.resize(bytes - 2, 7);
    picture.extend(b"\xff\xd9");
    picture
}

/// A running server. It is killed when the test is done with it.
pub(crate) struct Node {
    child: Child,
    /// Falls silent for good when the process is gone, which alone holds the other end.
    output: Mutex<Receiver<()>>,
    pub(crate) address: SocketAddr,
    /// Where it listens for HTTPS.
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) data: TempDir,
    /// What the server greeted with.
    pub(crate) greeting: String,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further flags.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        Self::start_in(
            tempfile::tempdir().expect("a directory for the test"),
            flags,
        )
    }

    /// Starts a server on data that is there already.
    pub(crate) fn start_in(data: TempDir, flags: &[&str]) -> Self {
        Self::spawn(data, flags, Stdio::inherit())
    }

    /// Starts a server whose log the test reads.
    pub(crate) fn start_with_log(flags: &[&str]) -> Self {
        Self::spawn(
            tempfile::tempdir().expect("a directory for the test"),
            flags,
            Stdio::piped(),
        )
    }

    fn spawn(data: TempDir, flags: &[&str], log: Stdio) -> Self {
        let mut child = abanico()
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut greeting = String::new();
        for line in lines.by_ref().map_while(Result::ok) {
            greeting += &format!("{line}\n");
            if line.ends_with("Ctrl-C stops.") {
                break;
            }
        }
        let (held, output) = channel();
        thread::spawn(move || {
            let _held: Sender<()> = held;
            lines.map_while(Result::ok).for_each(drop);
        });
        let named = |scheme: &str| {
            greeting.lines().find_map(|line| {
                let rest = line.trim().strip_prefix(scheme)?;
                rest.split('/').next()?.parse().ok()
            })
        };
        let address = named("http://").expect("the greeting names the address");
        let tls = named("https://");
        Self {
            child,
            output: Mutex::new(output),
            address,
            tls,
            data,
            greeting,
        }
    }

    /// Sends one signal.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill -s {name}"
        );
    }

    /// How many files the process has open.
    #[cfg(target_os = "linux")]
    pub(crate) fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).expect("it is our child").count()
    }

    /// The memory that the process has, in kB.
    #[cfg(target_os = "linux")]
    pub(crate) fn rss_kb(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it is our child");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("the system tells");
        let kb = line.trim().trim_end_matches(" kB");
        kb.parse().expect("a number")
    }

    /// Has the system allow the process so many open files from now on.
    #[cfg(target_os = "linux")]
    pub(crate) fn limit_open_files(&self, max: usize) {
        let status = Command::new("prlimit")
            .args([
                format!("--pid={}", self.child.id()),
                format!("--nofile={max}:"),
            ])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "prlimit --nofile={max}"
        );
    }

    /// The processor time that the process has taken, in hundredths of a second.
    #[cfg(target_os = "linux")]
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("it is our child");
        let (_, after_name) = stat.rsplit_once(')').expect("the name is in parentheses");
        let fields = after_name.split_whitespace();
        fields
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum()
    }

    /// Waits for the process to end by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let output = self.output.get_mut().expect("nobody panics with it");
        let ended = output.recv_timeout(PATIENCE);
        assert_eq!(
            ended,
            Err(RecvTimeoutError::Disconnected),
            "the server does not end"
        );
        self.child.wait().expect("it is our child")
    }

    /// The log to its end, of a server that was started with one.
    pub(crate) fn log(&mut self) -> String {
        let mut log = String::new();
        let mut pipe = self.child.stderr.take().expect("started with a log");
        pipe.read_to_string(&mut log).expect("a log is text");
        log
    }

    /// Reads the log until a line has this text.
    pub(crate) fn log_until(&mut self, text: &str) {
        let log = self.child.stderr.as_mut().expect("started with a log");
        read_until(log, text);
    }

    /// The log on its own, for a test that asks the server while it reads.
    pub(crate) fn take_log(&mut self) -> Log {
        Log(self.child.stderr.take().expect("started with a log"))
    }

    /// Ends the process as a power cut does, and gives its data back.
    pub(crate) fn killed(mut self) -> TempDir {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
        std::mem::replace(
            &mut self.data,
            tempfile::tempdir().expect("a directory for the test"),
        )
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time-out can be set");
        stream
    }

    /// Sends a request on a connection of its own. Headers are lines.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        Answer::read(&mut self.ask(method, path, headers, body))
    }

    /// The same, of which nothing is read yet.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: impl AsRef<[u8]>,
    ) -> TcpStream {
        let body = body.as_ref();
        let mut stream = self.connect();
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.address
        );
        for header in headers {
            text += &format!("{header}\r\n");
        }
        if !body.is_empty() {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        let request = [text.as_bytes(), body].concat();
        stream.write_all(&request).expect("the server reads");
        stream
    }

    /// The status of a request whose answer may have no end.
    pub(crate) fn status(&self, method: &str, path: &str, headers: &[&str]) -> u16 {
        let mut stream = self.connect();
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{lines}\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).expect("the server reads");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("the server answers");
        let status = std::str::from_utf8(&status[9..]).expect("a head is text");
        status.parse().expect("a status")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "")
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}");
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// The operator's key, which a server tells that starts for the first time.
    pub(crate) fn key(&self) -> &str {
        let mut words = self.greeting.split_whitespace();
        words
            .find(|word| word.starts_with("abk-"))
            .expect("the greeting tells the key")
    }

    /// The file of the database.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }
}

/// What a server writes down.
pub(crate) struct Log(ChildStderr);

impl Log {
    /// Reads until a line has this text.
    pub(crate) fn until(&mut self, text: &str) {
        read_until(&mut self.0, text);
    }
}

fn read_until(log: &mut impl Read, text: &str) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains(text) {
        log.read_exact(&mut byte)
            .expect("the log goes on until the text");
        seen.push(byte[0]);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads until the server closes.
    pub(crate) fn read(stream: &mut impl Read) -> Self {
        let mut bytes = Vec::new();
        stream
            .read_to_end(&mut bytes)
            .expect("the server answers and closes");
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("an HTTP head");
        let body = bytes.split_off(end + 4);
        let head = String::from_utf8(bytes).expect("a head is text");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        Self { status, head, body }
    }

    /// A header's value, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (header, value) = line.split_once(':')?;
            header.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// A Socket.IO client over polling, no more than a test needs.
pub(crate) struct Client<'a> {
    node: &'a Node,
    path: String,
    /// Of the opening request.
    headers: &'a [&'a str],
    waiting: Vec<Value>,
}

impl<'a> Client<'a> {
    /// Opens a session and connects to the main namespace.
    pub(crate) fn connect(node: &'a Node) -> Self {
        Self::connect_with(node, &[])
    }

    /// The same, with headers that tell where it comes from.
    pub(crate) fn connect_with(node: &'a Node, headers: &'a [&'a str]) -> Self {
        let opened = node.request("GET", "/socket.io/?EIO=4&transport=polling", headers, "");
        assert_eq!(opened.status, 200, "{}", opened.text());
        let open: Value = serde_json::from_str(&opened.text()[1..]).expect("an open packet");
        let sid = open["sid"].as_str().expect("a session id");
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let client = Self {
            node,
            path,
            headers,
            waiting: Vec::new(),
        };
        client.post("40");
        let answer = client.poll();
        assert!(answer.starts_with("40{"), "{answer}");
        client
    }

    /// Connects and registers. Gives the client and the answer.
    pub(crate) fn register(node: &'a Node, user: &Value) -> (Self, Value) {
        Self::register_with(node, &[], user)
    }

    /// The same, with headers that tell where it comes from.
    pub(crate) fn register_with(
        node: &'a Node,
        headers: &'a [&'a str],
        user: &Value,
    ) -> (Self, Value) {
        let mut client = Self::connect_with(node, headers);
        client.emit("user:register", user);
        let registered = client.heard("user:registered");
        (client, registered)
    }

    /// A streamer with a live stream, and that stream's key.
    pub(crate) fn live(node: &'a Node, name: &str) -> (Self, String) {
        let (mut client, _) = Self::register(node, &json!({"username": name, "role": "STREAMER"}));
        client.emit("stream:create", &json!({}));
        let created = client.heard("stream:created");
        let key = created["stream"]["streamKey"]
            .as_str()
            .expect("a key")
            .to_owned();
        client.emit("stream:start", &json!({"streamKey": key}));
        client.heard("stream:started");
        (client, key)
    }

    pub(crate) fn emit(&mut self, event: &str, payload: &Value) {
        self.post(&format!("42{}", json!([event, payload])));
    }

    /// Says something, and does not look whether it is heard.
    pub(crate) fn ask(&self, event: &str, payload: &Value) -> TcpStream {
        self.send(&format!("42{}", json!([event, payload])))
    }

    /// The payload of the next event of this name; others are passed over.
    pub(crate) fn heard(&mut self, event: &str) -> Value {
        loop {
            let heard = self.heard_any();
            assert_ne!(heard[0], "stream:error", "instead of {event}: {heard}");
            if heard[0] == event {
                return heard[1].clone();
            }
        }
    }

    /// The same, whatever is refused before it.
    pub(crate) fn heard_after_refusals(&mut self, event: &str) -> Value {
        loop {
            let heard = self.heard_any();
            if heard[0] == event {
                return heard[1].clone();
            }
        }
    }

    /// The next event, with its name.
    pub(crate) fn heard_any(&mut self) -> Value {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "no event comes");
            if !self.waiting.is_empty() {
                return self.waiting.remove(0);
            }
            let polled = self.poll();
            for packet in polled.split('\u{1e}') {
                if let Some(event) = packet.strip_prefix("42") {
                    self.waiting
                        .push(serde_json::from_str(event).expect("JSON"));
                }
            }
        }
    }

    pub(crate) fn post(&self, packet: &str) {
        let answer = Answer::read(&mut self.send(packet));
        assert_eq!((answer.status, answer.text()), (200, "ok"), "POST {packet}");
    }

    fn send(&self, packet: &str) -> TcpStream {
        self.node.ask(
            "POST",
            &self.path,
            &[&["Content-Type: text/plain;charset=UTF-8"], self.headers].concat(),
            packet,
        )
    }

    fn poll(&self) -> String {
        let answer = self.node.request("GET", &self.path, self.headers, "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    }
}
