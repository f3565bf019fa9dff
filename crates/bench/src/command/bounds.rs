//! What no machine is meant for, and what is refused therefore.

use crate::quantity::Span;
use crate::run::Receivers;
use anyhow::ensure;
use std::time::Duration;

/// Clients of all kinds together.
const CLIENTS_MAX: usize = 100_000;
pub(super) const STREAMS_MAX: usize = 1_000;
const RATE_MAX: f64 = 1_000.0;
const SIZE_MAX: usize = 16 << 20;
pub(super) const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);
pub(super) const FILE_BYTES_MAX: u64 = 1 << 30;
const THREADS_MAX: usize = 64;
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Refuses what no machine is meant for.
pub(crate) fn check(
    clients: usize,
    rate: f64,
    size: usize,
    duration: Duration,
    receivers: &Receivers,
) -> anyhow::Result<()> {
    ensure!(
        (1..=CLIENTS_MAX).contains(&clients),
        "there can be from 1 to {CLIENTS_MAX} clients, not {clients}"
    );
    ensure!(
        rate > 0.0 && rate <= RATE_MAX,
        "--rate is above 0 and at most {RATE_MAX}"
    );
    ensure!(
        (1..=SIZE_MAX).contains(&size),
        "--size is from 1 byte to 16 MiB"
    );
    ensure!(
        !duration.is_zero() && duration <= DURATION_MAX,
        "--duration is above 0 and at most {}",
        Span(DURATION_MAX)
    );
    ensure!(
        (1..=THREADS_MAX).contains(&receivers.threads),
        "--threads is from 1 to {THREADS_MAX}"
    );
    ensure!(
        receivers.pause.0 <= PAUSE_MAX,
        "--pause is at most {}",
        Span(PAUSE_MAX)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_is_meant_for_is_refused() {
        let second = Duration::from_secs(1);
        let one = Receivers::default();
        assert!(check(1000, 10.0, 30_000, second, &one).is_ok());
        assert!(check(0, 10.0, 30_000, second, &one).is_err());
        assert!(check(200_000, 10.0, 30_000, second, &one).is_err());
        assert!(check(1, 0.0, 30_000, second, &one).is_err());
        assert!(check(1, f64::NAN, 30_000, second, &one).is_err());
        assert!(check(1, 10.0, 100 << 20, second, &one).is_err());
        assert!(check(1, 10.0, 30_000, Duration::ZERO, &one).is_err());
    }
}
