//! What is known of a call that was played, until it is judged.

use bytes::Bytes;
use sidetone_delivery_wire::CallEvent;
use sidetone_genesys_sim::{CallerReport, Scenario, SessionTruth, ToldLeg};
use sidetone_model::{ConversationId, OrganizationId, Timestamp};

use super::story::Story;
use crate::judge::{Case, Cause, Heard, SessionRecording, ToldCase, Verdict, judge, judge_told};

/// A session before the judge, or a call that had none.
pub(super) struct Evidence {
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    pub(super) began_at: Timestamp,
    /// When everything of it had been delivered and recorded.
    pub(super) ended_at: Timestamp,
    pub(super) of: Of,
}

/// What there is to judge.
pub(super) enum Of {
    /// An audio session.
    Session(Box<Session>),
    /// A call without audio, of which events are told.
    Call { conversation: ConversationId, truth: Vec<ToldLeg>, events: Vec<CallEvent> },
}

/// A session as its script has it, as its client had it, and as it was heard.
pub(super) struct Session {
    /// Whose it is.
    pub(super) organization: OrganizationId,
    pub(super) truth: SessionTruth,
    pub(super) report: CallerReport,
    pub(super) heard: Option<Heard>,
    /// That a source did not tell of it, if all were to.
    pub(super) unheard: Option<String>,
}

impl Evidence {
    /// Returns what the client of an audio session did and saw, and its organization.
    pub(super) fn report(&self) -> Option<(OrganizationId, &CallerReport)> {
        match &self.of {
            Of::Session(session) => Some((session.organization, &session.report)),
            Of::Call { .. } => None,
        }
    }

    /// Judges the session and tells its story. Takes some tenths of a second of computing.
    pub(super) fn judged(self, sidecar: Option<Bytes>, wav: Option<Bytes>) -> (Verdict, Story) {
        let scenario = self.scenario.as_str();
        let session = match self.of {
            Of::Session(session) => session,
            Of::Call { conversation, truth, events } => {
                let verdict = judge_told(&ToldCase {
                    scenario,
                    seed: self.seed,
                    conversation,
                    truth: &truth,
                    began_at: self.began_at,
                    events: &events,
                });
                let story = Story::of(self.scenario, &verdict, None);
                return (verdict, story);
            }
        };
        let read = sidecar.map(|sidecar| SessionRecording::read(&sidecar, wav)).transpose();
        let (recording, unreadable) = match read {
            Ok(recording) => (recording, None),
            Err(error) => (None, Some(format!("the recording is of no use: {error}"))),
        };
        let mut verdict = judge(&Case {
            scenario,
            seed: self.seed,
            truth: &session.truth,
            report: &session.report,
            began_at: self.began_at,
            heard: session.heard.as_ref(),
            recording: recording.as_ref(),
        });
        let named = session.heard.as_ref().map(|heard| heard.view().key().key.organization);
        let astray = named.filter(|named| *named != session.organization);
        let astray = astray.map(|named| format!("the stream has it as organization {named}'s"));
        for problem in unreadable.into_iter().chain(session.unheard).chain(astray) {
            verdict.ok = false;
            verdict.cause = Some(Cause::Fault);
            verdict.problems.push(problem);
        }
        let story = Story::of(self.scenario, &verdict, recording.as_ref());
        (verdict, story)
    }
}
