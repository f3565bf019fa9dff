//! The load tester before a server that says what a test wants it to say: does it count what comes, and miss what does not?

use abanico_bench::Bench;
use clap::Parser;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    bench: Bench,
}

/// Two viewers of the stream `demo` for as short as can be, with further arguments.
fn bench(address: SocketAddr, more: &str) -> ExitCode {
    let line = format!(
        "abanico --url http://{address} --key demo --viewers 2 --ramp 0s --duration 1s --max-lost 0 {more}"
    );
    let line = Line::try_parse_from(line.split(' ')).unwrap();
    line.bench.run().unwrap()
}

/// A server that talks with each client as `talk` does, once that has sent a request with `wanted` in it.
fn server(
    wanted: &'static str,
    talk: impl Fn(&mut TcpStream) -> std::io::Result<()> + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, talk) = (client.unwrap(), talk.clone());
            thread::spawn(move || {
                let request = read_until(&mut client, b"\r\n\r\n");
                let request = String::from_utf8(request).unwrap();
                assert!(request.contains(wanted), "{request}");
                // The client goes when it has seen enough.
                let _ = talk(&mut client);
            });
        }
    });
    address
}

fn read_until(client: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while !all.ends_with(end) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        all.push(byte[0]);
    }
    all
}

/// A frame of the native door with a payload of 1,000 bytes.
fn native_frame(sequence: u32) -> Vec<u8> {
    const LEN: u16 = 28 + 1_000;
    let mut frame = vec![0x82, 126];
    frame.extend_from_slice(&LEN.to_be_bytes());
    frame.extend_from_slice(&[1, 0, 0, 1]);
    frame.extend_from_slice(&sequence.to_be_bytes());
    frame.extend_from_slice(&[0; 20 + 1_000]);
    frame
}

fn text(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, u8::try_from(text.len()).unwrap()];
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Greets a native viewer, and sends it frames for ever, each with a ping behind it; what stands before the tenth is up to the test.
fn native(client: &mut TcpStream, before_tenth: &[u8], missing: u32) -> std::io::Result<()> {
    const WATCH_BYTES: usize = 6 + r#"{"type":"watch"}"#.len();
    const PONG: [u8; 2] = [0x8a, 0x80 | 2];
    client.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")?;
    client.read_exact(&mut [0; WATCH_BYTES])?;
    client.write_all(&text(r#"{"streamKey":"demo","type":"welcome"}"#))?;
    for sequence in 100.. {
        if sequence == 110 {
            client.write_all(before_tenth)?;
        }
        let moved = if sequence < 110 { 0 } else { missing };
        client.write_all(&native_frame(sequence + moved))?;
        // The next one follows when this one has been read.
        client.write_all(b"\x89\x02hi")?;
        let mut pong = [0; 8];
        client.read_exact(&mut pong)?;
        assert_eq!(pong[..2], PONG);
    }
    Ok(())
}

#[test]
fn native_frames_are_counted_by_their_numbers() {
    const WATCH: &str = "Sec-WebSocket-Protocol: abanico.watch.v1";
    let whole = server(WATCH, |client| native(client, &[], 0));
    assert_eq!(bench(whole, "--door native"), ExitCode::SUCCESS);
    let gap = server(WATCH, |client| native(client, &[], 3));
    assert_eq!(bench(gap, "--door native"), ExitCode::FAILURE);
}

#[test]
fn native_frames_that_are_told_to_be_skipped_are_not_lost() {
    let told = text(r#"{"type":"skipped","frames":3,"receiving":"all"}"#);
    let skipping = server("GET /live/demo ", move |client| native(client, &told, 3));
    assert_eq!(bench(skipping, "--door native"), ExitCode::SUCCESS);
    assert_eq!(
        bench(skipping, "--door native --max-skipped 5"),
        ExitCode::FAILURE
    );
}

#[test]
fn pictures_are_watched_over_http_with_chunks_or_without() {
    fn multipart(client: &mut TcpStream, chunked: bool) -> std::io::Result<()> {
        let coding = if chunked {
            "Transfer-Encoding: chunked\r\n"
        } else {
            "Connection: close\r\n"
        };
        client.write_all(format!("HTTP/1.1 200 OK\r\n{coding}\r\n").as_bytes())?;
        let mut part = b"--line\r\nContent-Length: 500000\r\n\r\n".to_vec();
        part.extend_from_slice(&[7; 500_000]);
        part.extend_from_slice(b"\r\n");
        loop {
            if chunked {
                client.write_all(format!("{:x}\r\n", part.len()).as_bytes())?;
                client.write_all(&part)?;
                client.write_all(b"\r\n")?;
            } else {
                client.write_all(&part)?;
            }
        }
    }
    for chunked in [true, false] {
        let address = server("GET /live/demo.mjpeg ", move |client| {
            multipart(client, chunked)
        });
        let code = bench(address, "--door http --max-first-picture 5s");
        assert_eq!(code, ExitCode::SUCCESS, "chunked: {chunked}");
    }
}

#[test]
fn a_viewer_that_is_not_let_in_is_told_in_the_verdict() {
    let address = server("GET /live/demo.mjpeg ", |client| {
        client.write_all(b"HTTP/1.1 406 Not Acceptable\r\n\r\n")
    });
    assert_eq!(bench(address, "--door http"), ExitCode::FAILURE);
}
