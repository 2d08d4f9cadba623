//! A simulated Genesys Cloud: login, platform API, notification sockets, AudioHook client, scripted calls.

mod script;
mod voice;

pub use script::{
    Act, AgentSegment, AudioScript, Cast, Discard, Expected, HoldSpan, Person, Scenario, Script,
    SessionTruth, Standing, Step, Truth, UnknownScenario,
};
pub use voice::{
    CallVoice, Recording, Scene, Sound, Source, Speaker, Stretch, WAV_BYTES_MAX, WavError, WavFault,
};
