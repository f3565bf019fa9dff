//! A server of the test's own, and small clients for it that hide nothing of the wire.

use crate::answer::Answer;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
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
