//! How many files, and so connections, the system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for everything that is no connection: listeners, the database, the log, the runtime's own.
const KEPT_BACK: u64 = 64;

/// Fewer connections than this are worth a warning.
const FEW: usize = 4096;

/// Asks the system for as many open files as it will give, and says how many connections that makes of `wanted`.
///
/// The usual soft limit (1,024) is there for programs that still use `select`; the hard limit is what the operator
/// means.
pub(crate) fn connections_allowed(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let Some(open_files) = getrlimit(Resource::Nofile).current else {
        return wanted;
    };
    let allowed = usize::try_from(open_files.saturating_sub(KEPT_BACK))
        .unwrap_or(usize::MAX)
        .max(1);
    if allowed < FEW.min(wanted) {
        tracing::warn!(
            connections = allowed,
            open_files,
            "the system allows few open files, and so few viewers; `ulimit -Hn` or LimitNOFILE= raises it"
        );
    }
    wanted.min(allowed)
}
