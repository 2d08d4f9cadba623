//! What API Gateway lets through; none of it can be raised.
//!
//! Source: "Quotas for configuring and running a WebSocket API in API Gateway".

use std::time::Duration;

/// What a connection may do before it is closed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest frame, in bytes.
    pub frame_bytes: usize,
    /// Largest message, in bytes.
    pub message_bytes: usize,
    /// Longest time without a message in either direction. Pings do not count here: nobody
    /// says that they do, so nothing of ours may rely on it.
    pub idle: Duration,
    /// Longest life of a connection.
    pub life: Duration,
}

impl Limits {
    /// The limits of API Gateway.
    pub const AWS: Self = Self {
        frame_bytes: 32 * 1024,
        message_bytes: 128 * 1024,
        idle: Duration::from_secs(10 * 60),
        life: Duration::from_secs(2 * 60 * 60),
    };
}
