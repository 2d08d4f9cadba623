//! The client's half of a session, as Genesys Cloud behaves: for the simulator and for tests.
//!
//! One input, then drain: [`ClientSession::handle`], [`ClientSession::poll_output`] until it
//! is empty, sleep until [`ClientSession::deadline`]. The machine decides which stretch of
//! media goes out when; the shell fetches its samples. Whatever the server does that the
//! protocol forbids is recorded as a [`ServerFault`] and answered as the real client does.
//!
//! Refuses: sockets, clocks, samples, reconnection of a running stream (off by default in
//! Genesys too).
//! Source: docs/wire/audiohook.md, "Sessions", "Media", "Rules for a simulated client".

mod config;
mod event;
mod media_line;
mod message_rate;
mod receive;
mod retry;
mod session;
mod stream;

#[cfg(test)]
mod tests;

pub use config::{
    CLIENT_MESSAGE_BYTES_MAX, ClientConfig, ClientTimers, Faults, HISTORY, usual_offers,
};
pub use event::{
    ClientEvent, ClientInput, ClientOutput, ConnectFailure, EndCause, FrameFault, ServerFault,
};
pub use message_rate::MessageRate;
pub use retry::RetryPolicy;
pub use session::ClientSession;
