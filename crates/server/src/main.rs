//! The abanico binary.

fn main() {}
