//! Compares what the stream and the recorder delivered of a call with what was really said.
//!
//! The truth comes from the scenario's script and from what the client could send, never from
//! the server. Nothing in here waits, reads a clock or opens a file, but for
//! [`PlantedSink`], which proves that the judge can say no.

mod case;
mod heard;
mod people;
mod planted;
mod problems;
mod recording;
mod sound;
#[cfg(test)]
mod staged;
mod stretches;
#[cfg(test)]
mod tests;
mod told;
mod verdict;

pub use case::{Case, judge};
pub use heard::{Heard, HeardFrame};
pub use planted::PlantedSink;
pub use problems::Cause;
pub use recording::{RecordingError, SessionRecording, Wave};
pub(crate) use told::{ToldCase, judge_told};
pub use verdict::Verdict;
