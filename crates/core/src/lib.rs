//! What a live stream is, and who may do what to it: pure state, no I/O, no clock.
