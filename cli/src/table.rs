//! What `run` shows: a live table of calls on a terminal, one line for each change elsewhere.
//!
//! Refuses: to be the reason that anything stops. Once nothing can be printed any more, the
//! calls go on without being shown.

mod calls;
mod log_lines;
mod screen;
mod view;
mod words;

pub use log_lines::LogLines;
pub use screen::{Mode, Recorded, Screen, Started};
pub(crate) use words::{clock_time, media_time, short};
