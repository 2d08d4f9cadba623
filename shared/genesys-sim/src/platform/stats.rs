//! What a platform has seen and done since it started.

/// Counts since the start; see [`super::Platform::stats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// HTTP requests, socket upgrades not among them.
    pub requests: u64,
    /// Pages of the details query that were answered.
    pub details_pages: u64,
    /// Most requests that one token made within one window of a minute.
    pub requests_per_minute_most: u32,
    /// Requests answered with 429.
    pub throttled: u64,
    /// Tokens given out.
    pub tokens_issued: u64,
    /// Channels made.
    pub channels_created: u64,
    /// Most channels alive at a time.
    pub channels_alive_most: usize,
    /// Channels removed because there were too many.
    pub channels_evicted: u64,
    /// Channels alive.
    pub channels_alive: usize,
    /// Topics on all channels alive; a combined topic is one.
    pub topics: usize,
    /// Sockets ever opened.
    pub sockets_opened: u64,
    /// Sockets open.
    pub sockets_open: usize,
    /// Upgrades refused.
    pub upgrades_refused: u64,
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// Pings answered.
    pub pings: u64,
    /// Snapshots published.
    pub published: u64,
    /// Events sent to sockets.
    pub delivered: u64,
    /// Snapshots that reached nobody, because nobody listened or a test said so.
    pub unheard: u64,
}
