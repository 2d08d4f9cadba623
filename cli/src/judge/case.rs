//! One call before the judge.

use sidetone_audiohook_proto::{EndCause, ServerFault};
use sidetone_consumer::GapView;
use sidetone_delivery_wire::{GapReason, reason_name};
use sidetone_genesys_sim::{AgentSpan, CallerReport, Expected, SessionTruth, Stretch};
use sidetone_model::{AgentId, Media, NotOurs, Timestamp, UnmatchedReason};

use super::heard::Heard;
use super::people::{self, What};
use super::problems::{Cause, Problem, Problems};
use super::recording::SessionRecording;
use super::sound::{self, Expectation};
use super::stretches::{around_edges, common, joined, millis_up, place_of_first, samples, without};
use super::verdict::Verdict;

/// How far around an edge sound may lie that is nobody's.
///
/// Units: milliseconds.
const EDGE_MS: u64 = 300;

/// The limit for delivery, after the later of the two halves of a match.
const MATCHED_MS_MAX: u64 = 1_000;

/// The limit for `opened`: 200 ms whatever the store does, and the way there and back.
const OPENED_MS_MAX: u64 = 400;

/// Everything about one audio session.
#[derive(Debug)]
pub struct Case<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// The script's seed.
    pub seed: u64,
    /// What is true of the session, by its script.
    pub truth: &'a SessionTruth,
    /// What the client did and saw.
    pub report: &'a CallerReport,
    /// When the call began on the run's clock.
    pub began_at: Timestamp,
    /// What the stream delivered; nothing if it has nothing of this session.
    pub heard: Option<&'a Heard>,
    /// What the recorder made of it; nothing if it made nothing.
    pub recording: Option<&'a SessionRecording>,
}

/// Sets of media that several questions need.
struct Sets {
    /// What the client withheld of its own will.
    withheld: Vec<Stretch>,
    /// The agents' segments.
    segments: Vec<Stretch>,
    /// What has to be delivered.
    owed: Vec<Stretch>,
    /// What of it was lost before it reached the door, and has to be declared.
    lost: Vec<Stretch>,
    /// What the library's user may use.
    kept: Vec<Stretch>,
}

/// Finds out everything that `simulate` has to show of a session.
pub fn judge(case: &Case<'_>) -> Verdict {
    let mut problems = Problems::default();
    let sets = case.sets();
    let expected = case.truth.expected.as_str().to_owned();
    let (outcome, reason) = case.outcome();
    if outcome != expected {
        let sentence = format!("expected {expected}, the outcome is {outcome}");
        problems.add(Problem::standstill(sentence));
    } else if !case.may_be_unmatched_for(reason.as_deref()) {
        let reason = reason.as_deref().unwrap_or("none");
        let sentence = format!("it is unmatched for another reason than expected: {reason}");
        problems.add(Problem::standstill(sentence));
    }
    case.check_client(&mut problems);
    let (accepted, committed, in_gaps) = case.check_frames(&sets.lost, &mut problems);
    let missed_ms = case.check_missed(&sets, &mut problems);
    let extra_ms = case.check_extra(&sets, &mut problems);
    let opened_ms = case.check_opened(&mut problems);
    let matched_ms = case.check_matched(&mut problems);
    let audio_exact = problems.exact(case.compare_frames());
    let agents_exact = problems.exact(case.compare_people(What::Agents));
    let holds_exact = problems.exact(case.compare_people(What::Holds));
    let events = [What::Mutes, What::Conferences].map(|what| case.compare_people(what));
    let events = events.into_iter().flatten().next().or_else(|| case.compare_transfers());
    let events_exact = problems.exact(events);
    let wav_exact = problems.exact(case.compare_recording(&sets));
    let (problems, cause) = problems.summed_up();
    Verdict {
        scenario: case.scenario.to_owned(),
        seed: case.seed,
        conversation_id: case.report.conversation.to_string(),
        session_id: case.report.session.to_string(),
        expected,
        outcome: outcome.to_owned(),
        reason,
        opened_ms,
        matched_ms,
        frames_sent: case.report.frames_sent,
        frames_accepted: accepted,
        frames_committed: committed,
        frames_in_gaps: in_gaps,
        missed_ms,
        extra_ms,
        audio_exact,
        agents_exact,
        holds_exact,
        events_exact,
        wav_exact,
        ok: problems.is_empty(),
        problems,
        plays: 1,
        cause,
    }
}

