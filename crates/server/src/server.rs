//! The whole life of a server in one file: what is opened in which order, and how it is all put away again.

use crate::banner::banner;
use crate::config::{Config, Count};
use crate::connection::Doors;
use crate::live::Live;
use crate::shutdown::Signals;
use crate::{accept, listener, logs, open_files, routes};
use anyhow::{Context, bail};
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A server that holds its port and its data directory, and serves as soon as it is run.
pub struct Server {
    config: Config,
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    doors: Arc<Doors>,
}

impl Server {
    /// Opens everything that can fail, so that a server which loads also runs.
    pub fn load(mut config: Config) -> anyhow::Result<Self> {
        logs::install(&config.log, config.log_format)?;
        config.connections.connections_max = Count(open_files::connections_allowed(
            config.connections.connections_max.0,
        ));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("no runtime")?;
        let entered = runtime.enter();

        let listener = listener::open(config.listen)?;
        let address = listener.local_addr().context("no address")?;

        let socketio =
            abanico_socketio::Server::builder(abanico_socketio::Config::default()).build();
        let router = routes::router(routes::Behind {
            live: Live,
            socketio: socketio.clone(),
        });
        let doors = Arc::new(Doors { router, socketio });

        drop(entered);
        Ok(Self {
            config,
            runtime,
            listener,
            address,
            doors,
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
            doors,
        } = self;
        let outcome = runtime.block_on(async {
            let mut signals = Signals::catch().context("signals cannot be caught")?;
            let stop = CancellationToken::new();
            let tasks = TaskTracker::new();
            let mut accepting = tokio::spawn(accept::run(
                listener,
                Arc::clone(&doors),
                config.connections.clone(),
                stop.clone(),
                tasks.clone(),
            ));
            announce(address, &config);

            let signal = tokio::select! {
                signal = signals.next() => signal,
                ended = &mut accepting => bail!("connections are no longer accepted: {ended:?}"),
            };
            tracing::info!(signal, "stopping; a second signal stops at once");
            let put_away = async {
                doors.socketio.shutdown().await;
                stop.cancel();
                // The loop itself cannot fail; a panic in it has been reported already.
                let _ = accepting.await;
                tasks.close();
                if tokio::time::timeout(config.connections.shutdown_timeout.0, tasks.wait())
                    .await
                    .is_err()
                {
                    tracing::warn!(
                        connections = tasks.len(),
                        "connections cut: they did not finish in time"
                    );
                }
            };
            tokio::select! {
                () = put_away => tracing::info!("stopped"),
                signal = signals.next() => tracing::warn!(signal, "stopped at once"),
            }
            anyhow::Ok(())
        });
        // What is still running belongs to connections that were given their time.
        runtime.shutdown_background();
        outcome
    }
}

/// Greets whoever started the server, and writes the address to the log for programs.
fn announce(address: SocketAddr, config: &Config) {
    tracing::info!(%address, data = %config.data.display(), version = env!("CARGO_PKG_VERSION"), "listening");
    // A closed standard output is no reason not to serve.
    let mut out = std::io::stdout().lock();
    let _ = out
        .write_all(banner(address, &config.data).as_bytes())
        .and_then(|()| out.flush());
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
