//! The judge says yes to what is right, and no to everything else.

use std::time::Duration;

use sidetone_audiohook_proto::{EndCause, ServerFault};
use sidetone_delivery_wire::{Body, CallEventKind, Gap, GapReason, TransferKind};
use sidetone_genesys_sim::{Expected, Scenario, Script, Stretch};
use sidetone_model::Position;

use super::staged::{Staged, millis};
use super::{Cause, Verdict};
use crate::args::Plant;

/// Scenarios in which somebody is heard.
fn heard_scenarios() -> impl Iterator<Item = Scenario> {
    let matched = |scenario: &Scenario| Staged::new(*scenario).truth.expected == Expected::Matched;
    with_audio().filter(matched)
}

/// Scenarios that have a session.
fn with_audio() -> impl Iterator<Item = Scenario> {
    let has_audio = |scenario: &Scenario| !Script::new(*scenario, 7).sessions.is_empty();
    Scenario::ALL.into_iter().filter(has_audio)
}

/// What a machine may have brought about is told from what it cannot.
#[tokio::test(start_paused = true)]
async fn no_machine_is_the_cause_of_wrong_sound_or_names() {
    for plant in [Plant::DropFrame, Plant::SwapFrames, Plant::WrongAgent, Plant::DeliverPaused] {
        let staged = Staged::new(Scenario::SecurePause);
        let verdict = staged.verdict(&staged.found(Some(plant)).await);
        assert_eq!(verdict.cause, Some(Cause::Fault), "{plant:?} {verdict:?}");
    }
    let mut staged = Staged::new(Scenario::Hold);
    shift(&mut staged, CallEventKind::Retrieved, 400);
    assert_eq!(staged.judged().await.cause, Some(Cause::Slowness));
    let mut staged = Staged::new(Scenario::Hold);
    staged.report.faults.push(ServerFault::PongTimeout);
    assert_eq!(staged.judged().await.cause, Some(Cause::Standstill));
    assert_eq!(Staged::new(Scenario::Hold).judged().await.cause, None);
}

fn says(verdict: &Verdict, words: &str) {
    assert!(!verdict.ok, "{verdict:?}");
    let said = verdict.problems.iter().any(|problem| problem.contains(words));
    assert!(said, "{:?}", verdict.problems);
}

