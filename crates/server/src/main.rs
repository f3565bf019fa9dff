//! The abanico binary.

use abanico::config::Wish;
use abanico::server::{self, Server};
use std::process::ExitCode;

/// Gives back within seconds what is used no longer, as `.cargo/config.toml` has it built; glibc's keeps it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match Wish::load() {
        Ok(Wish::Serve(config)) => server::exit(Server::load(*config).and_then(Server::run)),
        Ok(Wish::Key(config)) => server::exit(server::make_key(&config)),
        Ok(Wish::Token(command)) => server::exit(command.run()),
        #[cfg(target_os = "linux")]
        Ok(Wish::Bench(bench)) => bench.run().unwrap_or_else(|error| server::exit(Err(error))),
        Err(error) => server::exit(Err(error)),
    }
}
