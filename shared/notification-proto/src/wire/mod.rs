//! What travels over a notification socket, and what records tell of the same calls.
//!
//! Refuses nothing but what is no JSON: unknown topics, fields and values are named as such.
//! Source: docs/wire/notification.md, "Socket" and "Conversation bodies".

mod bus;
mod conversation;
mod detail;
mod envelope;
mod loose;
mod record;
mod value;

pub use bus::{BusEvent, BusEventKind};
pub use conversation::{AfterCallWork, Call, Participant, Snapshot};
pub use detail::{Delta, snapshot_of_deltas};
pub use envelope::{
    ControlAnswer, Frame, FrameKind, SystemEvent, SystemEventKind, UserNews, conversation_topic,
    ping_text, user_of_conversation_topic,
};
pub use record::{CallRecord, RecordPage};
pub use value::{CallState, Purpose, WorkState, end_reason_of};
