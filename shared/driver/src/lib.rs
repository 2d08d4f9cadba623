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
mod producer;
mod records;
mod session;
mod sweep;
mod view;

pub use host::{Host, HostConfig, Pace, SessionStatus};
pub use nonce::ask_shared;
pub use outbox::OutboxLimits;
pub use producer::{Outlet, Producer, ProducerConfig};
pub use session::{Session, SocketOutput};
pub use sidetone_engine::{EngineConfig, EngineStatus, Input, MatchState};