impl Case<'_> {
    fn sets(&self) -> Sets {
        let withheld = joined(self.report.withheld.iter().copied());
        let segments = joined(self.truth.segments.iter().map(|segment| segment.stretch));
        let kept = self
            .heard
            .map_or_else(Vec::new, |heard| joined(heard.kept().map(|frame| frame.stretch)));
        let owed = self.truth.owed(&withheld);
        let lost = common(&owed, &joined(self.report.lost.iter().copied()));
        Sets { owed: without(&owed, &lost), lost, withheld, segments, kept }
    }

    fn media(&self) -> Media {
        self.report.media.unwrap_or(Media::PCMU_STEREO)
    }

    /// Says what became of the session, in the words of [`Expected`], and why it was not
    /// matched, if it was not.
    ///
    /// The last thing said of its match counts. A duplicate whose first session ends before it
    /// may take over for a moment; that is a match only if something was delivered.
    fn outcome(&self) -> (&'static str, Option<String>) {
        let Some(heard) = self.heard else {
            let probe = self.report.conversation.is_nil() && self.report.opened_at.is_some();
            return (if probe { Expected::Probe.as_str() } else { "nothing" }, None);
        };
        let matches = heard.view().matches();
        let Some(last) = matches.last() else { return ("unknown", None) };
        let reason = matches.iter().rev().find(|one| one.agent.is_none());
        match reason {
            Some(reason) if last.agent.is_none() || heard.frames().is_empty() => {
                let duplicate = UnmatchedReason::Duplicate;
                let reason = reason.reason.to_string();
                let expected = match reason == reason_name(duplicate) {
                    true => Expected::Unmatched(duplicate),
                    false => Expected::Unmatched(UnmatchedReason::NoAgent),
                };
                (expected.as_str(), Some(reason))
            }
            Some(_) | None => (Expected::Matched.as_str(), None),
        }
    }

    /// Returns whether a session may be unmatched for that reason.
    ///
    /// Who is on a call with nobody of ours is only known if Genesys happens to tell of it: the
    /// tracker follows agents of ours, not everybody.
    fn may_be_unmatched_for(&self, reason: Option<&str>) -> bool {
        let Expected::Unmatched(expected) = self.truth.expected else { return true };
        let stranger = UnmatchedReason::NotOurs(NotOurs::UnknownUser);
        let unseen = expected == stranger && reason == Some(reason_name(UnmatchedReason::NoAgent));
        unseen || reason == Some(reason_name(expected))
    }

    fn check_client(&self, problems: &mut Problems) {
        let report = self.report;
        if report.opened_at.is_none() {
            problems.add(Problem::standstill("the session was never opened"));
        }
        if report.end != EndCause::Completed {
            let end = report.end;
            problems.add(Problem::standstill(format!("the session did not end as asked: {end:?}")));
        }
        for fault in &report.faults {
            let sentence = format!("the server broke the protocol: {fault}");
            let cause = if ran_out(fault) { Cause::Standstill } else { Cause::Fault };
            problems.add(Problem { sentence, cause });
        }
    }

    /// Compares the door's own counts with the stream's; returns frames accepted, committed,
    /// and in gaps.
    fn check_frames(&self, lost: &[Stretch], problems: &mut Problems) -> (u64, u64, u64) {
        let Some(heard) = self.heard else {
            if self.truth.expected != Expected::Probe {
                problems.add(Problem::standstill("the stream has nothing of the session"));
            }
            return (0, 0, 0);
        };
        if self.truth.expected == Expected::Probe {
            problems.add(Problem::fault("the stream has records of a probe"));
        }
        let view = heard.view();
        let committed = heard.frames().len() as u64;
        if self.truth.expected != Expected::Matched && committed > 0 {
            let sentence = format!("{committed} frames of a call that is nobody's were delivered");
            problems.add(Problem::fault(sentence));
        }
        let told: u64 = view.gaps().iter().map(|gap| u64::from(gap.frames)).sum();
        let Some(end) = view.end() else {
            problems.add(Problem::standstill("the stream does not say that the session ended"));
            return (committed, committed, told);
        };
        let (accepted, in_gaps) = (end.ended.frames_accepted, end.ended.frames_in_gaps.max(told));
        if accepted != committed + in_gaps {
            problems.add(Problem::fault(format!(
                "{accepted} frames were accepted, {committed} committed and {in_gaps} lie in gaps"
            )));
        }
        if in_gaps > 0 {
            problems.add(Problem::fault(format!("{in_gaps} frames lie in gaps")));
        }
        let discarded = |gap: &GapView| gap.reason == GapReason::Discarded;
        let all_lost = &self.report.lost;
        let undelivered = |gap: &GapView| {
            let stretch = gap.to.map(|to| Stretch::new(gap.from, to));
            gap.reason == GapReason::Undelivered && stretch.is_some_and(|s| all_lost.contains(&s))
        };
        for place in lost {
            let covers = |gap: &GapView| {
                undelivered(gap) && gap.from <= place.from && gap.to >= Some(place.to)
            };
            if !view.gaps().iter().any(covers) {
                let from = place.from.as_millis();
                let sentence = format!("what was lost on its way at {from} ms is not declared");
                problems.add(Problem::fault(sentence));
            }
        }
        for gap in view.gaps().iter().filter(|gap| !discarded(gap) && !undelivered(gap)) {
            let sentence = format!("a gap at {} ms: {:?}", gap.from.as_millis(), gap.reason);
            // An event comes too late for the ring if the machine stands still.
            let late = gap.reason == GapReason::LateEvent;
            let cause = if late { Cause::Standstill } else { Cause::Fault };
            problems.add(Problem { sentence, cause });
        }
        if !view.missing().is_empty() {
            problems.add(Problem::fault("records are missing in the stream"));
        }
        (accepted, committed, in_gaps)
    }

    fn check_missed(&self, sets: &Sets, problems: &mut Problems) -> u64 {
        let missed = without(&sets.owed, &sets.kept);
        let missed_ms = millis_up(samples(&missed));
        let allowed = self.truth.missed_ms_max;
        // Something may be missed where the agent changes, never in mid-talk.
        let elsewhere = without(&missed, &around_edges(&sets.segments, allowed));
        if missed_ms > allowed || !elsewhere.is_empty() {
            let place = place_of_first(if elsewhere.is_empty() { &missed } else { &elsewhere });
            let sentence = format!("{missed_ms} ms were missed, {allowed} may be: {place}");
            // What was sent and belongs to an agent is delivered, however late.
            let sent = joined(self.report.sent.iter().copied());
            let unsent = common(&missed, &sent).is_empty();
            let cause = Cause::slowness_if(unsent, Cause::Standstill);
            problems.add(Problem { sentence, cause });
        }
        missed_ms
    }

    fn check_extra(&self, sets: &Sets, problems: &mut Problems) -> u64 {
        let somebodys = without(&sets.segments, &self.truth.away);
        let nobodys = without(&sets.kept, &somebodys);
        // What the client withheld cannot have been delivered, whoever was connected.
        let secret = common(&sets.kept, &sets.withheld);
        let extra = joined(nobodys.iter().chain(&secret).copied());
        let extra_ms = millis_up(samples(&extra));
        let near = around_edges(&sets.segments, EDGE_MS);
        let elsewhere = joined(without(&nobodys, &near).into_iter().chain(secret));
        if extra_ms > self.truth.extra_ms_max || !elsewhere.is_empty() {
            let place = place_of_first(if elsewhere.is_empty() { &extra } else { &elsewhere });
            let sentence = format!(
                "{extra_ms} ms of nobody's were delivered, {} may be: {place}",
                self.truth.extra_ms_max
            );
            let misplaced = common(&sets.kept, &sets.withheld).is_empty();
            let cause = Cause::slowness_if(misplaced, Cause::Fault);
            problems.add(Problem { sentence, cause });
        }
        extra_ms
    }

    fn check_opened(&self, problems: &mut Problems) -> Option<u64> {
        let opened_ms =
            u64::try_from(self.report.opened_after?.as_micros().div_ceil(1_000)).ok()?;
        if opened_ms > OPENED_MS_MAX {
            let sentence =
                format!("it was opened after {opened_ms} ms, the limit is {OPENED_MS_MAX}");
            problems.add(Problem::slowness(sentence));
        }
        Some(opened_ms)
    }

    fn check_matched(&self, problems: &mut Problems) -> Option<u64> {
        let matchable = self.began_at + self.truth.matchable?;
        let report = self.report;
        let asked = report.opened_at.zip(report.opened_after).map(|(at, after)| at - after);
        let later = asked.map_or(matchable, |asked| asked.max(matchable));
        let first = self.heard?.kept().map(|frame| frame.committed_at).min()?;
        let matched_ms = u64::try_from(first.since(later).as_micros().div_ceil(1_000)).ok()?;
        if matched_ms >= MATCHED_MS_MAX {
            problems.add(Problem::slowness(format!(
                "the first audio was delivered {matched_ms} ms after the match, the limit is \
                 {MATCHED_MS_MAX}"
            )));
        }
        Some(matched_ms)
    }

    fn compare_frames(&self) -> Option<Problem> {
        let sent = joined(self.report.sent.iter().copied());
        sound::compare_frames(self.heard?, self.truth, self.media(), &sent)
    }

    /// Compares what the library says, and what stands beside the recording, with the truth.
    fn compare_people(&self, what: What) -> Option<Problem> {
        // A duplicate is told of the same call; that it delivers nothing is another question.
        if self.truth.expected == Expected::Unmatched(UnmatchedReason::Duplicate) {
            return None;
        }
        let spans = |spans: &[AgentSpan]| -> Vec<(AgentId, Stretch)> {
            spans.iter().map(|one| (one.agent.clone(), one.stretch)).collect()
        };
        let truth: Vec<(AgentId, Stretch)> = match what {
            What::Agents => {
                self.truth.stints().into_iter().map(|one| (one.agent, one.stretch)).collect()
            }
            What::Holds => spans(&self.truth.holds),
            What::Mutes => spans(&self.truth.mutes),
            What::Conferences => spans(&self.truth.conferences),
        };
        let heard = self.heard.map(|heard| what.heard(heard)).unwrap_or_default();
        what.compare("in the stream", &heard, &truth, self.truth).or_else(|| {
            let recorded = self.recording.map(|one| what.recorded(one)).unwrap_or_default();
            what.compare("beside the recording", &recorded, &truth, self.truth)
        })
    }

    /// Compares how agents handed the customer on with how they did.
    fn compare_transfers(&self) -> Option<Problem> {
        if self.truth.expected == Expected::Unmatched(UnmatchedReason::Duplicate) {
            return None;
        }
        let truth: Vec<(AgentId, String)> = self
            .truth
            .transfers
            .iter()
            .map(|(who, how)| (who.clone(), (*how).to_owned()))
            .collect();
        let heard = self.heard.map(people::transfers_heard).unwrap_or_default();
        let recorded = self.recording.map(people::transfers_recorded).unwrap_or_default();
        [("in the stream", heard), ("beside the recording", recorded)].into_iter().find_map(
            |(place, found)| {
                let sentence = || format!("transfers {place}: {found:?}; in truth {truth:?}");
                (found != truth).then(|| Problem::standstill(sentence()))
            },
        )
    }

    fn compare_recording(&self, sets: &Sets) -> Option<Problem> {
        let Some(recording) = self.recording else {
            let none = self.truth.expected == Expected::Probe;
            return (!none).then(|| Problem::standstill("no recording was finished"));
        };
        if self.truth.expected == Expected::Probe {
            return Some(Problem::fault("a probe was recorded"));
        }
        let near = around_edges(&sets.segments, EDGE_MS);
        let either = joined(near.iter().chain(&self.truth.moved).copied());
        let expected = Expectation {
            truth: self.truth,
            media: self.media(),
            owed: common(&sets.owed, &sets.kept),
            tolerated: common(&sets.kept, &either),
            kept: sets.kept.clone(),
        };
        sound::compare_recording(recording, &expected)
    }
}

/// Returns whether a server's fault is that it did not answer in time.
fn ran_out(fault: &ServerFault) -> bool {
    matches!(
        fault,
        ServerFault::OpenTimeout
            | ServerFault::PongTimeout
            | ServerFault::CloseTimeout
            | ServerFault::ClosedSocketFirst
    )
}
