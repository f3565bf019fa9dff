//! The abanico binary.

use abanico::config::Config;
use abanico::server::{self, Server};
use std::process::ExitCode;

fn main() -> ExitCode {
    server::exit(Config::load().and_then(Server::load).and_then(Server::run))
}
