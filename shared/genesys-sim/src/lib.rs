//! A simulated Genesys Cloud: login, platform API, notification sockets, AudioHook client,
//! scripted calls.

mod caller;
mod conversation;
mod platform;
mod player;
mod script;
mod voice;

pub use caller::{
    CallerPlan, CallerReport, Cue, Deed, LOG_ENTRIES_MAX, LogEntry, PAUSED_MARKER, Relay, Target,
    TargetError, call,
};
pub use conversation::{Beside, Conversation, Customer, LegTruth, Queue, Snapshot, StepError, Who};
pub use platform::{
    Breach, Delivery, Failure, Limits, Platform, PlatformConfig, PlatformError, SimClient,
    SimDivision, SimGroup, SimQueue, SimUser, Stats, UserState, Violation,
};
pub use player::{Administrator, Played, Stage, Town, Traffic};
pub use script::{
    Act, AgentSegment, AgentSpan, AudioScript, Cast, Discard, Expected, Person, Scenario, Script,
    SessionTruth, Standing, Step, ToldLeg, Trouble, Truth, UnknownScenario,
};
pub use voice::{
    CallVoice, Recording, Scene, Sound, Source, Speaker, Stretch, WAV_BYTES_MAX, WavError, WavFault,
};
