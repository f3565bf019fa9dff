//! The tables: who asks, and what each is answered.

/// Who asks over plain HTTP or the native door.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Asks {
    /// At this machine, with nothing to show.
    Local,
    /// Anybody else; a viewer is no more than that here.
    Stranger,
    /// Who publishes another stream, and shows its token.
    Other,
    /// Who publishes this stream.
    Publisher,
    Operator,
    /// With a login's token to publish and to keep order.
    Signed,
    /// With one whose time is over.
    Expired,
    /// With one of the same user as the stream was opened for, which does not give the right to publish.
    Namesake,
}

pub(super) const ASKS: [Asks; 8] = [
    Asks::Local,
    Asks::Stranger,
    Asks::Other,
    Asks::Publisher,
    Asks::Operator,
    Asks::Signed,
    Asks::Expired,
    Asks::Namesake,
];

/// A route as `routes.rs` has it, a method, the address that is asked, and the status for each of [`ASKS`]. `KEY` is a
/// stream that exists, `NEW` one that does not; both are others in each cell.
pub(super) type Row = (&'static str, &'static str, &'static str, [u16; 8]);

pub(super) const ROUTES: &[Row] = &[
    ("/", "GET", "/", [200; 8]),
    ("/watch/{key}", "GET", "/watch/KEY", [200; 8]),
    ("/health", "GET", "/health", [200; 8]),
    ("/streams", "GET", "/streams", [200; 8]),
    (
        "/streams/{key}",
        "DELETE",
        "/streams/KEY",
        [401, 401, 401, 200, 200, 401, 401, 401],
    ),
    (
        "/streams/{key}",
        "DELETE",
        "/streams/NEW",
        [404, 404, 404, 404, 404, 404, 401, 404],
    ),
    ("/streams/{key}", "GET", "/streams/KEY", [404; 8]),
    (
        "/streams/{key}/poster",
        "GET",
        "/streams/KEY/poster",
        [200, 200, 200, 200, 200, 200, 401, 200],
    ),
    (
        "/streams/{key}/viewers",
        "GET",
        "/streams/KEY/viewers",
        [200, 401, 401, 401, 200, 403, 401, 403],
    ),
    // It is not private.
    (
        "/streams/{key}/links",
        "GET",
        "/streams/KEY/links",
        [401, 401, 401, 409, 409, 401, 401, 401],
    ),
    (
        "/streams/{key}/links",
        "POST",
        "/streams/KEY/links",
        [401, 401, 401, 409, 409, 401, 401, 401],
    ),
    (
        "/streams/{key}/links/{id}",
        "DELETE",
        "/streams/KEY/links/none",
        [401, 401, 401, 409, 409, 401, 401, 401],
    ),
    (
        "/streams/{key}/moderation",
        "POST",
        "/streams/KEY/moderation",
        [401, 401, 401, 200, 200, 200, 401, 401],
    ),
    (
        "/tokens",
        "GET",
        "/tokens",
        [401, 401, 401, 401, 200, 403, 401, 403],
    ),
    (
        "/tokens",
        "POST",
        "/tokens",
        [401, 401, 401, 401, 201, 403, 401, 403],
    ),
    (
        "/tokens/{name}",
        "DELETE",
        "/tokens/none",
        [401, 401, 401, 401, 404, 403, 401, 403],
    ),
    (
        "/live/{name}",
        "GET",
        "/live/KEY.jpg",
        [200, 200, 200, 200, 200, 200, 401, 200],
    ),
    (
        "/live/{name}",
        "HEAD",
        "/live/KEY.mjpeg",
        [200, 200, 200, 200, 200, 200, 401, 200],
    ),
    (
        "/live/{name}",
        "PUT",
        "/live/KEY",
        [401, 401, 401, 200, 200, 401, 401, 401],
    ),
    (
        "/live/{name}",
        "POST",
        "/live/KEY",
        [401, 401, 401, 200, 200, 401, 401, 401],
    ),
    (
        "/live/{name}",
        "SOURCE",
        "/live/KEY",
        [401, 401, 401, 200, 200, 401, 401, 401],
    ),
    (
        "/live/{name}",
        "PUT",
        "/live/NEW",
        [200, 401, 401, 401, 200, 200, 401, 403],
    ),
    (
        "/live/{name}",
        "POST",
        "/live/NEW",
        [200, 401, 401, 401, 200, 200, 401, 403],
    ),
    (
        "/live/{name}",
        "SOURCE",
        "/live/NEW",
        [200, 401, 401, 401, 200, 200, 401, 403],
    ),
    ("/live/{name}", "OPTIONS", "/live/KEY", [204; 8]),
    (
        "/whip/{key}",
        "POST",
        "/whip/KEY",
        [401, 401, 401, 201, 201, 401, 401, 401],
    ),
    (
        "/whip/{key}",
        "POST",
        "/whip/NEW",
        [201, 401, 401, 401, 201, 201, 401, 403],
    ),
    // It exists, and is one of pictures.
    (
        "/whep/{key}",
        "POST",
        "/whep/KEY",
        [406, 406, 406, 406, 406, 406, 401, 406],
    ),
    (
        "/whep/{key}",
        "POST",
        "/whep/NEW",
        [404, 404, 404, 404, 404, 404, 401, 404],
    ),
    // Whoever knows the address of a session has it.
    (
        "/whip/{key}/{session}",
        "DELETE",
        "/whip/KEY/0123456789abcdef0123456789abcdef",
        [404; 8],
    ),
    (
        "/whip/{key}/{session}",
        "PATCH",
        "/whip/KEY/0123456789abcdef0123456789abcdef",
        [404; 8],
    ),
    (
        "/whep/{key}/{session}",
        "DELETE",
        "/whep/KEY/0123456789abcdef0123456789abcdef",
        [404; 8],
    ),
    (
        "/whep/{key}/{session}",
        "PATCH",
        "/whep/KEY/0123456789abcdef0123456789abcdef",
        [404; 8],
    ),
    (
        "/socket.io/",
        "GET",
        "/socket.io/?EIO=4&transport=polling",
        [200; 8],
    ),
    ("/socket.io/{*name}", "GET", "/socket.io/none", [400; 8]),
];

/// The routes of LAN mode and of ACME, which are there in those modes alone. `KEY` and `NEW` are not in them.
pub(super) const OF_MODES: &[Row] = &[
    ("/trust", "GET", "/trust", [200; 8]),
    ("/trust/about.json", "GET", "/trust/about.json", [200; 8]),
    ("/trust/qr.svg", "GET", "/trust/qr.svg", [200; 8]),
    // At the machine alone, whatever one shows.
    (
        "/trust/code",
        "POST",
        "/trust/code",
        [200, 403, 403, 403, 403, 403, 403, 403],
    ),
    // Over HTTPS alone, which `pairing.rs` does.
    ("/trust/pair", "POST", "/trust/pair", [403; 8]),
    (
        "/trust/abanico-ca.crt",
        "GET",
        "/trust/abanico-ca.crt",
        [200; 8],
    ),
    (
        "/trust/abanico-ca.mobileconfig",
        "GET",
        "/trust/abanico-ca.mobileconfig",
        [200; 8],
    ),
    // No challenge is set here; `acme.rs` has one answered.
    (
        "/.well-known/acme-challenge/{token}",
        "GET",
        "/.well-known/acme-challenge/none",
        [404; 8],
    ),
];

/// The native door: what a WebSocket says first, and what it hears first, for each of [`ASKS`].
pub(super) const NATIVE: &[(&str, &str, [&str; 8])] = &[
    ("/live/KEY", "watch", ["welcome"; 8]),
    ("/live/NEW", "watch", ["no-stream"; 8]),
    (
        "/live/KEY",
        "publish",
        [
            "token", "token", "token", "ready", "ready", "token", "key", "token",
        ],
    ),
    (
        "/live/NEW",
        "publish",
        ["ready", "key", "key", "key", "ready", "ready", "key", "key"],
    ),
];
