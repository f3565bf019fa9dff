//! StreamHub's Socket.IO dialect over the hub.
