//! The abanico binary.

use abanico::config::Wish;
use abanico::server::{self, Server};
use std::process::ExitCode;

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
