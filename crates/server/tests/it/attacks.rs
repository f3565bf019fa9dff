//! What an attacker tries with a few connections and with many, layer by layer. In each: the server lives, who watches and
//! publishes does not notice, and memory has a bound.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

mod addresses;
mod bodies;
mod connections;
mod http2;
mod innocent;
mod messages;
mod rates;
mod rooms;
mod shares;
mod unfinished;

use crate::answer::Answer;
use crate::material::offer;
use crate::node::{Node, PATIENCE};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Counts connections of this machine, too: whoever names a proxy has told who speaks for others.
pub(crate) const COUNTED: [&str; 2] = ["--trusted-proxies", "192.0.2.1"];

/// The code with which the server closes a WebSocket.
fn close_code(mut stream: TcpStream) -> u16 {
    let mut heard = Vec::new();
    // What was still on its way to it may make the system reset the connection afterwards.
    let _ = stream.read_to_end(&mut heard);
    let at = heard
        .iter()
        .rposition(|byte| *byte == 0x88)
        .expect("it says goodbye");
    u16::from_be_bytes([heard[at + 2], heard[at + 3]])
}

/// Reads until the server closes.
fn closed(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

/// Connects from another address of the loopback network.
fn connect_from(node: &Node, address: &str) -> TcpStream {
    connect_to(node.address, address)
}

/// The same, to wherever the server listens.
pub(crate) fn connect_to(listener: SocketAddr, address: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let local: SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(&local.into()).unwrap();
    socket.connect(&listener.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The answer to an offer to publish that comes from this address.
fn offered(node: &Node, address: &str, key: &str) -> Answer {
    let offer = offer("sendonly");
    let mut stream = connect_from(node, address);
    let head = format!(
        "POST /whip/{key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
        offer.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    Answer::read(&mut stream)
}
