//! What is sent to a server: pictures, bodies and offers, as much of them as it looks at.

use serde_json::json;

/// As much of a JPEG picture as tells its size, and noise.
pub(crate) fn picture(bytes: usize) -> Vec<u8> {
    let mut picture = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0".to_vec();
    picture.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0");
    picture.resize(bytes - 2, 7);
    picture.extend(b"\xff\xd9");
    picture
}

/// A body of one picture.
pub(crate) fn body() -> Vec<u8> {
    let mut body = b"--b\r\nContent-Type: image/jpeg\r\n\r\n".to_vec();
    body.extend(picture(100));
    body.extend(b"\r\n--b--\r\n");
    body
}

/// An offer of VP8.
pub(crate) fn offer(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
         a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:0\r\n\
         a={direction}\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n",
        ["AB"; 32].join(":")
    )
}

/// A measure that concerns nobody in particular.
pub(crate) fn measure() -> Vec<u8> {
    let id = "00000000-0000-0000-0000-000000000001";
    let measure = json!({"do": "remove-message", "messageId": id});
    measure.to_string().into_bytes()
}
