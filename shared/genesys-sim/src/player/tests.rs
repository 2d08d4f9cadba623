//! Scripts on a platform and a door of the tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sidetone_audiohook_proto::{KeyId, Secret};
use sidetone_model::{ConversationKey, Media, Timestamp};
use sidetone_ports::Clock;
use tokio_util::sync::CancellationToken;

use super::course::{Course, cut_short};
use super::*;
use crate::caller::Target;
use crate::caller::test_door::{Door, ORGANIZATION, SECRET};
use crate::platform::{Platform, PlatformConfig};
use crate::script::{Act, Cast, Expected, Scenario, Script};
use crate::voice::{Recording, Source, Stretch};

fn key() -> ConversationKey {
    ConversationKey {
        organization: ORGANIZATION.parse().unwrap(),
        conversation: "c0ffee12-3456-4789-8abc-def012345678".parse().unwrap(),
    }
}

async fn stage(clock: Clock, door: &Door) -> Stage {
    let organization = ORGANIZATION.parse().unwrap();
    let config = PlatformConfig::new(clock, organization, "client", "secret", Cast::sim_users());
    let secret = Secret::from_base64(SECRET).unwrap();
    let target = Target::new(&door.url, organization, KeyId::new("demo"), Some(secret)).unwrap();
    let platform = Some(Platform::start(config).await.unwrap());
    Stage { clock, target, platform, sound: None, administrator: None }
}

#[test]
fn every_story_fits_the_call_it_describes() {
    let begun_at = Timestamp::from_millis(1_786_698_000_000);
    for scenario in Scenario::ALL {
        for seed in 0..40 {
            let script = Script::new(scenario, seed);
            let course = Course::render(&script, key(), begun_at).unwrap();
            assert_eq!(course.notices.len(), script.steps.len());
            let Some(last) = course.notices.last() else {
                assert_eq!(scenario, Scenario::Probe);
                continue;
            };
            assert!(last.conversation.is_over(), "{scenario} {seed}");
            let customer = last.conversation.customer_participant();
            assert_eq!(customer.unwrap_or_default(), course.participant, "{scenario} {seed}");
        }
    }
}

#[test]
fn the_truth_agrees_with_what_the_platform_says() {
    let begun_at = Timestamp::from_millis(1_786_698_000_000);
    for scenario in Scenario::ALL {
        let script = Script::new(scenario, 3);
        let course = Course::render(&script, key(), begun_at).unwrap();
        let Some(last) = course.notices.last() else { continue };
        let talks: Vec<_> = Cast::everyone()
            .iter()
            .filter(|person| person.is_ours())
            .flat_map(|person| {
                let legs = last.conversation.legs().into_iter();
                legs.filter(|leg| leg.user == person.id).filter_map(move |leg| {
                    let answered = last.conversation.customer_connected_at()?;
                    Some((leg.connected_at?.max(answered), leg.ended_at?, person.agent()))
                })
            })
            .collect();
        // Calls among users have no audio.
        let Some(truth) = script.truth().sessions.into_iter().next() else { continue };
        if truth.expected != Expected::Matched {
            assert_eq!(talks, [], "{scenario}");
            continue;
        }
        let position_zero = begun_at + script.sessions[0].begins;
        let mut expected: Vec<_> = talks
            .into_iter()
            .map(|(from, to, agent)| (from.since(position_zero), to.since(position_zero), agent))
            .collect();
        expected.sort();
        // Whoever had the customer first keeps it until leaving.
        let mut until = Duration::ZERO;
        expected.retain_mut(|(from, to, _)| {
            *from = until.max(*from);
            until = until.max(*to);
            from < to
        });
        let segments = truth.segments.iter().map(|segment| {
            let Stretch { from, to } = segment.stretch;
            (from.as_duration(), to.as_duration(), segment.agent.clone())
        });
        assert_eq!(segments.collect::<Vec<_>>(), expected, "{scenario}");
    }
}

