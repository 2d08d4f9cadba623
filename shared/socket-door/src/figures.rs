//! The door's metrics, looked up once: the hot path only adds.
//!
//! A recorder has to be installed before the door is bound.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Handles of what is counted for every session.
pub(crate) struct Figures {
    /// Sessions with a socket.
    pub(crate) sessions: Gauge,
    /// Binary messages read.
    pub(crate) frames: Counter,
    /// Bytes of binary messages read.
    pub(crate) media_bytes: Counter,
    /// From the connection to `opened` written.
    pub(crate) connect_to_opened: Histogram,
    /// From a text read to its answer written, nearly always a ping and its pong.
    pub(crate) ping_to_pong: Histogram,
    /// Clients cut off because they did not read.
    pub(crate) slow_readers: Counter,
    /// Sessions that ended in a panic.
    pub(crate) panics: Counter,
    /// Times that accepting failed.
    pub(crate) accept_errors: Counter,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            sessions: gauge!("sidetone_sessions_count"),
            frames: counter!("sidetone_frames_received_total"),
            media_bytes: counter!("sidetone_media_received_bytes"),
            connect_to_opened: histogram!("sidetone_connect_to_opened_seconds"),
            ping_to_pong: histogram!("sidetone_ping_to_pong_seconds"),
            slow_readers: counter!("sidetone_slow_readers_total"),
            panics: counter!("sidetone_session_panics_total"),
            accept_errors: counter!("sidetone_accept_errors_total"),
        }
    }

    /// Counts a client that was told to try again.
    pub(crate) fn turned_away(label: &'static str) {
        counter!("sidetone_turnaways_total", "reason" => label).increment(1);
    }

    /// Counts a breach of the protocol.
    pub(crate) fn violated(label: &'static str) {
        counter!("sidetone_violations_total", "violation" => label).increment(1);
    }

    /// Counts an oddity that was let pass.
    pub(crate) fn tolerated(label: &'static str) {
        counter!("sidetone_oddities_total", "oddity" => label).increment(1);
    }
}