/// Moves every call event of a kind.
fn shift(staged: &mut Staged, kind: CallEventKind, by_ms: i64) {
    staged.change(|body| {
        if let Body::CallEvent(event) = body
            && event.kind() == kind
        {
            event.position = event.position.saturating_add_signed(by_ms * 8);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_faultless_call_is_as_it_has_to_be() {
    for scenario in with_audio() {
        let staged = Staged::new(scenario);
        let verdict = staged.judged().await;
        assert_eq!(verdict.problems, Vec::<String>::new(), "{scenario}");
        assert!(verdict.ok && verdict.expected == verdict.outcome, "{scenario}");
        assert_eq!((verdict.missed_ms, verdict.extra_ms), (0, 0), "{scenario}");
        assert_eq!(verdict.opened_ms, Some(9));
        let matched = staged.truth.expected == Expected::Matched;
        assert_eq!(verdict.matched_ms, matched.then_some(250), "{scenario}");
        assert_eq!(verdict.frames_committed > 0, matched);
        assert_eq!(verdict.frames_accepted, verdict.frames_committed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_may_take_over_when_there_is_nothing_left_to_hear() {
    let mut staged = Staged::session(Scenario::Twins, 1);
    let verdict = staged.judged().await;
    assert_eq!((verdict.ok, verdict.outcome.as_str()), (true, "duplicate"), "{verdict:?}");
    staged.bodies.insert(2, Staged::new(Scenario::Twins).bodies.swap_remove(1));
    let verdict = staged.judged().await;
    assert_eq!((verdict.ok, verdict.outcome.as_str()), (true, "duplicate"), "{verdict:?}");
    staged.add_audio(millis(5_000, 6_000));
    let verdict = staged.judged().await;
    says(&verdict, "expected duplicate, the outcome is matched");
}

#[tokio::test(start_paused = true)]
async fn a_stranger_may_be_nobody() {
    let mut staged = Staged::new(Scenario::UnknownAgent);
    staged.change(|body| {
        if let Body::Match(matched) = body {
            matched.reason = "no-agent".to_owned();
        }
    });
    assert!(staged.judged().await.ok);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_the_producer_dropped_is_missed() {
    for scenario in heard_scenarios() {
        let staged = Staged::new(scenario);
        let verdict = staged.verdict(&staged.found(Some(Plant::DropFrame)).await);
        assert!((100..=200).contains(&verdict.missed_ms), "{scenario} {verdict:?}");
        says(&verdict, "were missed");
        says(&verdict, "frames were accepted");
    }
}

#[tokio::test(start_paused = true)]
async fn two_frames_that_were_swapped_are_not_what_was_said() {
    for scenario in heard_scenarios() {
        let staged = Staged::new(scenario);
        let verdict = staged.verdict(&staged.found(Some(Plant::SwapFrames)).await);
        assert!(!verdict.audio_exact && !verdict.wav_exact, "{scenario} {verdict:?}");
        says(&verdict, "is not what was said there");
        assert_eq!((verdict.missed_ms, verdict.extra_ms), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_wrong_agent_is_noticed() {
    for scenario in heard_scenarios() {
        let staged = Staged::new(scenario);
        let verdict = staged.verdict(&staged.found(Some(Plant::WrongAgent)).await);
        assert!(!verdict.agents_exact, "{scenario} {verdict:?}");
        says(&verdict, "agents in the stream");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_spoken_in_a_pause_is_noticed() {
    let staged = Staged::new(Scenario::SecurePause);
    let verdict = staged.verdict(&staged.found(Some(Plant::DeliverPaused)).await);
    assert!(!verdict.audio_exact && !verdict.wav_exact);
    assert_eq!(verdict.extra_ms, 400);
    says(&verdict, "Genesys never sent");
    says(&verdict, "of nobody's were delivered");
    for scenario in heard_scenarios() {
        let staged = Staged::new(scenario);
        let verdict = staged.verdict(&staged.found(Some(Plant::DeliverPaused)).await);
        assert!(!verdict.audio_exact, "{scenario} {verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn little_may_be_missed_at_a_transfer_and_nothing_in_mid_talk() {
    let mut staged = Staged::new(Scenario::Transfer);
    let second = staged.truth.segments[1].stretch;
    let from = second.from.as_millis();
    let mut late = staged.clone();
    late.lose_audio(millis(from, from + 1));
    let verdict = late.judged().await;
    assert!(verdict.ok && (100..=200).contains(&verdict.missed_ms), "{verdict:?}");
    staged.lose_audio(millis(from + 4_000, from + 4_001));
    says(&staged.judged().await, "were missed");
}

#[tokio::test(start_paused = true)]
async fn an_edge_may_be_off_by_a_little() {
    for (by, ok) in [(-290, true), (-310, false), (310, false)] {
        let mut staged = Staged::new(Scenario::Answered);
        shift(&mut staged, CallEventKind::Started, by);
        let verdict = staged.judged().await;
        assert_eq!(verdict.agents_exact, ok, "{by}: {verdict:?}");
        let mut staged = Staged::new(Scenario::Hold);
        shift(&mut staged, CallEventKind::Retrieved, by);
        let verdict = staged.judged().await;
        assert_eq!((verdict.agents_exact, verdict.holds_exact), (true, ok), "{by}: {verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_too_many_or_too_few_is_noticed() {
    let mut staged = Staged::new(Scenario::Hold);
    staged.bodies.retain(|body| {
        let Body::CallEvent(event) = body else { return true };
        event.ordinal != 1 || event.kind() != CallEventKind::Held
    });
    assert!(!staged.judged().await.holds_exact);
}

#[tokio::test(start_paused = true)]
async fn what_else_happens_on_a_leg_is_compared() {
    for (scenario, kind) in [
        (Scenario::Consult, CallEventKind::Muted),
        (Scenario::Consult, CallEventKind::Unmuted),
        (Scenario::Conference, CallEventKind::ConferenceStarted),
        (Scenario::Conference, CallEventKind::ConferenceEnded),
    ] {
        for (by, ok) in [(290, true), (310, false)] {
            let mut staged = Staged::new(scenario);
            shift(&mut staged, kind, by);
            let verdict = staged.judged().await;
            assert_eq!(verdict.events_exact, ok, "{kind:?} by {by}: {verdict:?}");
        }
    }
    let mut staged = Staged::new(Scenario::Consult);
    for body in &mut staged.bodies {
        if let Body::CallEvent(event) = body
            && event.kind() == CallEventKind::Transferred
        {
            event.set_transfer(TransferKind::Blind);
        }
    }
    let verdict = staged.judged().await;
    assert_eq!((verdict.agents_exact, verdict.events_exact), (true, false), "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_nobodys_is_extra() {
    let mut staged = Staged::new(Scenario::Answered);
    let from = staged.truth.segments[0].stretch.from.as_millis();
    shift(&mut staged, CallEventKind::Started, -1_000);
    staged.add_audio(millis(from - 1_000, from));
    let verdict = staged.judged().await;
    assert_eq!(verdict.extra_ms, 1_000);
    assert!(!verdict.agents_exact && !verdict.wav_exact && verdict.audio_exact);
    says(&verdict, "1000 ms of nobody's");
    // The same without the correction: the consumer library drops it, and so it is fine.
    let mut staged = Staged::new(Scenario::Answered);
    staged.add_audio(millis(from - 1_000, from - 200));
    let verdict = staged.judged().await;
    assert!(verdict.ok && verdict.extra_ms == 0, "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn a_little_too_much_at_an_edge_is_let_pass() {
    let mut staged = Staged::new(Scenario::Answered);
    let from = staged.truth.segments[0].stretch.from.as_millis();
    shift(&mut staged, CallEventKind::Started, -100);
    staged.add_audio(millis(from - 100, from));
    let verdict = staged.judged().await;
    assert!(verdict.ok && verdict.extra_ms == 100, "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn frames_in_gaps_are_a_fault() {
    let mut staged = Staged::new(Scenario::Answered);
    let from = staged.truth.segments[0].stretch.from.samples() + 80_000;
    let lost = Gap {
        from,
        to: from + 800,
        reason: GapReason::Overflow.into(),
        frames: 1,
        ..Gap::default()
    };
    staged.bodies.insert(2, Body::Gap(lost));
    let verdict = staged.judged().await;
    assert_eq!(verdict.frames_in_gaps, 1);
    says(&verdict, "1 frames lie in gaps");
    says(&verdict, "Overflow");
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_on_its_way_has_to_be_declared() {
    let mut staged = Staged::new(Scenario::Answered);
    let middle = staged.truth.segments[0].stretch.from.samples() + 80_000;
    let frame = staged.bodies.iter().find_map(|body| {
        let Body::Audio(audio) = body else { return None };
        let from = Position::from_samples(audio.position);
        let stretch = Stretch::new(from, from.plus_samples(audio.samples.into()));
        (audio.position >= middle).then_some(stretch)
    });
    let lost = frame.expect("a call of more than ten seconds");
    staged.lose_audio(lost);
    staged.report.lost = vec![lost];
    says(&staged.judged().await, "is not declared");
    let gap = Gap {
        from: lost.from.samples(),
        to: lost.to.samples(),
        reason: GapReason::Undelivered.into(),
        ..Gap::default()
    };
    staged.bodies.insert(2, Body::Gap(gap));
    let verdict = staged.judged().await;
    assert!(verdict.ok, "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn another_outcome_than_expected_is_noticed() {
    let mut staged = Staged::new(Scenario::Collision);
    staged.change(|body| {
        if let Body::Match(matched) = body {
            matched.reason = "no-agent".to_owned();
        }
    });
    let verdict = staged.judged().await;
    assert_eq!(verdict.reason.as_deref(), Some("no-agent"));
    says(&verdict, "unmatched for another reason than expected: no-agent");
    let mut staged = Staged::new(Scenario::Abandoned);
    staged.add_audio(millis(1_000, 2_000));
    says(&staged.judged().await, "10 frames of a call that is nobody's");
    let mut staged = Staged::new(Scenario::Answered);
    staged.bodies.clear();
    let verdict = staged.judged().await;
    assert_eq!(verdict.outcome, "nothing");
    says(&verdict, "the stream has nothing of the session");
    assert!(!verdict.agents_exact && !verdict.wav_exact && verdict.missed_ms > 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_probe_leaves_nothing() {
    let mut staged = Staged::new(Scenario::Probe);
    staged.bodies = Staged::new(Scenario::Abandoned).bodies;
    let verdict = staged.judged().await;
    assert!(!verdict.wav_exact);
    says(&verdict, "the stream has records of a probe");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_never_ends_is_noticed() {
    let mut staged = Staged::new(Scenario::Answered);
    staged.bodies.pop();
    let verdict = staged.judged().await;
    says(&verdict, "does not say that the session ended");
    says(&verdict, "no recording was finished");
}

#[tokio::test(start_paused = true)]
async fn a_slow_match_or_opening_is_noticed() {
    let mut staged = Staged::new(Scenario::Queued);
    staged.delay = Duration::from_millis(1_000);
    let verdict = staged.judged().await;
    assert_eq!(verdict.matched_ms, Some(1_000));
    says(&verdict, "ms after the match");
    let mut staged = Staged::new(Scenario::Queued);
    staged.report.opened_after = Some(Duration::from_millis(410));
    says(&staged.judged().await, "opened after 410 ms");
}

#[tokio::test(start_paused = true)]
async fn what_the_client_complains_of_counts() {
    let mut staged = Staged::new(Scenario::Answered);
    staged.report.faults.push(ServerFault::NotJson);
    says(&staged.judged().await, "broke the protocol: text is not JSON");
    let mut staged = Staged::new(Scenario::Answered);
    staged.report.end = EndCause::PongTimeout;
    says(&staged.judged().await, "did not end as asked");
    let mut staged = Staged::new(Scenario::Answered);
    staged.report.opened_at = None;
    says(&staged.judged().await, "never opened");
}

#[tokio::test(start_paused = true)]
async fn audio_at_the_wrong_place_or_twice_is_noticed() {
    let mut staged = Staged::new(Scenario::Answered);
    let talk = staged.truth.segments[0].stretch.from.as_millis();
    staged.add_audio(millis(talk + 1_000, talk + 1_100));
    says(&staged.judged().await, "delivered twice");
    let mut staged = Staged::new(Scenario::Answered);
    let mut place = 0;
    staged.change(|body| {
        if let Body::Audio(audio) = body {
            place += 1;
            if place == 20 {
                let mut data = audio.data.to_vec();
                data.rotate_left(2);
                audio.data = data.into();
            }
        }
    });
    let verdict = staged.judged().await;
    assert!(!verdict.audio_exact && !verdict.wav_exact);
}

#[tokio::test(start_paused = true)]
async fn a_recording_is_compared_sample_by_sample() {
    let staged = Staged::new(Scenario::SecurePause);
    let mut found = staged.found(None).await;
    let good = found.recording.clone().unwrap();
    let spoiled = |spoil: fn(&mut Vec<i16>)| {
        let mut recording = good.clone();
        spoil(&mut recording.wave.as_mut().unwrap().samples);
        recording
    };
    for (words, spoil) in [
        (
            "its sides exchanged",
            (|samples| {
                samples.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
            }) as fn(&mut Vec<i16>),
        ),
        ("the recording is wrong at", |samples| samples[60_000] ^= 1),
        ("samples long", |samples| samples.truncate(60_000)),
    ] {
        found.recording = Some(spoiled(spoil));
        let verdict = staged.verdict(&found);
        assert!(!verdict.wav_exact && verdict.audio_exact);
        says(&verdict, words);
    }
    // A hum in the first pause, where nothing may be.
    let start = good.sidecar.start_position.unwrap();
    let pause = staged.report.withheld[0].from.samples() + 8_000 - start;
    let mut hum = good.clone();
    hum.wave.as_mut().unwrap().samples[2 * pause as usize] = 1;
    found.recording = Some(hum);
    says(&staged.verdict(&found), "the recording is not silent at");
    // Another count of channels.
    let mut mono = good.clone();
    mono.wave.as_mut().unwrap().channels = 1;
    found.recording = Some(mono);
    says(&staged.verdict(&found), "the recording has 1 channels");
    found.recording = Some(super::SessionRecording { wave: None, ..good });
    says(&staged.verdict(&found), "there is no recording");
}

#[test]
fn what_is_no_wav_is_refused() {
    assert!(super::Wave::decode(b"RIFF\x04\x00\x00\x00WAVE".as_slice().into()).is_err());
    assert!(super::SessionRecording::read(b"{}", None).is_err());
}
