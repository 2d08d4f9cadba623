//! The stream's contract: the `CallRecord` schema, its encoding and its partition key.
//!
//! Source: `proto/sidetone/delivery/v1/call_record.proto`, which says what each field means.

mod encode;
mod latest;
mod model;

/// The first version of the schema, as generated.
#[expect(missing_docs, reason = "generated; the schema documents each field")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/sidetone.delivery.v1.rs"));
}

pub use encode::{DecodeError, Heading, decode, encode, encode_behind};
pub use latest::{
    Audio, AudioFormat, Body, CallEvent, CallEventKind, CallRecord, CallRecords, Direction,
    EndCause, Gap, GapReason, Match, MediaChannel, Paused, Resumed, SessionEnded, SessionStarted,
    TransferKind,
};
pub use model::{
    call_event, end_reason_name, listen_name, reason_name, session_media, transfer_name,
};
