//! The embedded pages and the Socket.IO client: types, tags, policies.

use crate::node::Node;

#[test]
fn every_page_is_there_under_a_strict_policy() {
    let node = Node::start();
    for path in [
        "/",
        "/index.html",
        "/streamer.html",
        "/viewer.html",
        "/watch/0123456789abcdef0123456789abcdef",
    ] {
        let page = node.get(path);
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert_eq!(
            page.header("cache-control"),
            Some("public, max-age=0"),
            "{path}"
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("script-src 'self';") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert!(
            page.header("permissions-policy")
                .unwrap()
                .contains("camera=(self)")
        );
        let own = format!("connect-src 'self' ws://{0} wss://{0};", node.address);
        assert!(policy.contains(&own), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'self'"), "{policy}");
        for (header, value) in [
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "SAMEORIGIN"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-permitted-cross-domain-policies", "none"),
        ] {
            assert_eq!(page.header(header), Some(value), "{path}");
        }
    }
}

#[test]
fn what_is_no_page_is_never_taken_for_one() {
    let node = Node::start();
    for path in [
        "/health",
        "/streams",
        "/none",
        "/live/none.webm",
        "/socket.io/none",
    ] {
        let answer = node.get(path);
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "cross-origin"),
        ] {
            assert_eq!(answer.header(header), Some(value), "{path}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[test]
fn a_page_may_be_framed_by_whom_the_setting_names() {
    let node = Node::start_with(&["--frame-ancestors", "https://example.org"]);
    let page = node.get("/");
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.ends_with("frame-ancestors 'self' https://example.org"),
        "{policy}"
    );
    assert_eq!(page.header("x-frame-options"), None);
    assert_eq!(
        page.header("cross-origin-resource-policy"),
        Some("cross-origin")
    );
}

#[test]
fn only_pages_that_are_listed_may_ask_where_the_setting_lists_them() {
    let node = Node::start_with(&["--origins", "https://example.org"]);
    let own = format!("http://{}", node.address);
    let stream = "/live/none.mjpeg";
    let socketio = "/socket.io/?EIO=4&transport=polling";
    for path in [
        "/streams",
        "/health",
        stream,
        socketio,
        "/socket.io/none",
        "/",
    ] {
        let asked = |origin: &str| {
            let header = format!("Origin: {origin}");
            let headers: &[&str] = if origin.is_empty() { &[] } else { &[&header] };
            let answer = node.request("GET", path, headers, "");
            let allowed = answer
                .header("access-control-allow-origin")
                .map(str::to_owned);
            (answer.status == 403, allowed)
        };
        for foreign in ["https://example.com", "https://example.org:8443", "null"] {
            assert_eq!(asked(foreign), (true, None), "{path} for {foreign}");
        }
        // Programs have no origin. What nobody else may read needs no leave.
        assert!(!asked("").0, "{path}");
        let nobody = ["/health", "/"].contains(&path);
        for allowed in ["https://example.org", &own] {
            let leave = (!nobody).then(|| allowed.to_owned());
            assert_eq!(asked(allowed), (false, leave), "{path} for {allowed}");
        }
    }
    for path in ["/live/none", "/socket.io/?EIO=4&transport=websocket"] {
        for (origin, status) in [("https://example.com", 403), ("https://example.org", 101)] {
            let headers = [
                &*format!("Origin: {origin}"),
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Protocol: abanico.watch.v1",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ];
            let answer = node.status("GET", path, &headers);
            assert_eq!(answer, status, "{path} for {origin}");
        }
    }
}

#[test]
fn a_page_that_the_client_has_is_304() {
    let node = Node::start();
    let tag = node.get("/").header("etag").unwrap().to_owned();
    let again = node.request("GET", "/", &[&format!("If-None-Match: {tag}")], "");
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(tag.as_str()));
    let other = node.request("GET", "/", &["If-None-Match: \"other\""], "");
    assert_eq!(other.status, 200);
}

#[test]
fn files_with_a_hash_in_their_name_are_kept_for_ever() {
    let node = Node::start();
    let page = node.get("/").text().to_owned();
    let Some(script) = page
        .split('"')
        .find(|piece| piece.starts_with("/assets/") && piece.ends_with(".js"))
    else {
        assert!(
            page.contains("without its pages"),
            "a page without a script: {page}"
        );
        return;
    };
    let script = node.get(script);
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    assert_eq!(
        script.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
}

#[test]
fn the_client_bundle_is_served_with_its_version_as_tag() {
    let node = Node::start();
    let names = [
        "socket.io.js",
        "socket.io.min.js",
        "socket.io.esm.min.js",
        "socket.io.msgpack.min.js",
    ];
    for name in names {
        let file = node.get(&format!("/socket.io/{name}"));
        if file.status == 400 && node.get("/").text().contains("without its pages") {
            return;
        }
        assert_eq!(
            (file.status, file.header("content-type")),
            (200, Some("text/javascript; charset=utf-8"))
        );
        let tag = file.header("etag").unwrap();
        assert!(tag.starts_with("\"4.") && tag.ends_with('"'), "{tag}");
        assert!(file.text().contains("Socket.IO v4."), "{name}");
        assert_eq!(file.header("access-control-allow-origin"), Some("*"));
        let again = node.request(
            "GET",
            &format!("/socket.io/{name}"),
            &[&format!("If-None-Match: W/{tag}")],
            "",
        );
        assert_eq!(again.status, 304);
        let map = node.get(&format!("/socket.io/{name}.map"));
        assert_eq!(
            (map.status, map.header("content-type")),
            (200, Some("application/json; charset=utf-8"))
        );
    }
}

#[test]
fn another_name_beside_the_client_is_400() {
    let node = Node::start();
    for path in [
        "/socket.io/other.js",
        "/socket.io/a/b",
        "/socket.io/socket.io.js/",
    ] {
        let answer = node.get(path);
        assert_eq!(
            (answer.status, answer.text()),
            (400, r#"{"code":0,"message":"Transport unknown"}"#),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
}
