//! A network between two ports of this machine: so wide, so far, and some of it is lost.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a datagram may wait for the ones before it. Then it is lost.
const QUEUE: Duration = Duration::from_millis(300);

pub(crate) struct Network {
    /// Where the client finds the server.
    pub(crate) address: SocketAddr,
    bits_per_second: Arc<AtomicU64>,
    loses_one_in: Arc<AtomicU64>,
    reports: Arc<Mutex<Vec<u32>>>,
    over: Arc<AtomicBool>,
    carries: Option<JoinHandle<()>>,
}

impl Network {
    /// A network to the server at that address, for one client.
    pub(crate) fn new(server: SocketAddr, bits_per_second: u64, delay: Duration) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = front.local_addr().unwrap();
        let rate = Arc::new(AtomicU64::new(bits_per_second));
        let lossy = Arc::new(AtomicU64::new(u64::MAX));
        let reports = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&reports);
        let over = Arc::new(AtomicBool::new(false));
        let (theirs, loses, ended) = (Arc::clone(&rate), Arc::clone(&lossy), Arc::clone(&over));
        let carries = std::thread::spawn(move || {
            carry(
                &front,
                &back,
                server,
                (&theirs, &loses, &seen),
                delay,
                &ended,
            );
        });
        Self {
            address,
            bits_per_second: rate,
            loses_one_in: lossy,
            reports,
            over,
            carries: Some(carries),
        }
    }

    /// From now on it loses one in so many packets of media on their way to the client.
    pub(crate) fn set_loss(&self, one_in: u64) {
        self.loses_one_in.store(one_in, Ordering::Relaxed);
    }

    /// The numbers of all reports that the server has sent, in the order in which they were sent. RFC 7714, 9.2.
    pub(crate) fn reports(&self) -> Vec<u32> {
        self.reports.lock().unwrap().clone()
    }

    /// It is so wide from now on.
    pub(crate) fn set_rate(&self, bits_per_second: u64) {
        self.bits_per_second
            .store(bits_per_second, Ordering::Relaxed);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.carries.take().map(JoinHandle::join);
    }
}

fn carry(
    front: &UdpSocket,
    back: &UdpSocket,
    server: SocketAddr,
    (rate, loses_one_in, reports): (&AtomicU64, &AtomicU64, &Mutex<Vec<u32>>),
    delay: Duration,
    over: &AtomicBool,
) {
    front.set_nonblocking(true).unwrap();
    back.set_nonblocking(true).unwrap();
    let mut client = None;
    let mut under_way: VecDeque<(Instant, bool, Vec<u8>)> = VecDeque::new();
    let mut free_at = Instant::now();
    let mut buffer = [0; 2000];
    let mut packets = 0;
    while !over.load(Ordering::Relaxed) {
        let now = Instant::now();
        while let Ok((length, source)) = front.recv_from(&mut buffer) {
            client = Some(source);
            under_way.push_back((now + delay, true, buffer[..length].to_vec()));
        }
        // Only the way to the client is narrow.
        while let Ok(length) = back.recv(&mut buffer) {
            let is_report = buffer[0] >= 128 && (200..=207).contains(&buffer[1]);
            let is_media = buffer[0] >= 128 && !is_report;
            if is_report && let Some(number) = buffer[..length].last_chunk() {
                let number = u32::from_be_bytes(*number) & !(1 << 31);
                reports.lock().unwrap().push(number);
            }
            packets += u64::from(is_media);
            if is_media && packets % loses_one_in.load(Ordering::Relaxed) == 0 {
                continue;
            }
            free_at = free_at.max(now);
            if free_at - now > QUEUE {
                continue;
            }
            let bits = length as u64 * 8;
            free_at += Duration::from_nanos(bits * 1_000_000_000 / rate.load(Ordering::Relaxed));
            under_way.push_back((free_at + delay, false, buffer[..length].to_vec()));
        }
        under_way.retain(|(at, to_server, datagram)| {
            if *at > now {
                return true;
            }
            let _ = match (to_server, client) {
                (true, _) => back.send_to(datagram, server),
                (false, Some(client)) => front.send_to(datagram, client),
                (false, None) => Ok(0),
            };
            false
        });
        std::thread::sleep(Duration::from_micros(500));
    }
}
