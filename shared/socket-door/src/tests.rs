//! The door from outside, over real sockets on the loopback.
//!
//! Names that begin with `c` and a number prove that statement of the conformance checklist
//! in docs/wire/audiohook.md.

mod broken_sessions;
mod client;
mod drain;
mod gate_of_pauses;
mod isolation;
mod limits;
mod messages;
mod refusals;
mod routes;
mod sessions;
mod stage;
mod transcripts;
mod unfinished;
