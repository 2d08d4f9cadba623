//! The AudioHook protocol without sockets or clocks: wire, frames, signatures, both session
//! machines.

mod wire;

pub use wire::{
    ClientBody, ClientEnvelope, ClientFault, ClientMessage, CloseReason, ContinuedSession,
    Disconnect, DisconnectReason, MediaTime, MediaTimeError, Open, Opened, PROTOCOL_VERSION,
    Participant, RawJson, ServerBody, ServerEnvelope, ServerMessage, SessionIdText,
    SessionIdTextError, Skip, WireError,
};
