//! What two doors must have in common of a message and of a record, and nothing else.
//!
//! Left out: times, ids that are made anew, which medium was taken and why none was, and how
//! the door is told to listen.

use serde_json::{Map, Value};
use sidetone_delivery_wire::{Body, CallRecord, EndCause, GapReason};

/// Returns the parameters of a message that the client hears.
pub(super) fn parameters(kind: &str, mut parameters: Map<String, Value>) -> Map<String, Value> {
    if kind == "opened" {
        let media = parameters.remove("media");
        let taken = media.as_ref().and_then(Value::as_array).map(Vec::len);
        assert!(taken.is_some_and(|taken| taken <= 1), "opened takes a medium or none: {media:?}");
    }
    parameters
}

/// Returns whether parameters are as expected; the text `*` stands for any text.
pub(super) fn is_as_expected(got: &Map<String, Value>, expected: &Map<String, Value>) -> bool {
    let is_any = |value: &Value| value.as_str() == Some("*");
    got.len() == expected.len()
        && expected.iter().all(|(name, value)| match got.get(name) {
            Some(got) => got == value || (is_any(value) && got.is_string()),
            None => false,
        })
}

/// Returns a record in words.
pub(super) fn record(record: &CallRecord) -> String {
    match record.body.as_ref().expect("a record has a body") {
        Body::SessionStarted(started) => {
            let language = or_none(&started.language);
            format!("started participant={} language={language}", started.participant_id)
        }
        Body::Audio(audio) => format!("audio at={} samples={}", audio.position, audio.samples),
        Body::Gap(gap) => {
            let reason = match gap.reason() {
                GapReason::Unspecified => "unspecified",
                GapReason::Discarded => "discarded",
                GapReason::Overflow => "overflow",
                GapReason::Lost => "lost",
                GapReason::LateEvent => "late-event",
                GapReason::Undelivered => "undelivered",
            };
            format!("gap {}..{} {reason}", gap.from, gap.to)
        }
        Body::Paused(paused) => {
            let asked = if paused.asked { "yes" } else { "no" };
            format!("paused at={} asked={asked}", paused.position)
        }
        Body::Resumed(resumed) => format!("resumed {}..{}", resumed.from, resumed.to),
        Body::CallEvent(event) => format!("call-event {:?} at={}", event.kind(), event.position),
        Body::Match(told) => {
            let (agent, reason) = (or_none(&told.agent_id), or_none(&told.reason));
            format!("match agent={agent} reason={reason} at={}", told.position)
        }
        Body::SessionEnded(ended) => {
            let cause = match ended.cause() {
                EndCause::Unspecified => "unspecified",
                EndCause::Closed => "closed",
                EndCause::ConnectionLost => "connection-lost",
                EndCause::Violation => "violation",
                EndCause::Lost => "lost",
                EndCause::Shutdown => "shutdown",
                EndCause::Timeout => "timeout",
            };
            let frames = ended.frames_received + ended.frames_accepted + ended.frames_in_gaps;
            assert_eq!((frames, ended.streamed_ms), (0, 0), "nothing was heard");
            format!("ended {cause} at={} paused={}", ended.position, ended.paused_ms)
        }
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
