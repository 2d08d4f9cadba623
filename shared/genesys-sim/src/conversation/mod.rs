//! One scripted conversation as the platform knows it.
//!
//! The script says what happens and when; this module keeps the participants and legs that
//! Genesys would keep and renders the full snapshot of a `v2.users.{id}.conversations` event.
//! Refuses: clocks, sockets, randomness. Ids follow from the conversation's own id.
//! Source: genesys-cloud.md, sections 3.9, 3.13 and 3.14.

mod course;
mod detail;
mod nouns;
mod other_calls;
mod party;
mod record;
mod wire;

pub use course::Conversation;
pub use nouns::{Beside, Customer, LegTruth, Queue, Snapshot, StepError, Who};
pub(crate) use record::Recorded;
