//! Each story says what it says, for any seed.

use sidetone_model::{Listen, Media, NotOurs, UnmatchedReason};

use super::*;
use crate::voice::Stretch;

const SEEDS: std::ops::Range<u64> = 0..40;

fn agents(truth: &SessionTruth) -> Vec<&str> {
    truth.segments.iter().map(|segment| segment.agent.as_str()).collect()
}

fn only(scenario: Scenario, seed: u64) -> (Script, SessionTruth) {
    let script = Script::new(scenario, seed);
    let mut sessions = script.truth().sessions;
    assert_eq!(sessions.len(), 1);
    (script, sessions.remove(0))
}

/// Checks, for many seeds, expectation, agents, allowances.
fn check(scenario: Scenario, expected: Expected, segments: usize, missed_ms_max: u64) {
    for seed in SEEDS {
        let (script, truth) = only(scenario, seed);
        assert_eq!(truth.expected, expected, "{scenario} {seed}");
        assert_eq!(truth.segments.len(), segments, "{scenario} {seed}");
        assert_eq!(truth.missed_ms_max, missed_ms_max, "{scenario} {seed}");
        assert!(truth.extra_ms_max <= 600 * segments as u64, "{scenario} {seed}");
        assert_eq!(truth.matchable.is_some(), segments > 0);
        assert_eq!(script.listen, scenario.listen());
    }
}

#[test]
fn the_simple_stories_have_one_agent_and_miss_nothing() {
    for scenario in [
        Scenario::Answered,
        Scenario::Queued,
        Scenario::EventFirst,
        Scenario::LateEvent,
        Scenario::AutoAnswerReady,
        Scenario::Hold,
        Scenario::Outbound,
        Scenario::SecurePause,
        Scenario::Burst,
        Scenario::Dialer,
        Scenario::Callback,
        Scenario::Monitored,
        Scenario::ChannelExpiry,
        Scenario::TokenRevoked,
        Scenario::MovedAdaptor,
        Scenario::MovedAway,
    ] {
        check(scenario, Expected::Matched, 1, 0);
    }
}

#[test]
fn while_an_agent_is_moved_away_nothing_is_owed_and_later_all_of_it_again() {
    for seed in SEEDS {
        let (_, truth) = only(Scenario::MovedAdaptor, seed);
        let whole = truth.segments[0].stretch;
        let owed = truth.owed(&[]);
        let ([moved], [away]) = (&truth.moved[..], &truth.away[..]) else {
            panic!("moved once: {truth:?}")
        };
        assert_eq!(owed, [Stretch::new(whole.from, moved.from), Stretch::new(moved.to, whole.to)]);
        assert!(away.from > moved.from && away.to < moved.to && away.samples() > 7 * 8_000);
        assert!(owed.iter().all(|stretch| stretch.samples() > 6 * 8_000), "{owed:?}");
    }
}

#[test]
fn what_was_said_before_an_agent_was_moved_for_good_is_owed() {
    for seed in SEEDS {
        let (_, truth) = only(Scenario::MovedAway, seed);
        let (whole, owed) = (truth.segments[0].stretch, truth.owed(&[]));
        assert_eq!(owed, [Stretch::new(whole.from, truth.moved[0].from)]);
        assert!(owed[0].samples() > 6 * 8_000 && truth.away[0].samples() > 7 * 8_000);
    }
}

#[test]
fn strangers_and_unanswered_calls_are_never_delivered() {
    let unmatched = |reason| Expected::Unmatched(UnmatchedReason::NotOurs(reason));
    check(Scenario::UnknownAgent, unmatched(NotOurs::UnknownUser), 0, 0);
    check(Scenario::Collision, unmatched(NotOurs::Collision), 0, 0);
    check(Scenario::Abandoned, Expected::Unmatched(UnmatchedReason::NotAnswered), 0, 0);
    check(Scenario::Voicemail, Expected::Unmatched(UnmatchedReason::NotAnswered), 0, 0);
    check(Scenario::Probe, Expected::Probe, 0, 0);
}

