//! Carries the engine for a long-lived door: join, mailbox, producer, sweep.
//!
//! The engine decides, this crate does. Nothing here waits in the way of a socket: a session
//! hands its work over and goes on reading.

mod calls;
mod host;
mod lock;
mod nonce;
mod outbox;
mod page;
mod policies;
mod producer;
mod records;
mod refusals;
mod session;
mod sweep;
mod talk;
mod view;

pub use calls::{ITEM_LIFE, read as read_conversation, save as save_item, stored as stored_item};
pub use host::{Host, HostConfig, Pace, SessionStatus};
pub use nonce::ask_shared;
pub use outbox::{Committed, Outbox, OutboxLimits, OutboxSnapshot};
pub use producer::{Outlet, Producer, ProducerConfig};
pub use records::body;
pub use refusals::Refusals;
pub use session::{Session, SocketOutput};
pub use sidetone_engine::{EngineConfig, EngineStatus, Input, LegStatus, MatchState};
pub use sweep::{declare_lost, sweep as sweep_dead_owners};
pub use talk::Talking;
