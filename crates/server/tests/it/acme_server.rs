//! An ACME authority for tests, strict about what it is asked (RFC 8555), which really asks back whether a name is ours.
//!
//! It speaks HTTPS with one request a connection. What it finds wrong it answers as the RFC says, and counts. Here it is
//! started and aimed; `book` keeps its orders, `signed` reads what is asked, `ask` asks back, `wire` is its HTTP.

#![expect(clippy::unwrap_used, reason = "what is malformed here ends the test")]

mod ask;
mod book;
mod signed;
mod wire;

use crate::node::Node;
use crate::secure::Authority;
use ask::Target;
use book::State;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// The running authority. Its threads end with the process of the test.
pub(crate) struct AcmeServer {
    shared: Arc<Shared>,
    /// It has an address that nobody else is given, and does not listen there.
    deaf: Socket,
}

struct Shared {
    authority: Authority,
    base: String,
    certificates_for: Duration,
    state: Mutex<State>,
    aimed: Condvar,
}

impl AcmeServer {
    /// Gives certificates that are good for so long.
    pub(crate) fn start(certificates_for: Duration) -> Self {
        let authority = Authority::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        deaf.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let shared = Arc::new(Shared {
            base: format!("https://localhost:{}", address.port()),
            certificates_for,
            state: Mutex::default(),
            aimed: Condvar::new(),
            authority,
        });
        let (certificate, key) = shared.authority.issued_der("localhost");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let (config, serving) = (Arc::new(config), Arc::clone(&shared));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, serving) = (Arc::clone(&config), Arc::clone(&serving));
                std::thread::spawn(move || {
                    let tls = ServerConnection::new(config).unwrap();
                    // A client may go at any time.
                    let _ = serving.answer(StreamOwned::new(tls, stream.unwrap()));
                });
            }
        });
        Self { shared, deaf }
    }

    /// The flags of a server that gets its certificate here.
    pub(crate) fn flags(&self, names: &str) -> Vec<String> {
        let root = self.root();
        let flags = [
            ("--acme-names", names),
            (
                "--acme-directory",
                &format!("{}/directory", self.shared.base),
            ),
            ("--acme-root", root.to_str().unwrap()),
            ("--acme-contact", "operator@example.org"),
            ("--tls-listen", "127.0.0.1:0"),
        ];
        flags
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()])
            .collect()
    }

    /// The root that its own HTTPS is trusted by.
    pub(crate) fn root(&self) -> PathBuf {
        let root = self
            .shared
            .authority
            .certificate()
            .with_file_name("root.pem");
        std::fs::write(&root, self.shared.authority.pem()).unwrap();
        root
    }

    /// Every name leads to this server. Until then nobody is asked.
    pub(crate) fn aim(&self, node: &Node) {
        self.aim_at(node.address, node.tls.unwrap());
    }

    /// Every name leads there.
    pub(crate) fn aim_at(&self, http: SocketAddr, tls: SocketAddr) {
        self.shared.state.lock().unwrap().target = Some(Target { http, tls });
        self.shared.aimed.notify_all();
    }

    /// An address where nobody listens.
    pub(crate) fn nowhere(&self) -> SocketAddr {
        let address = self.deaf.local_addr().unwrap().as_socket();
        address.expect("it is one of IP")
    }

    /// Would like every certificate to be renewed as soon as it is asked.
    pub(crate) fn recall(&self) {
        self.shared.state.lock().unwrap().recalls = true;
    }

    /// Says once, of the next order that is asked after, to come again in more seconds than there will be.
    pub(crate) fn put_off(&self) {
        self.shared.state.lock().unwrap().puts_off = true;
    }

    /// How often it was asked when to renew one.
    pub(crate) fn advised(&self) -> usize {
        self.shared.state.lock().unwrap().advised
    }

    /// Takes no order any more that says what it replaces.
    pub(crate) fn refuse_replacing(&self) {
        self.shared.state.lock().unwrap().replaces_none = true;
    }

    /// How many of the certificates that it has given replaced the one before.
    pub(crate) fn replaced(&self) -> usize {
        let state = self.shared.state.lock().unwrap();
        let ids = state.orders.iter().map(|order| Some(order.id.clone()));
        let next = state.orders.iter().skip(1).map(|order| &order.replaces);
        next.zip(ids)
            .filter(|(replaces, id)| *replaces == id)
            .count()
    }

    /// Knows nobody any more.
    pub(crate) fn forget(&self) {
        self.shared.state.lock().unwrap().accounts.clear();
    }

    /// Who trusts it.
    pub(crate) fn authority(&self) -> &Authority {
        &self.shared.authority
    }

    /// How many accounts and certificates it has given.
    pub(crate) fn given(&self) -> (usize, usize) {
        let state = self.shared.state.lock().unwrap();
        assert_eq!(state.faults, Vec::<String>::new());
        let given = state.orders.iter().filter(|order| order.chain.is_some());
        (state.accounts.len(), given.count())
    }
}

impl Shared {
    fn answer(&self, mut stream: StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> {
        let request = wire::read(&mut stream)?;
        let (status, mut headers, body) = self.route(&request).unwrap_or_else(|(kind, detail)| {
            let mut state = self.state.lock().unwrap();
            // These are no fault of who asks.
            if !["badNonce", "accountDoesNotExist", "alreadyReplaced"].contains(&kind) {
                state
                    .faults
                    .push(format!("{} {}: {detail}", request.method, request.path));
            }
            let kind = format!("urn:ietf:params:acme:error:{kind}");
            let problem = json!({"type": kind, "detail": detail, "status": 400});
            let headers = vec![("Content-Type", "application/problem+json".to_owned())];
            (400, headers, problem.to_string())
        });
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        self.state.lock().unwrap().nonces.insert(nonce.clone());
        headers.push(("Replay-Nonce", nonce));
        let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if request.method != "HEAD" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
        stream.conn.send_close_notify();
        stream.flush()
    }
}
