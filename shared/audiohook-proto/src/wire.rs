//! What stands in AudioHook text messages: both directions, parsed and written.
//!
//! Parsing takes two steps, because a message whose parameters are wrong still counts: the
//! envelope first, then the body its type asks for. Unknown fields are ignored, unknown types
//! kept by name.
//!
//! Refuses: judging whether a message is legal at this moment; the machines do that.
//! Source: docs/wire/audiohook.md, "Envelope".

mod client_message;
mod envelope;
mod media_entry;
mod media_time;
mod optional;
mod raw_json;
mod server_message;
mod session_id_text;

pub use client_message::{
    ClientBody, ClientEnvelope, ClientFault, ClientMessage, CloseReason, ContinuedSession, Open,
    Participant, Skip,
};
pub use envelope::{PROTOCOL_VERSION, WireError};
pub use media_time::{MediaTime, MediaTimeError};
pub use raw_json::RawJson;
pub use server_message::{
    Disconnect, DisconnectReason, Opened, ServerBody, ServerEnvelope, ServerMessage,
};
pub use session_id_text::{SessionIdText, SessionIdTextError};
