//! The floor: one thread that sends shared, pre-framed bytes once per viewer, and nothing else.
//!
//! What it costs is what the kernel itself takes. The bytes are those that the server would send over the same door, and
//! the receivers are the same as for the server: they have also answered a greeting, because the kernel acknowledges for a
//! peer that has spoken in another way, and at the sender's cost, than for one that only listens. The sender is a process
//! of its own, which lives as long as its standard input is open.

use crate::client::Origin;
use crate::door::{Door, with_floor};
use crate::interrupt::Interrupt;
use crate::machine::{self, now_us};
use crate::material::{Stamp, Template};
use crate::publisher::Material;
use crate::quantity::Size;
use crate::run::{Outcome, Plan, Receivers, execute};
use crate::tls::{Target, Trust, agreed, sender_config};
use crate::way::Way;
use abanico_records::Sealer;
use anyhow::{Context, bail};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustls::ServerConnection;
use socket2::SockRef;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

/// What the bare sender sends.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Sender {
    /// How the bytes are framed: as the server frames them for this door
    #[arg(long, value_parser = with_floor(), default_value = "socketio")]
    pub(crate) door: Door,
    /// Viewers to wait for before the first frame
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(crate) viewers: usize,
    /// Frames a second
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    pub(crate) rate: f64,
    /// Bytes of a picture
    #[arg(long, value_name = "SIZE", default_value = "30kB")]
    pub(crate) size: Size,
    #[command(flatten)]
    pub(crate) backlog: Backlog,
    /// Encrypt the bytes for each viewer, as HTTPS does
    #[arg(long)]
    pub(crate) tls: bool,
    /// Core of the sender
    #[arg(long, value_name = "NUMBER")]
    pub(crate) sender_core: Option<usize>,
}

/// How much the system may hold for a viewer, which decides what large frames cost. The server's own settings and defaults.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Backlog {
    /// Bytes that the system keeps for a viewer until it has them
    #[arg(long, value_name = "SIZE", default_value = "256KiB")]
    unacknowledged_bytes_max: Size,
    /// Bytes for a viewer that wait in the system unsent before it takes no more
    #[arg(long, value_name = "SIZE", default_value = "128KiB")]
    unsent_bytes_max: Size,
}

impl Backlog {
    /// As the command line says it, the server's too.
    pub(crate) fn args(&self) -> [String; 2] {
        [
            format!(
                "--unacknowledged-bytes-max={}B",
                self.unacknowledged_bytes_max.0
            ),
            format!("--unsent-bytes-max={}B", self.unsent_bytes_max.0),
        ]
    }

    fn apply(&self, socket: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(socket);
        socket.set_send_buffer_size(self.unacknowledged_bytes_max.0)?;
        let unsent = u32::try_from(self.unsent_bytes_max.0).unwrap_or(u32::MAX);
        socket.set_tcp_notsent_lowat(unsent)
    }
}

/// Runs the sender in a process of its own, with our receivers before it.
pub(crate) fn measure(
    sender: &Sender,
    duration: Duration,
    receivers: Receivers,
    is_told: bool,
    interrupt: Interrupt,
) -> anyhow::Result<(Plan, Outcome)> {
    let mut running = Running::start(sender)?;
    let plan = Plan {
        target: running.target(sender.tls)?,
        door: sender.door,
        way: Way::SocketIo,
        origin: Origin::Floor,
        streams: 1,
        viewers: sender.viewers,
        hostile: Default::default(),
        material: Material::Pictures(sender.size.0),
        rate: sender.rate,
        duration,
        ramp: Duration::ZERO,
        receivers,
        pid: Some(running.child.id()),
        is_told,
        interrupt,
    };
    let outcome = execute(&plan);
    running.stop();
    Ok((plan, outcome?))
}

/// A sender that runs.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(sender: &Sender) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut command = Command::new(program);
        command.args(["bench", "sender", "--door", sender.door.name()]);
        command.args(["--viewers", &sender.viewers.to_string()]);
        command.args(["--rate", &sender.rate.to_string()]);
        command.args(["--size", &format!("{}B", sender.size.0)]);
        command.args(sender.backlog.args());
        if sender.tls {
            command.arg("--tls");
        }
        if let Some(core) = sender.sender_core {
            command.args(["--sender-core", &core.to_string()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C is meant for us, who then tell what was measured; it ends with us.
        command.process_group(0);
        let mut child = command.spawn().context("the sender cannot be started")?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out)
                .read_line(&mut line)
                .context("the sender says nothing")?;
        }
        let Ok(address) = line.trim().parse() else {
            let _ = child.kill();
            let status = child.wait().context("the sender cannot be waited for")?;
            bail!("the sender has ended: {status}");
        };
        Ok(Self { child, address })
    }

    fn target(&self, tls: bool) -> anyhow::Result<Target> {
        if !tls {
            return Ok(Target::plain(self.address));
        }
        // It has made its certificate itself, a moment ago.
        let trust = Trust {
            insecure: true,
            ca: None,
        };
        Target::secure(self.address, "localhost", &trust)
    }

    fn stop(&mut self) {
        drop(self.child.stdin.take());
        // It ends when its input does; if it does not, there is nobody to tell.
        let _ = self.child.wait();
    }
}

