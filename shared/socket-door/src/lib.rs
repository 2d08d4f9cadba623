//! The long-lived AudioHook door: HTTP, WebSocket, limits, deadlines.
//!
//! It lets in who may come in, reads each socket without ever waiting for what is behind it,
//! and carries out what the driver's sessions want. It decides nothing about a call.
//! Refuses: TLS (whatever stands in front ends it), stores, the AudioHook protocol itself.

mod config;
mod connection;
mod counts;
mod door;
mod error;
mod figures;
mod gate;
mod handshake;
mod line;
mod readiness;
mod session;
mod stop;
mod talk;
mod turnaway;

#[cfg(test)]
mod tests;

pub use config::{DoorConfig, DoorLimits, DoorPace};
pub use config::{MESSAGE_BYTES_MAX, READ_BUFFER_BYTES, WRITE_QUEUE_BYTES_MAX};
pub use door::{Door, Drained};
pub use error::DoorError;
pub use readiness::ReadinessCheck;
pub use sidetone_admission::Replays;
pub use stop::Stop;
