//! Sessions in real time, as many as one core can play.
//!
//! The bytes are those of a real client: a signed upgrade, masked frames of 200 ms of µ-law in
//! stereo, a ping every 5 s. They are built once and written to the bare socket, so that the
//! client needs as little of its core as possible and the server ends first.

mod fleet;
mod session;
mod wire;

pub(crate) use fleet::{Fleet, Opened};
pub(crate) use session::Peer;
pub(crate) use wire::FRAME_BYTES;