/// A viewer's socket, and what it did not take at once.
struct Receiver {
    socket: TcpStream,
    sealer: Option<Sealer>,
    waiting: VecDeque<Rc<[u8]>>,
    /// Bytes of the first of them that it has.
    offset: usize,
}

/// Frames that may wait for one viewer; further ones are left out, and are seen as lost.
const WAITING_MAX: usize = 64;
/// The listener's queue.
const QUEUE_MAX: i32 = 4096;
/// How a viewer is let in, so that it has spoken as it would have to the server.
#[derive(Debug, Clone, Copy)]
enum Greeting {
    /// A ping, and the length of the pong in its masked frame.
    Ping(&'static [u8], usize),
    /// It has asked for something; this is the answer.
    Answer,
}

/// What is answered: that the body lasts as long as the connection, and the line before its first part.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=abanico\r\nConnection: close\r\n\r\n--abanico\r\n";
/// The longest request.
const REQUEST_BYTES_MAX: usize = 1024;
/// How long a viewer may take to speak.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How often the sender looks whether it is still wanted.
const LOOK_EVERY_US: u64 = 50_000;

/// Is the sender: accepts, and then sends until its standard input is closed.
pub(crate) fn send_bare(sender: &Sender) -> anyhow::Result<()> {
    machine::allow_sockets(sender.viewers)?;
    if let Some(core) = sender.sender_core {
        machine::stay_on(core)?;
    }
    let listener = listen()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    let input = Input::watch()?;
    let greeting = Greeting::of(sender.door);
    let tls = sender.tls.then(sender_config).transpose()?;

    let mut comers = Vec::with_capacity(sender.viewers);
    listener.set_nonblocking(true)?;
    while comers.len() < sender.viewers && input.is_open() {
        match listener.accept() {
            Ok((mut socket, _)) => {
                socket.set_nonblocking(false)?;
                socket.set_nodelay(true)?;
                sender.backlog.apply(&socket)?;
                socket.set_read_timeout(Some(ANSWER_TIME))?;
                let mut tls = tls.clone().map(ServerConnection::new).transpose()?;
                greeting
                    .begin(&mut socket, tls.as_mut())
                    .context("a viewer does not shake hands")?;
                comers.push((socket, tls));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error).context("no further viewer can be accepted"),
        }
    }
    let mut receivers = Vec::with_capacity(comers.len());
    for (mut socket, mut tls) in comers {
        greeting
            .finish(&mut socket, tls.as_mut())
            .context("a viewer does not answer")?;
        socket.set_nonblocking(true)?;
        let secrets = tls.map(ServerConnection::dangerous_extract_secrets);
        receivers.push(Receiver {
            socket,
            sealer: secrets.map(agreed).transpose()?.map(|(_, sealer)| sealer),
            waiting: VecDeque::new(),
            offset: 0,
        });
    }
    Fan::new(receivers)?.run(sender, &input)
}

impl Greeting {
    fn of(door: Door) -> Self {
        match door {
            Door::SocketIo | Door::SocketIoBinary | Door::Polling => Self::Ping(b"\x81\x012", 7),
            Door::Native => Self::Ping(b"\x89\x00", 6),
            Door::Http | Door::Webm | Door::Mp4 | Door::Whep => Self::Answer,
        }
    }

    /// Says what is to be said first.
    fn begin(self, socket: &mut TcpStream, tls: Option<&mut ServerConnection>) -> io::Result<()> {
        let said: &[u8] = match self {
            Self::Ping(ping, _) => ping,
            Self::Answer => &[],
        };
        let Some(tls) = tls else {
            return socket.write_all(said);
        };
        while tls.is_handshaking() {
            tls.complete_io(socket)?;
        }
        rustls::Stream::new(tls, socket).write_all(said)
    }

    /// Hears what the viewer has to say.
    fn finish(self, socket: &mut TcpStream, tls: Option<&mut ServerConnection>) -> io::Result<()> {
        match tls {
            Some(tls) => self.hear(&mut rustls::Stream::new(tls, socket)),
            None => self.hear(socket),
        }
    }

    fn hear(self, socket: &mut (impl Read + Write)) -> io::Result<()> {
        let mut heard = [0; REQUEST_BYTES_MAX];
        match self {
            Self::Ping(_, pong_len) => socket.read_exact(&mut heard[..pong_len]),
            Self::Answer => {
                let mut len = 0;
                while !heard[..len].ends_with(b"\r\n\r\n") {
                    match socket.read(&mut heard[len..])? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        count => len += count,
                    }
                }
                socket.write_all(ANSWER)
            }
        }
    }
}

