//! StreamHub's Socket.IO dialect over the hub.

pub mod store;
pub mod time;
