//! What may be set of an engine.

use std::time::Duration;

use sidetone_audiohook_proto::ServerConfig;
use sidetone_model::{DoorKind, Listen, OnHold};

/// Whether audio can reach the door at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hearing {
    /// It can.
    #[default]
    Audio,
    /// It cannot: calls are accepted without a medium, and the stream is told why.
    Nothing,
}

/// The settings of a session's engine; the same for every session of a door.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// When to ask for audio.
    pub listen: Listen,
    /// What to do while the agent has the customer on hold.
    pub on_hold: OnHold,
    /// What kind of door the sessions come in by.
    pub door: DoorKind,
    /// Whether to ask for audio at all.
    pub hears: Hearing,
    /// How long `opened` may wait for the first look-up.
    pub join_limit: Duration,
    /// How long call events may come after the socket is gone.
    pub linger: Duration,
    /// The protocol's own limits and timers.
    pub session: ServerConfig,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            on_hold: OnHold::default(),
            door: DoorKind::default(),
            hears: Hearing::default(),
            // Genesys gives up after 5 s; people notice nothing below this.
            join_limit: Duration::from_millis(200),
            // Events usually come well under a second late, rarely some seconds.
            linger: Duration::from_secs(5),
            session: ServerConfig::default(),
        }
    }
}