fn listen() -> anyhow::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(QUEUE_MAX)?;
    Ok(socket.into())
}

/// Whether our standard input is still open: whoever started us holds the other end.
struct Input(std::os::fd::OwnedFd);

impl Input {
    fn watch() -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // A file cannot be watched; then the sender ends when it is killed.
        let _ = epoll::add(&epoll, io::stdin(), EventData::new_u64(0), EventFlags::IN);
        Ok(Self(epoll))
    }

    fn is_open(&self) -> bool {
        let mut events = Vec::with_capacity(1);
        let none = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let _ = epoll::wait(&self.0, spare_capacity(&mut events), Some(&none));
        events.is_empty()
    }
}

/// All receivers.
struct Fan {
    receivers: Vec<Receiver>,
    epoll: std::os::fd::OwnedFd,
    /// Where frames are encrypted.
    sealed: Vec<u8>,
}

impl Fan {
    fn new(receivers: Vec<Receiver>) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, receiver) in receivers.iter().enumerate() {
            let data = EventData::new_u64(number as u64);
            epoll::add(&epoll, &receiver.socket, data, EventFlags::empty())?;
        }
        Ok(Self {
            receivers,
            epoll,
            sealed: Vec::new(),
        })
    }

    fn run(mut self, sender: &Sender, input: &Input) -> anyhow::Result<()> {
        const KEY: &str = "0123456789abcdef0123456789abcdef";
        let mut template = Template::delivered(KEY, sender.size.0, sender.door);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded by the command line"
        )]
        let every_us = (1e6 / sender.rate) as u64;
        let (mut number, mut due_us, mut look_us) = (0, now_us(), 0);
        let mut events = Vec::with_capacity(1024);
        loop {
            let now = now_us();
            if now >= look_us {
                look_us = now + LOOK_EVERY_US;
                if !input.is_open() {
                    return Ok(());
                }
            }
            if now >= due_us {
                let frame = template.stamped(Stamp {
                    number,
                    sent_us: now_us(),
                });
                self.send(frame)?;
                number += 1;
                due_us += every_us;
            }
            let wait_us = due_us.min(look_us).saturating_sub(now_us());
            let wait = Timespec {
                tv_sec: 0,
                tv_nsec: i64::try_from(wait_us * 1_000).unwrap_or_default(),
            };
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("epoll does not wait"),
            }
            for event in &events {
                let data = event.data;
                self.resume(usize::try_from(data.u64())?)?;
            }
        }
    }

    /// Sends one frame to everybody.
    fn send(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        let mut shared = None;
        let sealed_bytes = Sealer::sealed_bytes(frame.len());
        self.sealed.resize(sealed_bytes, 0);
        for number in 0..self.receivers.len() {
            let receiver = &mut self.receivers[number];
            // A whole frame may be left out, and has no record then.
            if receiver.waiting.len() >= WAITING_MAX {
                continue;
            }
            let frame = match &mut receiver.sealer {
                Some(sealer) => {
                    let (_, written) = sealer.seal(&[IoSlice::new(frame)], 0, &mut self.sealed);
                    &self.sealed[..written]
                }
                None => frame,
            };
            let was_idle = receiver.waiting.is_empty();
            if was_idle {
                let sent = match send(&receiver.socket, frame, SendFlags::NOSIGNAL) {
                    Ok(count) => count,
                    Err(Errno::AGAIN) => 0,
                    // It has gone; the others have not.
                    Err(_) => continue,
                };
                if sent == frame.len() {
                    continue;
                }
                receiver.offset = sent;
            }
            let waiting = match receiver.sealer {
                Some(_) => Rc::from(frame),
                None => Rc::clone(shared.get_or_insert_with(|| Rc::from(frame))),
            };
            receiver.waiting.push_back(waiting);
            if was_idle {
                self.watch(number, EventFlags::OUT)?;
            }
        }
        Ok(())
    }

    /// Sends what a viewer did not take before.
    fn resume(&mut self, number: usize) -> anyhow::Result<()> {
        let receiver = &mut self.receivers[number];
        while let Some(frame) = receiver.waiting.front() {
            match send(
                &receiver.socket,
                &frame[receiver.offset..],
                SendFlags::NOSIGNAL,
            ) {
                Ok(count) => receiver.offset += count,
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => {
                    receiver.waiting.clear();
                    break;
                }
            }
            if receiver.offset == frame.len() {
                receiver.waiting.pop_front();
                receiver.offset = 0;
            }
        }
        self.watch(number, EventFlags::empty())
    }

    fn watch(&self, number: usize, flags: EventFlags) -> anyhow::Result<()> {
        let data = EventData::new_u64(number as u64);
        Ok(epoll::modify(
            &self.epoll,
            &self.receivers[number].socket,
            data,
            flags,
        )?)
    }
}