#[test]
fn a_transfer_changes_the_agent_and_may_cost_a_moment() {
    check(Scenario::Transfer, Expected::Matched, 2, 300);
    check(Scenario::TransferAway, Expected::Matched, 2, 600);
    for seed in SEEDS {
        let (_, truth) = only(Scenario::Transfer, seed);
        assert_ne!(agents(&truth)[0], agents(&truth)[1]);
        let (_, truth) = only(Scenario::TransferAway, seed);
        assert_eq!(agents(&truth)[0], agents(&truth)[1]);
    }
}

#[test]
fn an_answer_that_nobody_saw_coming_may_cost_its_lag() {
    for seed in SEEDS {
        let (script, truth) = only(Scenario::AutoAnswer, seed);
        let answer = script.steps.iter().find(|step| matches!(step.act, Act::AnswersAlone(_)));
        let lag = answer.unwrap().lag.as_millis() as u64;
        assert_eq!(truth.missed_ms_max, lag + 300);
        assert!(!script.steps.iter().any(|step| matches!(step.act, Act::Rings(_))));
        assert_eq!(Script::new(Scenario::AutoAnswerReady, seed).listen, Listen::Ready);
    }
}

#[test]
fn a_call_among_users_is_told_and_not_heard() {
    for seed in SEEDS {
        let script = Script::new(Scenario::AgentToAgent, seed);
        let truth = script.truth();
        assert!(script.sessions.is_empty() && truth.sessions.is_empty());
        let [caller, called] = &truth.told[..] else { panic!("two legs: {:?}", truth.told) };
        assert_ne!(caller.agent, called.agent);
        assert!(caller.rang < called.rang && called.rang < called.started);
        assert_eq!((caller.started, caller.ended), (called.started, called.ended));
        assert!(called.started < called.ended && called.ended < script.length());
        assert_eq!(Script::new(Scenario::Answered, seed).truth().told, []);
    }
}

/// What is found late is found before a door forgets what it heard.
#[test]
fn trouble_is_made_up_for_while_the_audio_is_still_known() {
    for seed in SEEDS {
        let (script, truth) = only(Scenario::LostEvent, seed);
        assert_eq!((truth.segments.len(), truth.missed_ms_max), (2, 300));
        let lost = script.steps.iter().filter(|step| step.lost).count();
        assert_eq!(lost, 3, "two answers and the end before the second");
        let answered = script.sessions[0].begins + truth.segments[0].stretch.from.as_duration();
        let told = truth.matchable.unwrap().saturating_sub(answered);
        assert!((2_500..4_000).contains(&told.as_millis()), "by the hold: {told:?}");
        let (_, truth) = only(Scenario::TokenRevoked, seed);
        let script = Script::new(Scenario::TokenRevoked, seed);
        let answered = script.sessions[0].begins + truth.segments[0].stretch.from.as_duration();
        let told = truth.matchable.unwrap().saturating_sub(answered);
        assert!((3_800..4_000).contains(&told.as_millis()), "by the repair: {told:?}");
    }
    for scenario in Scenario::ALL {
        let script = Script::new(scenario, 1);
        let strikes = script.steps.iter().any(|step| matches!(step.act, Act::Platform(_)));
        // It strikes nobody, and brings a second organization.
        let has_neighbour = scenario == Scenario::TwoOrgs;
        assert_eq!(strikes || has_neighbour, scenario.stands_alone(), "{scenario}");
    }
}

#[test]
fn the_twin_is_a_duplicate_and_owes_nothing() {
    for seed in SEEDS {
        let sessions = Script::new(Scenario::Twins, seed).truth().sessions;
        let [first, second] = &sessions[..] else { panic!("two sessions") };
        assert_eq!(first.expected, Expected::Matched);
        assert_eq!(first.segments.len(), 1);
        assert_eq!(second.expected, Expected::Unmatched(UnmatchedReason::Duplicate));
        assert_eq!(second.expected.as_str(), "duplicate");
        assert_eq!(second.segments, []);
        assert!(second.length < first.length);
    }
}

#[test]
fn times_are_what_the_stories_promise() {
    for seed in SEEDS {
        let from = |scenario| only(scenario, seed).1.segments[0].stretch.from.as_millis();
        assert!((19_000..21_500).contains(&from(Scenario::Queued)));
        assert_eq!(from(Scenario::EventFirst), 0);
        let (script, truth) = only(Scenario::LateEvent, seed);
        let told = truth.matchable.unwrap();
        let answered = script.sessions[0].begins + truth.segments[0].stretch.from.as_duration();
        assert!((2_000..2_100).contains(&told.saturating_sub(answered).as_millis()));
        let (script, _) = only(Scenario::UnknownAgent, seed);
        assert!(script.length() > Duration::from_secs(125));
        let (script, _) = only(Scenario::Abandoned, seed);
        assert!(script.length() < Duration::from_secs(20));
    }
}

