//! The whole life of a server in one file: what is opened in which order, and how it is all put away again.

use crate::accept::{self, House};
use crate::addresses::{Addresses, Rates};
use crate::banner::{Greeting, Named, banner};
use crate::config::dialect::rate;
use crate::config::{Config, Count};
use crate::connection::Entrance;
use crate::doors::Doors;
use crate::rights::{self, Keeper, Secret};
use crate::shutdown::Signals;
use crate::store::{DataDirectory, Store, Writer};
use crate::tls::Https;
use crate::trust::Trust;
use crate::{http2, https, listener, logs, open_files, reserves, routes, tls, webrtc};
use abanico_rtc::Endpoint;
use abanico_streamhub::StreamHub;
use anyhow::{Context, bail};
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long viewers are given to be told that their stream ended. The last word comes to them behind the last frame, and
/// a session that is closed reads no further frames.
const FAREWELL_TIME: Duration = Duration::from_millis(300);

/// How long the store may take to write down the last changes. Then they are lost.
const STORE_TIME_MAX: Duration = Duration::from_secs(10);

/// A server that holds its port and its data directory, and serves as soon as it is run.
#[derive(Debug)]
pub struct Server {
    config: Config,
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    https: Option<Https>,
    udp: Option<UdpSocket>,
    store: Store,
    keeper: Keeper,
    /// Made just now, to be shown once.
    first_key: Option<Secret>,
}

