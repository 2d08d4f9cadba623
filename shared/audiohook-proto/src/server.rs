//! The server's half of one AudioHook session, as a machine without clock or socket.
//!
//! One input, then drain: [`ServerSession::handle`] or [`ServerSession::command`], then
//! [`ServerSession::poll_output`] until it has nothing more, then sleep until
//! [`ServerSession::deadline`]. Between two inputs the machine can rest as serde writes it.
//! Source: docs/wire/audiohook.md, "States".

mod config;
mod input;
mod output;
mod pause;
mod send_budget;
mod session;
mod violation;

pub use config::ServerConfig;
pub use input::{Handshake, OpenAnswer, ServerCommand, ServerCommandError, ServerInput};
pub use output::{ClosedBy, ClosingReason, PauseCause, ServerOutput, SessionEvent, Tolerated};
pub use session::ServerSession;
pub use violation::Violation;

#[cfg(test)]
mod tests;