#[test]
fn holds_lie_within_the_agents_segment() {
    for seed in SEEDS {
        let (_, truth) = only(Scenario::Hold, seed);
        assert_eq!(truth.holds.len(), 2);
        for hold in &truth.holds {
            assert_eq!(hold.stretch.common(truth.segments[0].stretch), Some(hold.stretch));
            assert!(hold.stretch.millis() >= 2_500);
        }
    }
}

#[test]
fn what_cannot_be_sent_is_not_owed() {
    for seed in SEEDS {
        let (_, truth) = only(Scenario::SecurePause, seed);
        assert_eq!(truth.unsendable.len(), 2);
        assert_eq!(truth.owed(&truth.unsendable).len(), 3);
        let (script, truth) = only(Scenario::Burst, seed);
        assert_eq!(truth.unsendable.len(), 2);
        assert_eq!(truth.unsendable[0].from, Position::ZERO);
        assert_eq!(truth.owed(&truth.unsendable).len(), 2);
        assert!(script.sessions[0].connects_after > Duration::from_secs(21));
        let backlog_at = Position::ZERO.plus(script.sessions[0].connects_after);
        assert!(truth.segments[0].stretch.from < backlog_at);
        assert!(truth.unsendable[1].from > backlog_at);
    }
}

#[test]
fn steps_are_in_order_and_every_position_is_a_whole_sample() {
    for (scenario, seed) in Scenario::ALL.iter().flat_map(|one| SEEDS.map(|seed| (*one, seed))) {
        let script = Script::new(scenario, seed);
        assert!(script.steps.is_sorted_by_key(|step| step.at), "{scenario} {seed}");
        for session in &script.sessions {
            assert!(session.ends > session.begins, "{scenario} {seed}");
            assert_eq!(session.length().as_duration(), session.ends - session.begins);
        }
        let long = [(Scenario::UnknownAgent, 150), (Scenario::MovedAdaptor, 110)];
        let longest = long.iter().find(|(one, _)| *one == scenario).map_or(60, |(_, most)| *most);
        assert!(script.length() < Duration::from_secs(longest), "{scenario} {seed}");
    }
}

#[test]
fn one_seed_is_one_call() {
    let bytes = |seed| {
        let (script, truth) = only(Scenario::Transfer, seed);
        let middle = Stretch::new(Position::from_millis(9_000), Position::from_millis(12_000));
        (script.steps, truth.pcm(middle, Media::PCMU_STEREO))
    };
    assert!(bytes(5) == bytes(5));
    assert!(bytes(5) != bytes(6));
}

#[test]
fn names_lead_to_scenarios() {
    for scenario in Scenario::ALL {
        assert_eq!(scenario.as_str().parse::<Scenario>(), Ok(scenario));
        assert!(scenario.summary().len() < 60, "{scenario}");
    }
    assert_eq!(Scenario::choose("all").unwrap(), Scenario::ALL);
    assert_eq!(
        Scenario::choose("auto-answer, hold,auto-answer-ready").unwrap(),
        [Scenario::AutoAnswer, Scenario::AutoAnswerReady, Scenario::Hold]
    );
    let error = Scenario::choose("hold,holdd").unwrap_err().to_string();
    assert!(error.starts_with("no scenario is called \"holdd\"; there are: all, answered, "));
}

#[test]
fn an_agent_is_heard_where_the_truth_says() {
    let (_, truth) = only(Scenario::Answered, 1);
    let talk = truth.segments[0].stretch;
    let pcm = truth.pcm(Stretch::new(talk.from, talk.from.plus_samples(1_600)), Media::PCMU_STEREO);
    let loud = pcm
        .as_chunks::<2>()
        .0
        .iter()
        .filter(|step| audio_codec_algorithms::decode_ulaw(step[1]).unsigned_abs() > 500);
    assert!(loud.count() > 200);
}
