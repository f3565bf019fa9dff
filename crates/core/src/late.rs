//! Who judges a peer by the clock is kept from looking at times: a laptop sleeps, a virtual machine is paused, a debugger
//! holds the process. What the peer did meanwhile was not seen, and is no fault of the peer's.
//!
//! So whoever comes this much later than it wanted to look does not judge: the peer has some of its time again.

use std::time::Duration;

/// A machine that is busy comes so late at times. What is later stood still.
pub const LATE_MAX: Duration = Duration::from_secs(1);

/// Whether who looks `by` later than it wanted to must not judge what it sees.
pub fn is_late(by: Duration) -> bool {
    by >= LATE_MAX
}
