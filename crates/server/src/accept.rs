//! Takes connections from the listener and gives each a task of its own.
//!
//! An accept loop of our own, because `axum::serve` sets neither nodelay nor time-outs. Invariant: whatever clients do,
//! the loop goes on: a full house is answered 503, and a system without free descriptors makes it pause, not spin.

use crate::addresses::{Addresses, Place};
use crate::config::Connections;
use crate::connection::{self, Entrance};
use crate::doors::Doors;
use crate::tls::{Accepted, Tls};
use abanico_socketio::{Cable, Server as SocketIo, retry};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the loop rests when the system has no descriptor or memory for another connection. Clients wait in the
/// listener's queue meanwhile.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Connections at one time that are being told that the house is full. Beyond that they are dropped without a word.
const REFUSALS_MAX: usize = 256;

/// How long a refused client may take to read its refusal. Then it is dropped.
const REFUSAL_TIME: Duration = Duration::from_secs(2);

/// Why there is no room for a connection.
#[derive(Debug, Clone, Copy)]
enum NoRoom {
    /// For nobody.
    InHouse,
    /// For its address, which has reached this limit.
    OfAddress(&'static str),
}

impl NoRoom {
    /// What the client is told, and when it may come again.
    fn answer(self) -> String {
        let (status, sentence, limit) = match self {
            Self::InHouse => (
                "503 Service Unavailable",
                "this server has as many connections as it can carry",
                "connections-max",
            ),
            Self::OfAddress(limit) => (
                "429 Too Many Requests",
                "your address has as many connections as one may have",
                limit,
            ),
        };
        let sentence = format!("{sentence} ({limit})");
        let seconds = retry::spread_seconds(retry::FULL_RETRY);
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: {seconds}\r\n\
             Access-Control-Allow-Origin: *\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{sentence}\n",
            sentence.len() + 1
        )
    }
}

/// What the listeners have in common. Clones are the same.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) doors: Doors,
    pub(crate) socketio: SocketIo,
    pub(crate) limits: Arc<Connections>,
    pub(crate) addresses: Addresses,
    /// Connections finish by themselves when it is cancelled.
    pub(crate) stop: CancellationToken,
    /// Where connections run.
    pub(crate) tasks: TaskTracker,
    serving: Arc<AtomicUsize>,
    refusing: Arc<AtomicUsize>,
}

impl House {
    /// Nobody is in it yet.
    pub(crate) fn new(
        doors: Doors,
        socketio: SocketIo,
        limits: Connections,
        addresses: Addresses,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            doors,
            socketio,
            limits: Arc::new(limits),
            addresses,
            stop,
            tasks,
            serving: Arc::default(),
            refusing: Arc::default(),
        }
    }
}

/// Accepts until the house closes; over TLS, if that is given.
pub(crate) async fn run(listener: TcpListener, tls: Option<Tls>, entrance: Entrance, house: House) {
    let House {
        doors,
        socketio,
        limits,
        addresses,
        stop,
        tasks,
        serving,
        refusing,
    } = house;
    let mut house_is_full = false;
    let mut exhausted = false;
    let mut handshakes_are_full = false;
    let (tls, entrance) = (tls.map(Arc::new), Arc::new(entrance));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_about_one_connection(&error) => continue,
            Err(error) => {
                if !exhausted {
                    tracing::warn!(%error, "no further connections for now; more open files help (`ulimit -n`)");
                }
                exhausted = true;
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(EXHAUSTED_PAUSE) => continue,
                }
            }
        };
        exhausted = false;
        if let Err(error) = tune(&stream, &limits) {
            tracing::debug!(%error, %peer, "connection gone before it was served");
            continue;
        }

        // A WebSocket and a stream over HTTP leave their HTTP task, hence open sessions are counted beside the tasks.
        let open = serving.load(Ordering::Relaxed) + socketio.sessions() + doors.sessions();
        let full = open >= limits.connections_max.0;
        if full && !house_is_full {
            tracing::warn!(
                max = limits.connections_max.0,
                "connections are refused: connections-max is reached"
            );
        }
        house_is_full = full;
        let place = if full {
            Err(NoRoom::InHouse)
        } else {
            addresses.connect(peer.ip()).map_err(NoRoom::OfAddress)
        };
        let place = match place {
            Ok(place) => place,
            Err(no_room) => {
                // Nothing can be said to who would have to shake hands first.
                if tls.is_none()
                    && let Some(counted) = Counted::below(&refusing, REFUSALS_MAX)
                {
                    tasks.spawn(refuse(stream, no_room, counted));
                }
                continue;
            }
        };
        let counted = Counted::new(&serving);
        let (entrance, stop) = (Arc::clone(&entrance), stop.clone());
        let Some(tls) = &tls else {
            tasks.spawn(async move {
                let cable = Cable::from(stream).holding(place);
                connection::serve(&entrance, cable, peer, stop).await;
                drop(counted);
            });
            continue;
        };
        let Some(share) = addresses.begin_handshake(peer.ip()) else {
            tracing::debug!(%peer, "closed: its address shakes hands with too many (tls-handshakes-per-address-max)");
            continue;
        };
        let handshake = Counted::below(&tls.handshakes, tls.handshakes_max);
        let full = handshake.is_none();
        if full && !handshakes_are_full {
            tracing::warn!(
                max = tls.handshakes_max,
                "connections are closed: tls-handshakes-max is reached"
            );
        }
        handshakes_are_full = full;
        if let Some(handshake) = handshake {
            let tls = Arc::clone(tls);
            tasks.spawn(async move {
                let shaking = Shaking {
                    stream,
                    peer,
                    handshake: (handshake, share),
                    place,
                };
                serve_securely(&tls, shaking, &entrance, stop).await;
                drop(counted);
            });
        }
    }
}