impl Server {
    /// Opens everything that can fail, so that a server which loads also runs.
    pub fn load(mut config: Config) -> anyhow::Result<Self> {
        logs::install(&config.log, config.log_format)?;
        for (variable, meant) in Config::misspelt_variables() {
            tracing::warn!("there is no setting {variable}; {meant} was probably meant");
        }
        let connections_max = &mut config.connections.connections_max;
        *connections_max = Count(open_files::connections_allowed(connections_max.0));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("the runtime cannot start")?;
        // The port first: whoever starts a second server by mistake most likely starts the same one.
        let (listener, address, https, udp, store, rights) = runtime.block_on(async {
            let listener = listener::open("listen", config.listen)?;
            let address = listener
                .local_addr()
                .context("the listener has no address")?;
            let udp = webrtc::bind(&config.webrtc, address)?;
            let data = DataDirectory::take(&config.data)?;
            let https = tls::open(&config, &data)?;
            let store = Store::open(data).await?;
            let newcomers = rate(config.clients.new_user_rate);
            let rights = Keeper::open(&config.rights, &config.login, newcomers, &config.data)?;
            anyhow::Ok((listener, address, https, udp, store, rights))
        })?;
        Ok(Self {
            config,
            runtime,
            listener,
            address,
            https,
            udp,
            store,
            keeper: rights.0,
            first_key: rights.1,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until a signal asks it to stop, and then puts everything away: viewers are told, sessions closed,
    /// connections finished within `shutdown-timeout`, and what is known is written down.
    pub fn run(self) -> anyhow::Result<()> {
        let Self {
            config,
            runtime,
            listener,
            address,
            https,
            udp,
            mut store,
            keeper,
            first_key,
        } = self;
        let outcome = runtime.block_on(async {
            let mut signals = Signals::catch().context("signals cannot be caught")?;
            let snapshot = store.load().await.context("the store cannot be read")?;
            let (writer, journal) = Writer::new(store, config.history_for.0, keeper.reports());
            let gate = Arc::new(keeper.clone());
            let streamhub = StreamHub::new(config.dialect(), snapshot, journal, gate);
            keeper.look_at(streamhub.rooms());
            let rtc = udp
                .map(|udp| webrtc::open(&config.webrtc, udp, address))
                .transpose()?;
            let greeting = Greeting {
                tls: https.as_ref().map(|https| https.address),
                names: https.as_ref().and_then(Named::of),
                trust: https.as_ref().and_then(|https| Trust::of(https, address, keeper.clone())),
            };
            let ways = Ways { listener, https, trust: greeting.trust.clone() };
            let mut running = Running::start(&config, ways, streamhub, keeper, rtc, writer);
            announce(address, &greeting, &config, first_key.as_ref());

            let signal = tokio::select! {
                signal = signals.next() => signal,
                ended = running.accepting.join_next() => bail!("connections are no longer accepted: {ended:?}"),
            };
            tracing::info!(signal, "stopping; a second signal stops at once");
            tokio::select! {
                () = running.stop(config.connections.shutdown_timeout.0) => tracing::info!("stopped"),
                signal = signals.next() => tracing::warn!(signal, "stopped at once"),
            }
            Ok(())
        });
        // What is still running belongs to connections that were given their time.
        runtime.shutdown_background();
        outcome
    }
}

/// How clients come in.
struct Ways {
    listener: TcpListener,
    https: Option<Https>,
    trust: Option<Trust>,
}

/// The parts of a server that is serving.
struct Running {
    streamhub: StreamHub,
    doors: Doors,
    connections: TaskTracker,
    accepting: JoinSet<()>,
    stop_connections: CancellationToken,
    writing: JoinHandle<()>,
    stop_writing: CancellationToken,
}

impl Running {
    fn start(
        config: &Config,
        ways: Ways,
        streamhub: StreamHub,
        keeper: Keeper,
        rtc: Option<Endpoint>,
        writer: Writer,
    ) -> Self {
        let (stop_connections, stop_writing) = (CancellationToken::new(), CancellationToken::new());
        let connections = TaskTracker::new();
        let addresses = Addresses::new(
            config,
            Rates {
                sessions: rate(config.connections.session_rate),
                stills: rate(config.connections.still_rate),
                offers: rate(config.webrtc.rtc_offer_rate),
            },
            keeper.clone(),
        );
        let doors = Doors::new(
            streamhub.clone(),
            keeper.clone(),
            config,
            rtc,
            addresses.clone(),
        );
        let Ways {
            listener,
            https,
            trust,
        } = ways;
        let house = House::new(
            doors.clone(),
            streamhub.socketio().clone(),
            config.connections.clone(),
            addresses.clone(),
            stop_connections.clone(),
            connections.clone(),
        );
        let mut accepting = JoinSet::new();
        let router = routes::router(
            streamhub.clone(),
            doors.clone(),
            addresses,
            &config.browsers,
            trust,
        );
        let (limits, http2) = (&config.connections, http2::Connected::default());
        let plain = match https {
            None => Entrance::new(router, doors.clone(), true, limits, &http2),
            Some(https) => {
                let port = https.public_port;
                let challenges = https.acme().map(|acme| acme.challenges().router());
                let remembered = https::remembered(router.clone(), &config.tls, port);
                let entrance = Entrance::new(remembered, doors.clone(), true, limits, &http2);
                https.start(&mut accepting, entrance, house.clone());
                let redirects = config.tls.tls_redirect;
                let answered = if redirects {
                    https::redirecting(port)
                } else {
                    router
                };
                let answered = answered.merge(challenges.unwrap_or_default());
                Entrance::new(answered, doors.clone(), !redirects, limits, &http2)
            }
        };
        accepting.spawn(accept::run(listener, None, plain, house));
        let writing = tokio::spawn(writer.run(stop_writing.clone()));
        tokio::spawn(keeper.watch(stop_connections.clone()));
        let bounds = reserves::Bounds {
            busy_max: config.streams.busy_max,
            memory_left_min: config.streams.memory_left_min,
            memory_max: config.streams.memory_max,
        };
        let stop_watching = stop_connections.clone();
        let watched = (streamhub.clone(), doors.clone(), http2);
        tokio::spawn(reserves::watch(watched, bounds, stop_watching));
        Self {
            streamhub,
            doors,
            connections,
            accepting,
            stop_connections,
            writing,
            stop_writing,
        }
    }

    /// Puts everything away, from the streams outward, and last the store, which hears of all the rest.
    async fn stop(mut self, connection_time_max: Duration) {
        self.streamhub.shutdown().await;
        if self.streamhub.socketio().sessions() > 0 {
            tokio::time::sleep(FAREWELL_TIME).await;
        }
        tokio::join!(self.streamhub.socketio().shutdown(), self.doors.shutdown());
        self.stop_connections.cancel();
        // The loops themselves cannot fail; a panic in one has been reported already.
        while self.accepting.join_next().await.is_some() {}
        self.connections.close();
        if timeout(connection_time_max, self.connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.connections.len(),
                "connections cut: they did not finish in time"
            );
        }
        self.stop_writing.cancel();
        if timeout(STORE_TIME_MAX, self.writing).await.is_err() {
            tracing::error!("the last changes are lost: the data directory cannot be written");
        }
    }
}

/// Greets whoever started the server, and writes the address to the log for programs.
fn announce(address: SocketAddr, greeting: &Greeting, config: &Config, first_key: Option<&Secret>) {
    let connections_max = config.connections.connections_max.0;
    tracing::info!(%address, connections_max, data = %config.data.display(), version = env!("CARGO_PKG_VERSION"), "listening");
    if let Some(address) = greeting.tls {
        tracing::info!(%address, "listening for HTTPS");
    }
    // A closed standard output is no reason not to serve.
    let mut out = std::io::stdout().lock();
    let _ = out
        .write_all(banner(address, greeting, config, first_key).as_bytes())
        .and_then(|()| out.flush());
}

/// Makes another operator's key, and shows it.
pub fn make_key(config: &Config) -> anyhow::Result<()> {
    let key = rights::make_new_key(&config.data)?;
    writeln!(std::io::stdout(), "{}", key.reveal()).context("the key cannot be shown")
}

/// Ends the process's main function: says in plain words what was wrong, if anything was.
pub fn exit(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    match error.downcast::<clap::Error>() {
        // Help and version come this way, too.
        Ok(usage) => usage.exit(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "abanico: {error:#}");
            ExitCode::FAILURE
        }
    }
}
