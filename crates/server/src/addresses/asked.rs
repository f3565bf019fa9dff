//! What a request asks for, as far as it counts against its address: something that stays, a still, or neither.

use http::Method;
use http::header::UPGRADE;

/// Whether a request waits for what a session of Socket.IO has to say: the session is counted, and has one.
pub(super) fn is_poll<B>(request: &http::Request<B>) -> bool {
    let is_read = request.method() == Method::GET;
    is_read && request.uri().path() == "/socket.io/" && !begins_session(request)
}

/// Whether a request asks for something that stays: a session of Socket.IO, a viewer's or a publisher's.
pub(super) fn begins_session<B>(request: &http::Request<B>) -> bool {
    let uri = request.uri();
    let (path, method) = (uri.path(), request.method());
    if path == "/socket.io/" {
        let mut asked = uri.query().unwrap_or_default().split('&');
        return method == Method::GET && !asked.any(|one| one.starts_with("sid="));
    }
    if path.starts_with("/live/") {
        // Whoever writes there publishes, and an upgrade stays, whatever the name ends with.
        let may_stay = request.headers().contains_key(UPGRADE) || path.contains('%');
        let is_still = asks_for_still(request) && !may_stay;
        return !is_still && method != Method::OPTIONS && method != Method::HEAD;
    }
    let is_webrtc = path.starts_with("/whip/") || path.starts_with("/whep/");
    is_webrtc && method == Method::POST
}

/// Whether a request asks for one picture, live or a poster. A name with letters as numbers, as in `%6apg`, which no key and no
/// ending needs, may be one's, too: who writes so is counted as if it asked for a still and for a stream.
pub(super) fn asks_for_still<B>(request: &http::Request<B>) -> bool {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return false;
    }
    let path = request.uri().path();
    let is_poster = path.starts_with("/streams/") && path.ends_with("/poster");
    let may_be =
        |name: &str| [".jpg", ".jpeg"].iter().any(|end| name.ends_with(end)) || name.contains('%');
    is_poster || path.strip_prefix("/live/").is_some_and(may_be)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_a_session_and_what_is_answered_is_none() {
        let begins = |method: &str, uri: &str| {
            let request = http::Request::builder().method(method).uri(uri);
            begins_session(&request.body(()).unwrap())
        };
        for (method, uri) in [
            ("GET", "/socket.io/?EIO=4&transport=polling"),
            ("GET", "/live/demo.webm"),
            ("GET", "/live/demo"),
            ("PUT", "/live/demo"),
            ("PUT", "/live/demo.jpg"),
            ("POST", "/live/demo.jpeg"),
            ("SOURCE", "/live/demo"),
            ("SOURCE", "/live/demo.jpg"),
            ("GET", "/live/demo%2ewebm"),
            ("POST", "/whip/demo"),
            ("POST", "/whep/demo"),
        ] {
            assert!(begins(method, uri), "{method} {uri}");
        }
        let socket = http::Request::get("/live/demo.jpg").header(UPGRADE, "websocket");
        let socket = socket.body(()).unwrap();
        assert!(begins_session(&socket) && asks_for_still(&socket));
        for (method, uri, is_still) in [
            ("GET", "/live/demo.jpg", true),
            ("GET", "/live/demo.jpeg", true),
            ("GET", "/streams/demo/poster", true),
            ("GET", "/streams/demo/links", false),
            ("PUT", "/live/demo.jpg", false),
            ("GET", "/live/demo.mjpeg", false),
            ("HEAD", "/live/demo.jpg", true),
            ("HEAD", "/streams/demo/poster", true),
            ("HEAD", "/live/demo.mjpeg", false),
            ("GET", "/live/demo.%6apg", true),
        ] {
            let request = http::Request::builder().method(method).uri(uri);
            let asks = asks_for_still(&request.body(()).unwrap());
            assert_eq!(asks, is_still, "{method} {uri}");
        }
        for (method, uri) in [
            ("GET", "/socket.io/?EIO=4&transport=polling&sid=abc"),
            ("POST", "/socket.io/?EIO=4&transport=polling&sid=abc"),
            ("GET", "/live/demo.jpg"),
            ("HEAD", "/live/demo.webm"),
            ("OPTIONS", "/live/demo"),
            ("PATCH", "/whep/demo/1"),
            ("GET", "/"),
        ] {
            assert!(!begins(method, uri), "{method} {uri}");
        }
    }

    #[test]
    fn who_waits_for_what_its_session_hears_has_its_place_already() {
        let polls = |method: &str, uri: &str| {
            let request = http::Request::builder().method(method).uri(uri);
            is_poll(&request.body(()).unwrap())
        };
        let session = "/socket.io/?EIO=4&transport=polling&sid=abc";
        assert!(polls("GET", session));
        assert!(!polls("POST", session));
        assert!(!polls("GET", "/socket.io/?EIO=4&transport=polling"));
        assert!(!polls("GET", "/socket.io/socket.io.js"));
    }
}