#[test]
fn a_call_can_be_cut_short_after_any_step() {
    let begun_at = Timestamp::from_millis(1_786_698_000_000);
    for scenario in Scenario::ALL {
        let course = Course::render(&Script::new(scenario, 1), key(), begun_at).unwrap();
        for notice in course.notices {
            let over = notice.conversation.is_over();
            let cut = cut_short(notice.conversation, notice.at + Duration::from_secs(1));
            assert_eq!(cut.is_none(), over, "{scenario}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn plays_a_call_on_all_sockets() {
    let clock = Clock::scaled(20.0);
    let door = Door::open(clock).await;
    let stage = stage(clock, &door).await;
    let script = Script::new(Scenario::Hold, 4);
    let steps = script.steps.len() as u64;
    let played = stage.play(script, &CancellationToken::new()).await;
    assert!(!played.cut_short);
    let [report] = &played.sessions[..] else { panic!("one session") };
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.conversation, played.conversation);
    assert_eq!(report.length, played.truth.sessions[0].length);
    let heard = door.heard();
    assert_eq!(heard.violations(), 0);
    for (position, bytes) in heard.audio() {
        let to = position.plus_samples(bytes.len() as u64 / 2);
        let expected = played.truth.sessions[0].pcm(Stretch::new(position, to), Media::PCMU_STEREO);
        assert!(bytes == expected);
    }
    assert_eq!(stage.platform.unwrap().stats().published, steps);
}

#[tokio::test(start_paused = true)]
async fn plays_every_short_story_without_a_fault() {
    let clock = Clock::scaled(12.0);
    let door = Door::open(clock).await;
    let stage = stage(clock, &door).await;
    let mut calls = tokio::task::JoinSet::new();
    for scenario in Scenario::ALL.into_iter().filter(|it| *it != Scenario::UnknownAgent) {
        let stage = stage.clone();
        calls.spawn(async move {
            stage.play(Script::new(scenario, 9), &CancellationToken::new()).await
        });
    }
    while let Some(played) = calls.join_next().await {
        let played = played.unwrap();
        for (report, truth) in played.sessions.iter().zip(&played.truth.sessions) {
            assert!(report.is_clean(), "{}: {report:?}", played.scenario);
            if truth.expected == Expected::Probe {
                continue;
            }
            let whole = Stretch::new(sidetone_model::Position::ZERO, truth.length);
            let sent = Stretch::without(&[whole], &report.withheld);
            assert_eq!(report.sent, sent, "{}", played.scenario);
            assert_eq!(report.withheld.len(), truth.unsendable.len(), "{}", played.scenario);
            for (withheld, unsendable) in report.withheld.iter().zip(&truth.unsendable) {
                // A pause begins at the end of a frame.
                let early = unsendable.from.samples_since(withheld.from);
                assert!(early <= 1_600, "{}: {early}", played.scenario);
            }
        }
    }
    assert_eq!(door.heard().violations(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_begins_with_the_session() {
    let clock = Clock::scaled(20.0);
    let door = Door::open(clock).await;
    let mut stage = stage(clock, &door).await;
    let file = Recording::from_pcmu(&[7; 40], &[9; 40]);
    stage.sound = Some(Source::File(Arc::new(file)));
    stage.platform = None;
    let played = stage.play(Script::new(Scenario::Abandoned, 1), &CancellationToken::new()).await;
    assert!(played.sessions[0].is_clean());
    assert!(door.heard().audio().all(|(_, bytes)| bytes.chunks(2).all(|step| step == [7, 9])));
}

#[tokio::test(start_paused = true)]
async fn a_recording_is_sent_whole_and_once() {
    let clock = Clock::scaled(20.0);
    let door = Door::open(clock).await;
    let mut stage = stage(clock, &door).await;
    stage.platform = None;
    let external: Vec<u8> = (0..72_345_u32).map(|place| (place % 251) as u8).collect();
    let file = Arc::new(Recording::from_pcmu(&external, &[]));
    let length = file.length();
    for seed in 0..4 {
        let played =
            stage.play(Script::of_recording(file.clone(), seed), &CancellationToken::new()).await;
        let [report] = &played.sessions[..] else { panic!("one session") };
        assert!(report.is_clean());
        let whole = Stretch::new(sidetone_model::Position::ZERO, length);
        assert_eq!(report.sent, [whole]);
        assert_eq!(played.truth.sessions[0].owed(&[]), [whole]);
    }
    let heard = door.heard();
    let customer: Vec<u8> =
        heard.audio().flat_map(|(_, bytes)| bytes.into_iter().step_by(2)).collect();
    assert!(customer == external.repeat(4));
}

#[tokio::test(start_paused = true)]
async fn a_town_calls_until_it_is_stopped_and_hangs_up_in_order() {
    let clock = Clock::scaled(20.0);
    let door = Door::open(clock).await;
    let stage = stage(clock, &door).await;
    let platform = stage.platform.clone().unwrap();
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        clock.sleep(Duration::from_secs(60)).await;
        stopping.cancel();
    });
    let over = Arc::new(Mutex::new(Vec::new()));
    let told = over.clone();
    let traffic = Traffic { gap: Duration::from_secs(5), calls_max: 3, ..Traffic::default() };
    Town::new(stage, traffic).live(stop, move |played| told.lock().unwrap().push(played)).await;
    let over = over.lock().unwrap();
    assert!(over.len() >= 3, "{} calls", over.len());
    assert!(over.iter().any(|played| played.cut_short));
    assert!(over.iter().flat_map(|played| &played.sessions).all(|report| report.faults.is_empty()));
    assert!(platform.stats().published > 10);
}

#[test]
fn a_call_names_everybody_on_it() {
    let script = Script::new(Scenario::Transfer, 2);
    let talkers = script.steps.iter().filter(|step| matches!(step.act, Act::Answers(_))).count();
    let mut people: Vec<_> = script.people().map(|person| person.id).collect();
    people.sort_unstable();
    people.dedup();
    assert_eq!(people.len(), talkers);
}
