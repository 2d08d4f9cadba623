//! What one audio session is to do, in absolute time.

use std::time::Duration;

use sidetone_audiohook_proto::{ClientConfig, RetryPolicy};
use sidetone_model::{Position, Timestamp};

use crate::voice::Source;

/// One session to be played.
#[derive(Debug, Clone)]
pub struct CallerPlan {
    /// Ids, offers, frame length, timers, planted misbehaviour.
    pub config: ClientConfig,
    /// When the stream begins: position zero.
    pub begins: Timestamp,
    /// When the client first connects; audio waits for it.
    pub connects_at: Timestamp,
    /// When the stream ends.
    pub ends: Timestamp,
    /// What else it does, in order of time.
    pub cues: Vec<Cue>,
    /// What is heard.
    pub sound: Source,
    /// Where in the sound position zero lies.
    pub sound_from: Position,
    /// How often and when it tries again.
    pub retries: RetryPolicy,
}

/// Something that a client does at a given moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// When.
    pub at: Timestamp,
    /// What.
    pub deed: Deed,
}

/// What a client does of its own accord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Pauses: a secure flow begins.
    Pause,
    /// Ends its pause.
    Resume,
    /// Drops media, because the network is stuck.
    Discard {
        /// How much.
        length: Duration,
        /// How long after its end the network stays stuck.
        stuck: Duration,
    },
    /// The conversation goes on in another language.
    Update {
        /// Which.
        language: String,
    },
    /// Its network is gone, without `close`.
    Vanish,
}
