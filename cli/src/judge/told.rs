//! Judges what was told of a call that had no audio.

use std::time::Duration;

use sidetone_delivery_wire::{CallEvent, CallEventKind};
use sidetone_genesys_sim::ToldLeg;
use sidetone_model::{ConversationId, Timestamp};

use super::problems::{Problem, Problems};
use super::verdict::Verdict;

/// What becomes of such a call, in the words of a verdict.
const TOLD: &str = "told";

/// How far a moment may be off of which Genesys says when it was.
const SHIFT_MAX: Duration = Duration::from_millis(300);

/// How far the beginning of ringing may be off: its time is when word of it came.
const RINGING_SHIFT_MAX: Duration = Duration::from_secs(1);

/// Everything about a call without audio.
#[derive(Debug)]
pub(crate) struct ToldCase<'a> {
    /// The scenario's name.
    pub(crate) scenario: &'a str,
    /// The script's seed.
    pub(crate) seed: u64,
    /// The conversation.
    pub(crate) conversation: ConversationId,
    /// What is true of the call, by its script.
    pub(crate) truth: &'a [ToldLeg],
    /// When the call began on the run's clock.
    pub(crate) began_at: Timestamp,
    /// What the stream has of it.
    pub(crate) events: &'a [CallEvent],
}

/// Finds out whether a call was told as it was.
pub(crate) fn judge_told(case: &ToldCase<'_>) -> Verdict {
    let mut problems = Problems::default();
    for leg in case.truth {
        for (kind, at, shift) in [
            (CallEventKind::Ringing, leg.rang, RINGING_SHIFT_MAX),
            (CallEventKind::Started, leg.started, SHIFT_MAX),
            (CallEventKind::Ended, leg.ended, SHIFT_MAX),
        ] {
            problems.exact(case.compare(leg, kind, at, shift));
        }
    }
    let known = |event: &&CallEvent| {
        let leg = case.truth.iter().find(|leg| leg.agent.as_str() == event.agent_id);
        leg.is_some() || event.agent_id.is_empty()
    };
    for event in case.events.iter().filter(|event| !known(event)) {
        let agent = &event.agent_id;
        problems.add(Problem::fault(format!("{agent} was not on the call and is told to be")));
    }
    let nothing = case.events.is_empty();
    let (problems, cause) = problems.summed_up();
    let exact = problems.is_empty();
    Verdict {
        scenario: case.scenario.to_owned(),
        seed: case.seed,
        conversation_id: case.conversation.to_string(),
        session_id: String::new(),
        expected: TOLD.to_owned(),
        outcome: if nothing { "nothing" } else { TOLD }.to_owned(),
        reason: None,
        opened_ms: None,
        matched_ms: None,
        frames_sent: 0,
        frames_accepted: 0,
        frames_committed: 0,
        frames_in_gaps: 0,
        missed_ms: 0,
        extra_ms: 0,
        audio_exact: true,
        agents_exact: exact,
        holds_exact: true,
        events_exact: true,
        wav_exact: true,
        ok: exact,
        problems,
        plays: 1,
        cause,
    }
}

impl ToldCase<'_> {
    /// Compares one moment of a leg; nothing if it is told once and as it was.
    fn compare(
        &self,
        leg: &ToldLeg,
        kind: CallEventKind,
        at: Duration,
        shift: Duration,
    ) -> Option<Problem> {
        let agent = leg.agent.as_str();
        let told: Vec<Timestamp> = self
            .events
            .iter()
            .filter(|event| event.kind() == kind && event.agent_id == agent)
            .map(|event| Timestamp::from_micros(event.at_us))
            .collect();
        let what = kind.as_str_name().trim_start_matches("CALL_EVENT_KIND_").to_lowercase();
        let truth = self.began_at + at;
        match told[..] {
            [] => Some(Problem::standstill(format!("it is not told that {agent} {what}"))),
            [one] => {
                let off = one.since(truth).max(truth.since(one));
                let sentence = || format!("{agent} {what} is told {} ms off", off.as_millis());
                (off > shift).then(|| Problem::slowness(sentence()))
            }
            [..] => {
                let count = told.len();
                Some(Problem::fault(format!("{agent} {what} is told {count} times")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sidetone_genesys_sim::{Scenario, Script};

    use super::*;

    fn began_at() -> Timestamp {
        "2026-08-15T09:00:00Z".parse().unwrap()
    }

    fn truth() -> Vec<ToldLeg> {
        Script::new(Scenario::AgentToAgent, 7).truth().told
    }

    /// The events of a call that was told without a fault.
    fn events() -> Vec<CallEvent> {
        let kinds = [CallEventKind::Ringing, CallEventKind::Started, CallEventKind::Ended];
        let of_leg = |leg: ToldLeg| {
            let moments = kinds.into_iter().zip([leg.rang, leg.started, leg.ended]);
            moments.map(move |(kind, at)| CallEvent {
                kind: kind.into(),
                at_us: (began_at() + at).as_micros(),
                agent_id: leg.agent.to_string(),
                ..CallEvent::default()
            })
        };
        truth().into_iter().flat_map(of_leg).collect()
    }

    fn judged(events: &[CallEvent]) -> Verdict {
        judge_told(&ToldCase {
            scenario: "agent-to-agent",
            seed: 7,
            conversation: ConversationId::new(uuid::Uuid::nil()),
            truth: &truth(),
            began_at: began_at(),
            events,
        })
    }

    fn says(events: &[CallEvent], words: &str) {
        let verdict = judged(events);
        assert!(!verdict.ok && !verdict.agents_exact, "{verdict:?}");
        assert!(verdict.problems.iter().any(|it| it.contains(words)), "{:?}", verdict.problems);
    }

    #[test]
    fn a_call_that_is_told_as_it_was_is_right() {
        let verdict = judged(&events());
        assert_eq!((verdict.ok, verdict.outcome.as_str()), (true, "told"), "{verdict:?}");
        assert_eq!(verdict.expected, verdict.outcome);
    }

    #[test]
    fn what_is_missing_doubled_shifted_or_made_up_is_not() {
        let right = events();
        assert_eq!(judged(&[]).outcome, "nothing");
        says(&right[1..], "ringing");
        says(&[&right[..], &right[..1]].concat(), "ringing is told 2 times");
        let mut late = right.clone();
        late[1].at_us += 301_000;
        says(&late, "started is told 301 ms off");
        let mut stranger = right[0].clone();
        "somebody".clone_into(&mut stranger.agent_id);
        says(&[&right[..], &[stranger.clone()]].concat(), "somebody was not on the call");
        stranger.agent_id.clear();
        assert!(judged(&[&right[..], &[stranger]].concat()).ok, "nobody of ours");
    }
}
