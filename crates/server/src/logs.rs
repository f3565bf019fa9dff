//! Sends what happens to standard error, for people or for programs.
//!
//! Strangers make much of it happen. So the libraries below, which say what they think of each line and packet of a
//! stranger's, tell errors alone unless they are named, and no place of the code writes more than [`bounded`] lets it.

mod bounded;

use crate::config::LogFormat;
use anyhow::Context;
use bounded::Bounded;
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// What the targets of all our crates begin with.
const OURS: &str = "abanico";

/// Characters of a panic's message that are written: what it quotes may be a stranger's.
const PANIC_CHARACTERS: usize = 200;

/// Installs the process's log. A second call keeps the first log, so that tests may load several servers.
pub(crate) fn install(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(with_quiet_libraries(filter)).with_context(|| {
        format!("log = {filter:?} is no filter\n  hint: type a level such as `--log debug`")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(Bounded::new(std::io::stderr, format));
    let installed = match format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    if installed.is_ok() {
        std::panic::set_hook(Box::new(tell_of_a_panic));
    }
    Ok(())
}

/// The filter that was asked for, whose level for everything is that of our own crates: the others tell errors at most,
/// if they are not named.
fn with_quiet_libraries(asked: &str) -> String {
    let level = |part: &str| {
        let part = part.trim();
        let level = part.parse::<LevelFilter>().ok();
        level.filter(|_| !part.is_empty())
    };
    let Some(everything) = asked.split(',').filter_map(level).next_back() else {
        return asked.to_owned();
    };
    let libraries = everything.min(LevelFilter::ERROR);
    // What comes later holds, so that ours can be named as well.
    let mut filter = format!("{libraries},{OURS}={everything}");
    for named in asked.split(',').filter(|part| level(part).is_none()) {
        filter.extend([",", named]);
    }
    filter
}

/// A panic is caught where it costs one session alone; whoever can cause one writes no more than any other line.
fn tell_of_a_panic(panic: &PanicHookInfo<'_>) {
    let message: String = panic
        .payload_as_str()
        .unwrap_or("without a message")
        .chars()
        .take(PANIC_CHARACTERS)
        .collect();
    let at = panic.location().map(ToString::to_string);
    tracing::error!(at, message, "something panicked");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::TestWriter;

    /// Which of some lines a filter lets through.
    fn shown(filter: &str) -> [bool; 5] {
        let log = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(with_quiet_libraries(filter)))
            .with_writer(TestWriter::new())
            .finish();
        tracing::subscriber::with_default(log, || {
            [
                tracing::enabled!(target: "abanico_rtc::driver", tracing::Level::INFO),
                tracing::enabled!(target: "abanico::viewers", tracing::Level::DEBUG),
                tracing::enabled!(target: "str0m::rtp_::ext", tracing::Level::WARN),
                tracing::enabled!(target: "str0m::rtp_::ext", tracing::Level::ERROR),
                tracing::enabled!(target: "h2::proto", tracing::Level::DEBUG),
            ]
        })
    }

    #[test]
    fn libraries_tell_errors_alone_unless_they_are_named() {
        assert_eq!(shown("info"), [true, false, false, true, false]);
        assert_eq!(shown("debug"), [true, true, false, true, false]);
        assert_eq!(shown("trace"), [true, true, false, true, false]);
        assert_eq!(shown("off"), [false; 5]);
        let named = "info,abanico::viewers=debug,str0m=warn,h2=debug";
        assert_eq!(shown(named), [true; 5]);
        assert_eq!(
            shown("abanico=error,info"),
            [false, false, false, true, false]
        );
        // Without a level for everything, only what is named.
        assert_eq!(shown("str0m=warn"), [false, false, true, true, false]);
    }

    #[test]
    fn a_filter_that_is_none_stays_none() {
        for none in ["info,=", "abanico=loud", "info,abanico=loud"] {
            let filter = EnvFilter::try_new(with_quiet_libraries(none));
            assert!(filter.is_err(), "{none}");
        }
    }

    /// What is written is looked at here.
    #[derive(Debug, Clone, Default)]
    struct Page(Arc<parking_lot::Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Page {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn what_strangers_cause_fills_no_log() {
        let page = Page::default();
        let log = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(with_quiet_libraries("info")))
            .with_ansi(false)
            .with_writer(Bounded::new(page.clone(), LogFormat::Text))
            .finish();
        tracing::subscriber::with_default(log, || {
            for number in 0..100_000 {
                tracing::warn!(number, "this happens again and again");
            }
            tracing::info!("this happens once");
        });
        let written = String::from_utf8(page.0.lock().clone()).unwrap();
        let lines = written.lines().count();
        assert!(lines < 3000, "{lines} lines");
        assert!(written.contains("number=0"));
        assert!(!written.contains("number=99999"));
        assert!(written.contains("this happens once"));
    }
}
