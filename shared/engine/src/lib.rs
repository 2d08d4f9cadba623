//! One AudioHook session joined with its call: matching, the gate, attribution, delivery.
//!
//! Refuses: sockets, clocks, stores. One input, then drain the outputs.

mod config;
mod delivery;
mod engine;
mod exchange;
mod matching;
mod placement;
mod ring;
mod told;

pub use config::{EngineConfig, Hearing};
pub use delivery::{
    AudioDelivery, CallEventDelivery, Delivery, GapCause, GapDelivery, MatchState, SessionEnded,
    SessionStarted,
};
pub use engine::{Engine, SnapshotError};
pub use exchange::{EngineStatus, Input, LegStatus, Output};
pub use matching::Conversation;
