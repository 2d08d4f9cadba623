//! The nouns every other crate speaks: ids, times, positions, media, legs, users.
//!
//! Refuses: clocks, sockets, stores, randomness. Every value comes in from outside.

mod authority;
mod changes;
mod evidence;
mod id;
mod leg;
mod media;
mod organization;
mod outside;
mod people;
mod pii;
mod report;
mod session;
mod time;
mod timeline;
mod user;

pub use authority::{AuthorityError, public_authority};
pub use changes::Changes;
pub use evidence::TimeEvidence;
pub use id::{
    AgentId, CommunicationId, ConnectionId, ConversationId, ConversationKey, IdError,
    OrganizationId, OwnerId, ParticipantId, SessionId, UserId,
};
pub use leg::{
    Answer, Attribution, CallEvent, CallEventKind, Direction, EndReason, EventSource, Hold, Leg,
    NotOurs, TransferKind,
};
pub use media::{Format, Media, MediaChannel, MediaChannels, MediaError, SAMPLE_RATE};
pub use organization::{Organization, PlatformPlace};
pub use outside::Outside;
pub use people::{GenesysUser, People};
pub use pii::Pii;
pub use report::{BreachReport, HandshakeFault, RefusalReport, TrackerReport};
pub use session::{
    DoorKind, EndCause, Listen, OnHold, SessionEnd, SessionItem, SessionPhase, UnheardReason,
    UnmatchedReason,
};
pub use time::{MediaClock, Position, Timestamp, TimestampError};
pub use timeline::{Segment, Span, Timeline};
pub use user::{Adaptor, User, UserStatus, agent_id_of_username};
