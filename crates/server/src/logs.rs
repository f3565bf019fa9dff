//! Sends what happens to standard error, for people or for programs.

use crate::config::LogFormat;
use anyhow::Context;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Installs the process's log. A second call keeps the first log, so that tests may load several servers.
pub(crate) fn install(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!("log = {filter:?} is no filter\n  hint: type a level such as `--log debug`")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let installed = match format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    drop(installed);
    Ok(())
}
