//! Reads the stream: dedupes, reorders, attributes; the recorder stands on top.
//!
//! A consumer that works while calls run reads a [`Subscription`] and keeps a [`SessionView`]
//! of each session it cares for. One that works on whole recordings is a [`Recorder`], or
//! looks a conversation up once with [`find_sessions`].

mod assembly;
mod attribution;
mod error;
mod follow;
mod index;
mod listen;
mod ranges;
mod record;
mod recorder;
mod reorder;
mod session;
mod sidecar;
mod subscription;
#[cfg(test)]
mod testing;
mod wav;

pub use attribution::{Attribution, LegEnd, LegStretch, MediaLeg, Moment};
pub use error::{ConsumerError, RecordError};
pub use follow::{Handler, HandlerError, NoCheckpoints, follow};
pub use listen::{FoundSession, find_sessions};
pub use ranges::Ranges;
pub use record::{Origin, Record, SessionKey, decode};
pub use recorder::{Alone, RECORDER_NAME, Recorder, RecorderHealth, Taken};
pub use reorder::{Missing, Ordered, Reorder, ReorderSettings};
pub use session::{
    Effect, GapView, MatchView, PauseView, SessionEnd, SessionStart, SessionView, Sessions,
};
pub use sidecar::{
    SIDECAR_VERSION, Sidecar, SidecarAgent, SidecarAudio, SidecarConnection, SidecarCounters,
    SidecarEnd, SidecarGap, SidecarMatch, SidecarMedia, SidecarMissing, SidecarPause,
    SidecarStretch, recording_name,
};
pub use subscription::{Batch, Start, Subscription, SubscriptionSettings};
