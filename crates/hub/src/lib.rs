//! Runs abanico-core on tokio: a task per stream, feeds, the fan-out.
