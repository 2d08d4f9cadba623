//! What the server session can be tuned by.
//!
//! Source: docs/wire/audiohook.md, "Timers" and "Rate limits".

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The limits of one server session; [`ServerConfig::DEFAULT`] is what Genesys expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// How long a connection may stay without `open`.
    pub open_within: Duration,
    /// How long `open` may wait for our answer; the client gives up after 5 s.
    pub opened_within: Duration,
    /// How long an open session may stay without `ping`; the client sends one every 5 s.
    pub ping_within: Duration,
    /// How long we wait for `close` after our `disconnect`.
    pub close_within: Duration,
    /// How long we wait for the client to leave after our `closed`.
    pub gone_within: Duration,
    /// How long we hold back after `error` 429 that does not say for how long.
    pub retry_after: Duration,
    /// The longest message, text or binary; the client never sends over 64,000.
    pub message_bytes_max: u32,
    /// The time that one message earns: a fifth of a second is 5 messages a second.
    pub send_interval: Duration,
    /// How many messages may be sent at once.
    pub send_burst: u32,
    /// Whether the experimental `reconnect` may be sent.
    pub reconnection: bool,
}

impl ServerConfig {
    /// The figures of the description.
    pub const DEFAULT: Self = Self {
        open_within: Duration::from_secs(6),
        opened_within: Duration::from_secs(4),
        ping_within: Duration::from_secs(20),
        close_within: Duration::from_secs(10),
        gone_within: Duration::from_secs(5),
        retry_after: Duration::from_secs(1),
        message_bytes_max: 65_536,
        send_interval: Duration::from_millis(200),
        send_burst: 25,
        reconnection: false,
    };
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
