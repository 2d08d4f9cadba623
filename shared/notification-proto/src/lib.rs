//! The Genesys Notification Service without sockets or clocks: what its messages mean.
//!
//! Refuses: connecting, waiting, asking Genesys, knowing who is one of ours.
//! Source: docs/wire/notification.md.

mod call_event;
mod channel;
mod error;
mod region;
mod wire;

pub use call_event::{CONVERSATIONS_MAX, ConversationLegs, ENDED_KEPT, LegUpdate, are_one_hold};
pub use channel::{
    Backoff, CHANNELS_PER_CLIENT_MAX, ChannelPlan, DEAD_AFTER, PING_AFTER, PONG_WITHIN,
    RECONNECTS_BEFORE_NEW_CHANNEL, TOPICS_PER_CHANNEL_MAX, Watch, Watchdog, renew_at,
};
pub use error::{ReadError, UnknownRegion};
pub use region::{REGIONS, Region};
pub use wire::{
    AfterCallWork, BusEvent, BusEventKind, Call, CallRecord, CallState, ControlAnswer, Delta,
    Frame, FrameKind, Participant, Purpose, RecordPage, Snapshot, SystemEvent, SystemEventKind,
    UserNews, WorkState, conversation_topic, end_reason_of, ping_text, snapshot_of_deltas,
    user_of_conversation_topic,
};
