//! What the frame path costs.

mod allocations;
