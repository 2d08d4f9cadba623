//! The current version's names, one by one; everything else in the workspace uses these.

pub use crate::v1::call_record::Body;
pub use crate::v1::{
    Audio, AudioFormat, CallEvent, CallEventKind, CallRecord, CallRecords, Direction, EndCause,
    Gap, GapReason, Match, MediaChannel, Paused, Resumed, SessionEnded, SessionStarted,
    TransferKind,
};
