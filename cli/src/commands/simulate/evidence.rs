//! What is known of a session that was played, until it is judged.

use bytes::Bytes;
use sidetone_genesys_sim::{CallerReport, Scenario, SessionTruth};
use sidetone_model::Timestamp;

use super::story::Story;
use crate::judge::{Case, Cause, Heard, SessionRecording, Verdict, judge};

/// A session before the judge.
pub(super) struct Evidence {
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    pub(super) truth: SessionTruth,
    pub(super) report: CallerReport,
    pub(super) began_at: Timestamp,
    /// When everything of it had been delivered and recorded.
    pub(super) ended_at: Timestamp,
    pub(super) heard: Option<Heard>,
}

impl Evidence {
    /// Judges the session and tells its story. Takes some tenths of a second of computing.
    pub(super) fn judged(self, sidecar: Option<Bytes>, wav: Option<Bytes>) -> (Verdict, Story) {
        let read = sidecar.map(|sidecar| SessionRecording::read(&sidecar, wav)).transpose();
        let (recording, unreadable) = match read {
            Ok(recording) => (recording, None),
            Err(error) => (None, Some(format!("the recording is of no use: {error}"))),
        };
        let mut verdict = judge(&Case {
            scenario: self.scenario.as_str(),
            seed: self.seed,
            truth: &self.truth,
            report: &self.report,
            began_at: self.began_at,
            heard: self.heard.as_ref(),
            recording: recording.as_ref(),
        });
        if let Some(problem) = unreadable {
            verdict.ok = false;
            verdict.cause = Some(Cause::Fault);
            verdict.problems.push(problem);
        }
        let story = Story::of(self.scenario, &verdict, recording.as_ref());
        (verdict, story)
    }
}
