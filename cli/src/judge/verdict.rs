//! What was found of one call, in the words of `simulate --json`.

use serde::Serialize;

use super::problems::Cause;

/// The judge's finding about one audio session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The scenario's name.
    pub scenario: String,
    /// What makes the same call again, with `--scenario` and `--seed`.
    pub seed: u64,
    /// The conversation; null digits for a probe.
    pub conversation_id: String,
    /// The audio session; empty if the call has none.
    pub session_id: String,
    /// What has to become of it: `matched`, `unmatched`, `duplicate`, `probe`, or
    /// `told` where there is no audio but call events.
    pub expected: String,
    /// What became of it, in the same words; `unknown` or `nothing` if that was not even said.
    pub outcome: String,
    /// Why it was not matched, as the stream names it.
    pub reason: Option<String>,
    /// From `open` to `opened`, by the client; absent if it never came.
    pub opened_ms: Option<u64>,
    /// From the later of the two halves of the match to the commit of the first audio.
    pub matched_ms: Option<u64>,
    /// Binary messages that the client sent. The door counts one that is longer than 200 ms, as
    /// a backlog brings them, as several.
    pub frames_sent: u64,
    /// Of these, such as belonged to an agent's leg, by the door.
    pub frames_accepted: u64,
    /// Audio records in the stream, each counted once.
    pub frames_committed: u64,
    /// Frames that a gap stands for.
    pub frames_in_gaps: u64,
    /// What an agent of ours and their caller said while connected and nobody was given.
    pub missed_ms: u64,
    /// What was delivered and belongs to nobody of ours.
    pub extra_ms: u64,
    /// Every delivered sample is the script's at its place, and was sent.
    pub audio_exact: bool,
    /// Who was on the call, and when.
    pub agents_exact: bool,
    /// When the customer was on hold.
    pub holds_exact: bool,
    /// When agents were muted or in conference, and how they handed the customer on.
    pub events_exact: bool,
    /// The recording, read by another reader than wrote it, is the script's sound.
    pub wav_exact: bool,
    /// All of it is as it has to be.
    pub ok: bool,
    /// What is not, each in a sentence.
    pub problems: Vec<String>,
    /// How often the call was played, because machines were slow or stood still meanwhile.
    pub plays: u32,
    /// What the worst of the problems could have come from; nothing if there is none.
    #[serde(skip)]
    pub cause: Option<Cause>,
}
