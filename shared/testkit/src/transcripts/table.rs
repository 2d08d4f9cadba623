//! The transcripts.
//!
//! Source: docs/wire/audiohook.md, whose sections are named where one is shown.

mod calls;
mod ends;

use super::Needs;
use super::script::Transcript;

/// What becomes of every call without audio and without an agent.
const STARTED: &str = "= started participant=beefcafe-4321-4cba-9fed-ba9876543210 language=en-US";
const UNMATCHED: &str = "= match agent=none reason=no-agent at=0";

/// Returns every transcript.
pub fn all() -> Vec<Transcript> {
    let groups = [calls::OPENING, calls::TALKING, calls::PAUSING, ends::FAULTS, ends::ENDING];
    let rows = groups.into_iter().flatten();
    rows.map(|(name, needs, text)| {
        let text = text.replace("$STARTED", STARTED).replace("$UNMATCHED", UNMATCHED);
        Transcript::read(name, *needs, &text)
    })
    .collect()
}

type Row = (&'static str, Needs, &'static str);
