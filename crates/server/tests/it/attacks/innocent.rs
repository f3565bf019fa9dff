//! Who must not notice anything of an attack.

use crate::material::picture;
use crate::node::Node;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A stream of pictures with a viewer, which must not notice anything.
pub(super) struct Innocent {
    publisher: TcpStream,
    viewer: TcpStream,
    sent: u8,
    rss_before: usize,
}

impl Innocent {
    pub(super) fn new(node: &Node) -> Self {
        let mut publisher = node.connect();
        let head =
            "PUT /live/innocent HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        publisher.write_all(head.as_bytes()).unwrap();
        // The stream is there as soon as the head was read; who comes before that is told 404.
        while node.status("HEAD", "/live/innocent.mjpeg", &[]) == 404 {}
        let mut viewer = node.connect();
        let request = "GET /live/innocent.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n";
        viewer.write_all(request.as_bytes()).unwrap();
        let mut innocent = Self {
            publisher,
            viewer,
            sent: 100,
            rss_before: 0,
        };
        innocent.goes_on();
        innocent.rss_before = node.rss_kb();
        innocent
    }

    /// A picture that is published now is seen now.
    pub(super) fn goes_on(&mut self) {
        self.sent += 1;
        let mut picture = picture(3000);
        let mark = [self.sent; 64];
        picture[1000..1064].copy_from_slice(&mark);
        // One picture is known to be whole when the next begins.
        for _ in 0..2 {
            let chunk = [
                format!("{:x}\r\n", picture.len()).as_bytes(),
                &picture,
                b"\r\n",
            ]
            .concat();
            self.publisher.write_all(&chunk).unwrap();
        }
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.windows(64).any(|bytes| bytes == mark) {
            let count = self.viewer.read(&mut buffer).expect("the viewer is served");
            assert!(count > 0, "the viewer is cut off");
            seen.extend_from_slice(&buffer[..count]);
        }
    }

    pub(super) fn noticed_nothing(mut self, node: &Node) {
        self.goes_on();
        assert_eq!(node.get("/health").status, 200);
        let grown = node.rss_kb().saturating_sub(self.rss_before);
        assert!(grown < 60_000, "{grown} kB more");
    }
}
