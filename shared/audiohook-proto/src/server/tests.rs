//! The server session against transcripts; each name carries the number of the checklist.
//!
//! Source: docs/wire/audiohook.md, "Checklist".

mod closing;
mod envelope;
mod media;
mod opening;
mod pausing;
mod properties;
mod transcript;
mod updating;
