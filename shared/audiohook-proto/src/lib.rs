//! The AudioHook protocol without sockets or clocks: wire, frames, signatures, both session
//! machines.

mod client;
mod frame;
mod server;
mod signature;
mod wire;

pub use client::{
    CLIENT_MESSAGE_BYTES_MAX, ClientConfig, ClientEvent, ClientInput, ClientOutput, ClientSession,
    ClientTimers, ConnectFailure, EndCause, Faults, FrameFault, HISTORY, MessageRate, RetryPolicy,
    ServerFault, usual_offers,
};
pub use frame::{ByteOrder, Frame, FrameError};
pub use server::{
    ClosedBy, ClosingReason, Handshake, OpenAnswer, PauseCause, ServerCommand, ServerCommandError,
    ServerConfig, ServerInput, ServerOutput, ServerSession, SessionEvent, Tolerated, Violation,
};
pub use signature::{
    ApiKey, ApiKeyError, COMPONENTS_MAX, COVERED_BYTES_MAX, CoveredName, Credentials, HEADERS_MAX,
    KEY_ID_BYTES_MAX, KeyId, KeyRing, NONCE_CHARS_MAX, NONCE_CHARS_MIN, NONCES_MAX, NonceMemory,
    REFUSAL_BODY, REFUSAL_DELAY, Refusal, Remembered, SECRETS_MAX, SIGNATURE_BYTES_MAX,
    SIGNATURE_INPUT_BYTES_MAX, SIGNATURE_LIFETIME, Secret, SecretError, SignError,
    SignatureHeaders, SignaturePolicy, SignatureRule, Signed, SignedRequest, SigningRequest,
    TARGET_BYTES_MAX, Verified, sign,
};
pub use wire::{
    ClientBody, ClientEnvelope, ClientFault, ClientMessage, CloseReason, ContinuedSession,
    Disconnect, DisconnectReason, MediaTime, MediaTimeError, Open, Opened, PROTOCOL_VERSION,
    Participant, RawJson, ServerBody, ServerEnvelope, ServerMessage, SessionIdText,
    SessionIdTextError, Skip, WireError,
};
