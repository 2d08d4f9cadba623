//! What may be set of the door, and its figures with their reasons.

use std::sync::Arc;
use std::time::Duration;

use sidetone_driver::EngineConfig;
use sidetone_engine::Hearing;
use sidetone_model::{DoorKind, Listen, OnHold, Organization};

/// How the door works; cheap to clone.
#[derive(Debug, Clone)]
pub struct DoorConfig {
    /// For every session.
    pub engine: Arc<EngineConfig>,
    /// How long things may take.
    pub pace: Pace,
}

impl DoorConfig {
    /// Returns the settings of a door; without text media, calls are accepted unheard.
    pub fn new(listen: Listen, on_hold: OnHold, text_media: bool) -> Self {
        let hears = if text_media { Hearing::Audio } else { Hearing::Nothing };
        let door = DoorKind::ApiGateway;
        let engine = EngineConfig { listen, on_hold, door, hears, ..EngineConfig::default() };
        Self { engine: Arc::new(engine), pace: Pace::default() }
    }

    /// Returns the settings for an organization's connections.
    pub(crate) fn of(&self, organization: Option<&Organization>) -> Self {
        let Some(Organization { listen, on_hold, .. }) = organization else { return self.clone() };
        Self { engine: listening(&self.engine, *listen, *on_hold), pace: self.pace }
    }

    /// Returns whether media is taken from text messages.
    pub(crate) fn takes_media(&self) -> bool {
        self.engine.hears == Hearing::Audio
    }
}

/// Returns settings of an engine that listens so.
pub(crate) fn listening(
    usual: &Arc<EngineConfig>,
    listen: Listen,
    on_hold: OnHold,
) -> Arc<EngineConfig> {
    if (usual.listen, usual.on_hold) == (listen, on_hold) {
        return Arc::clone(usual);
    }
    Arc::new(EngineConfig { listen, on_hold, ..EngineConfig::clone(usual) })
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long one invocation takes up new work; what it has begun then may end.
    pub shift: Duration,
    /// How long a store that does not answer is tried before an event is given up: with a
    /// `disconnect` said afterwards, below the 5 s that Genesys waits for `opened`.
    pub fault_limit: Duration,
    /// How long an event that others get before is tried; each of them does something.
    pub contest_limit: Duration,
    /// How long one call of a store, the stream or the line may take.
    pub call_limit: Duration,
    /// How long a failed duty rests at first; doubles up to [`Pace::retry_max`].
    pub retry_first: Duration,
    /// How long a failed duty rests at most.
    pub retry_max: Duration,
    /// How long an invocation stays for a duty that rests, rather than leave it to the sweep.
    pub patience: Duration,
    /// How often a live session's conversation is read although no letter came: letters that
    /// were taken and not read, by a sweep that died, are made good by that.
    pub look_every: Duration,
    /// How often the sweep looks.
    pub sweep_interval: Duration,
    /// How often the sweep looks after doors that died: several times in the life of a beat.
    pub owners_interval: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            shift: Duration::from_secs(6),
            fault_limit: Duration::from_millis(2_500),
            contest_limit: Duration::from_secs(8),
            call_limit: Duration::from_secs(2),
            retry_first: Duration::from_millis(100),
            retry_max: Duration::from_secs(2),
            patience: Duration::from_millis(250),
            look_every: Duration::from_secs(30),
            sweep_interval: Duration::from_millis(300),
            owners_interval: Duration::from_secs(3),
        }
    }
}