/// A connection that has yet to shake hands.
struct Shaking {
    stream: TcpStream,
    peer: SocketAddr,
    /// Its places among all and among those of its address, until it has.
    handshake: (Counted, Place),
    place: Place,
}

/// Shakes hands, and serves what was agreed.
async fn serve_securely(tls: &Tls, shaking: Shaking, entrance: &Entrance, stop: CancellationToken) {
    let Shaking {
        stream,
        peer,
        handshake,
        place,
    } = shaking;
    let accepted = tokio::select! {
        accepted = tls.accept(stream) => accepted,
        () = stop.cancelled() => return,
    };
    drop(handshake);
    match accepted {
        Ok(Accepted::Http1(stream)) => {
            let cable = Cable::secure(Box::new(stream)).holding(place);
            connection::serve(entrance, cable, peer, stop).await;
        }
        Ok(Accepted::Http2(stream)) => {
            let cable = Cable::secure(Box::new(stream)).holding(place);
            connection::serve_http2(entrance, cable, peer, stop).await;
        }
        Ok(Accepted::Answered) => tracing::debug!(%peer, "a question of ACME was answered"),
        Err(error) => tracing::debug!(%peer, %error, "no handshake"),
    }
}

/// Sets what the fan-out needs of a socket: small writes at once, a peer that is gone or stands still noticed by the
/// system, and a backlog that stays where frames can still be skipped.
fn tune(stream: &TcpStream, limits: &Connections) -> io::Result<()> {
    /// After this long without traffic the system asks the peer whether it is there.
    const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
    /// How often it asks again.
    const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_AFTER)
            .with_interval(KEEPALIVE_EVERY),
    )?;
    // Left to itself the system keeps up to four megabytes for a peer that reads nothing, and when it has too much of that
    // for all together it is short of memory for those who read.
    socket.set_send_buffer_size(limits.unacknowledged_bytes_max.0)?;
    #[cfg(target_os = "linux")]
    {
        // A session takes its time-out from here, and takes over from the system when its peer turns out to be slow only.
        socket.set_tcp_user_timeout(Some(limits.stall_timeout.0))?;
        socket
            .set_tcp_notsent_lowat(u32::try_from(limits.unsent_bytes_max.0).unwrap_or(u32::MAX))?;
    }
    Ok(())
}

/// Whether the error ended one connection in the queue rather than touching the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

/// Tells a client that there is no room, and reads what it had to say so that the answer arrives.
async fn refuse(mut stream: TcpStream, no_room: NoRoom, _counted: Counted) {
    let farewell = async {
        stream.write_all(no_room.answer().as_bytes()).await?;
        stream.shutdown().await?;
        let mut scratch = [0; 1024];
        while stream.read(&mut scratch).await? > 0 {}
        io::Result::Ok(())
    };
    // However it ends, the client was to be sent away.
    let _ = tokio::time::timeout(REFUSAL_TIME, farewell).await;
}

/// One in a count, for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }

    /// One more, unless there are `max`. Only the accept loop adds, so nobody comes between.
    fn below(count: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        (count.load(Ordering::Relaxed) < max).then(|| Self::new(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::NoRoom;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        for no_room in [NoRoom::InHouse, NoRoom::OfAddress("half")] {
            let answer = no_room.answer();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(
                head.ends_with(&format!("Content-Length: {}", body.len())),
                "{answer}"
            );
        }
    }
}
