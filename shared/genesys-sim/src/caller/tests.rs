//! The client on real sockets, against a small door around the server machine.

use std::sync::Arc;
use std::time::Duration;

use sidetone_audiohook_proto::{
    ClientConfig, ClientEvent, ConnectFailure, DisconnectReason, EndCause, Faults, KeyId,
    PauseCause, Secret, ServerCommand, SessionEvent,
};
use sidetone_model::{Media, ParticipantId, Position, Timestamp};
use sidetone_ports::Clock;
use tokio_util::sync::CancellationToken;

use super::test_door::{Door, Heard, ORGANIZATION, SECRET};
use super::*;
use crate::voice::{CallVoice, Scene, Sound, Source, Speaker, Stretch};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Position {
    Position::from_millis(millis)
}

fn stretch(from: u64, to: u64) -> Stretch {
    Stretch::new(at(from), at(to))
}

fn target(url: &str) -> Target {
    let secret = Secret::from_base64(SECRET).unwrap();
    Target::new(url, ORGANIZATION.parse().unwrap(), KeyId::new("demo/ABC+def="), Some(secret))
        .unwrap()
}

/// A call of some length that begins now.
fn plan(clock: Clock, length: u64) -> CallerPlan {
    let mut config = ClientConfig::call(
        uuid::Uuid::new_v4().to_string().parse().unwrap(),
        ORGANIZATION.parse().unwrap(),
        "c0ffee12-3456-4789-8abc-def012345678".parse().unwrap(),
        ParticipantId::new("beefcafe-4321-4cba-9fed-ba9876543210"),
    );
    config.frame = ms(200);
    let talk = Scene { stretch: stretch(0, 60_000), sound: Sound::Talk(Speaker::agent(0)) };
    let begins = Timestamp::from_millis(clock.now().as_millis());
    CallerPlan {
        config,
        begins,
        connects_at: begins,
        ends: begins + ms(length),
        cues: Vec::new(),
        sound: Source::Call(Arc::new(CallVoice::new(1, Speaker::customer(0), vec![talk]))),
        sound_from: at(2_000),
        retries: Default::default(),
    }
}

fn cue(plan: &CallerPlan, millis: u64, deed: Deed) -> Cue {
    Cue { at: plan.begins + ms(millis), deed }
}

async fn played(clock: Clock, url: &str, plan: CallerPlan) -> CallerReport {
    call(clock, &target(url), plan, CancellationToken::new()).await
}

/// Checks that what the server heard is what the client says it sent, to the byte.
fn check_sound(heard: &Heard, report: &CallerReport, sound: &Source) {
    let mut places = Vec::new();
    for (position, bytes) in heard.audio() {
        let samples = bytes.len() / 2;
        Stretch::new(position, position.plus_samples(samples as u64)).append_to(&mut places);
        let mut expected = Vec::new();
        let from = at(2_000).plus_samples(position.samples());
        sound.encode(Media::PCMU_STEREO, from, samples, &mut expected);
        assert!(bytes == expected, "at {position:?}");
    }
    assert_eq!(places, report.sent);
}

#[tokio::test(start_paused = true)]
async fn sends_all_of_a_call_to_the_last_sample() {
    let clock = Clock::scaled(10.0);
    let door = Door::open(clock).await;
    let plan = plan(clock, 7_330);
    let sound = plan.sound.clone();
    let report = played(clock, &door.url, plan).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.sent, [stretch(0, 7_330)]);
    assert_eq!(report.length, at(7_330));
    assert_eq!(report.attempts, 1);
    assert!(report.round_trips().count() >= 2);
    let heard = door.heard();
    assert_eq!(heard.violations(), 0);
    assert_eq!(heard.verified, 1);
    check_sound(&heard, &report, &sound);
}

#[tokio::test(start_paused = true)]
async fn sends_nothing_while_the_server_pauses() {
    let clock = Clock::scaled(10.0);
    let door = Door::open_with(clock, |door| {
        door.commands = vec![(ms(2_000), ServerCommand::Pause), (ms(4_000), ServerCommand::Resume)];
    })
    .await;
    let plan = plan(clock, 6_000);
    let sound = plan.sound.clone();
    let report = played(clock, &door.url, plan).await;
    assert!(report.is_clean(), "{report:?}");
    let [pause] = report.paused[..] else { panic!("one pause, {:?}", report.paused) };
    assert!(pause.millis() > 1_500);
    assert_eq!(report.withheld, []);
    assert_eq!(report.sent, Stretch::without(&[stretch(0, 6_000)], &[pause]));
    let heard = door.heard();
    assert_eq!(heard.violations(), 0);
    check_sound(&heard, &report, &sound);
}

#[tokio::test(start_paused = true)]
async fn withholds_what_its_own_pauses_and_discards_say() {
    let clock = Clock::scaled(10.0);
    let door = Door::open(clock).await;
    let mut plan = plan(clock, 12_000);
    plan.cues = vec![
        cue(&plan, 2_050, Deed::Pause),
        cue(&plan, 4_000, Deed::Resume),
        cue(&plan, 6_000, Deed::Discard { length: ms(1_000), stuck: ms(1_500) }),
    ];
    let sound = plan.sound.clone();
    let report = played(clock, &door.url, plan).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.withheld, [stretch(2_000, 4_000), stretch(6_000, 7_000)]);
    assert_eq!(report.sent, Stretch::without(&[stretch(0, 12_000)], &report.withheld));
    let heard = door.heard();
    assert_eq!(heard.violations(), 0);
    let paused = SessionEvent::Paused { position: at(2_000), cause: PauseCause::Client };
    assert!(heard.events.contains(&paused));
    assert!(heard.events.contains(&SessionEvent::Discarded { start: at(6_000), to: at(7_000) }));
    check_sound(&heard, &report, &sound);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_comes_at_once_and_what_was_dropped_is_declared() {
    let clock = Clock::scaled(10.0);
    let door = Door::open(clock).await;
    let mut plan = plan(clock, 24_000);
    plan.connects_at = plan.begins + ms(21_000);
    plan.cues = vec![cue(&plan, 0, Deed::Discard { length: ms(2_400), stuck: ms(0) })];
    let sound = plan.sound.clone();
    let report = played(clock, &door.url, plan).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.withheld, [stretch(0, 2_400)]);
    assert_eq!(report.sent, [stretch(2_400, 24_000)]);
    let heard = door.heard();
    assert_eq!(heard.violations(), 0);
    assert!(heard.audio().any(|(_, bytes)| bytes.len() > 60_000));
    check_sound(&heard, &report, &sound);
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_server_is_tried_again_and_nothing_is_lost() {
    let clock = Clock::scaled(10.0);
    let door = Door::open_with(clock, |door| door.overloaded = 2).await;
    let plan = plan(clock, 6_000);
    let report = played(clock, &door.url, plan).await;
    assert_eq!(report.end, EndCause::Completed);
    assert_eq!(report.attempts, 3);
    assert_eq!(report.sent, [stretch(0, 6_000)]);
    // Each attempt had a nonce of its own, or the door would have refused it.
    assert_eq!(door.heard().verified, 3);
    let reason = DisconnectReason::Error;
    let sent_away = ClientEvent::Disconnected { reason, info: Some("capacity".to_owned()) };
    let times = report.log.iter().filter(|entry| entry.event == sent_away).count();
    assert_eq!(times, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final() {
    let clock = Clock::scaled(10.0);
    let door = Door::open_with(clock, |door| door.secret = "b3RoZXI=").await;
    let report = played(clock, &door.url, plan(clock, 1_000)).await;
    let refused = ConnectFailure::Refused { status: 401 };
    assert_eq!(report.end, EndCause::ConnectFailed(refused));
    assert_eq!(report.attempts, 1);
    assert_eq!(report.sent, []);
    assert!(!report.is_clean());

    let nobody = played(clock, "ws://127.0.0.1:9/audiohook/ws", plan(clock, 1_000)).await;
    assert_eq!(nobody.end, EndCause::ConnectFailed(ConnectFailure::HostUnavailable));
}

#[tokio::test(start_paused = true)]
async fn a_server_without_tls_is_no_secure_one() {
    let clock = Clock::scaled(10.0);
    let door = Door::open(clock).await;
    let mut plan = plan(clock, 1_000);
    plan.retries.retries_max = 1;
    let report = played(clock, &door.url.replace("ws://", "wss://"), plan).await;
    assert_eq!(report.end, EndCause::ConnectFailed(ConnectFailure::Broken));
    assert_eq!(report.attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_secret_nothing_is_signed() {
    let clock = Clock::scaled(10.0);
    let door = Door::open(clock).await;
    let organization = ORGANIZATION.parse().unwrap();
    let unsigned = Target::new(&door.url, organization, KeyId::new("demo"), None).unwrap();
    let report = call(clock, &unsigned, plan(clock, 1_000), CancellationToken::new()).await;
    assert_eq!(report.end, EndCause::ConnectFailed(ConnectFailure::Refused { status: 401 }));
    assert_eq!(door.heard().unsigned, 1);
}

#[tokio::test(start_paused = true)]
async fn frames_after_paused_carry_the_marker_and_nothing_of_the_call() {
    let clock = Clock::scaled(10.0);
    let door = Door::open_with(clock, |door| {
        door.commands = vec![(ms(1_000), ServerCommand::Pause)];
        door.lenient = true;
    })
    .await;
    let mut plan = plan(clock, 3_000);
    plan.config.faults = Faults { frames_after_paused: 2, ..Faults::default() };
    played(clock, &door.url, plan).await;
    let heard = door.heard();
    let marked = heard.frames.iter().filter(|frame| frame.starts_with(PAUSED_MARKER));
    assert_eq!(marked.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_over_at_once() {
    let clock = Clock::scaled(10.0);
    let door = Door::open(clock).await;
    let mut plan = plan(clock, 30_000);
    let session = plan.config.session.session_id();
    plan.config = ClientConfig::probe(session, ORGANIZATION.parse().unwrap());
    let report = played(clock, &door.url, plan).await;
    assert!(report.is_clean(), "{report:?}");
    assert!(report.conversation.is_nil());
    assert!(report.length < at(5_000));
    assert_eq!(door.heard().violations(), 0);
}

#[tokio::test(start_paused = true)]
async fn stopping_hangs_up_in_order() {
    let clock = Clock::scaled(10.0);
    let door = Door::open(clock).await;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        clock.sleep(ms(2_000)).await;
        stopping.cancel();
    });
    let report = call(clock, &target(&door.url), plan(clock, 60_000), stop).await;
    assert!(report.is_clean(), "{report:?}");
    assert!(report.length < at(10_000));
    assert_eq!(door.heard().violations(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_says_nothing() {
    let clock = Clock::scaled(10.0);
    let door = Door::open(clock).await;
    let mut plan = plan(clock, 60_000);
    plan.cues = vec![cue(&plan, 2_000, Deed::Vanish)];
    let report = played(clock, &door.url, plan).await;
    assert_eq!(report.end, EndCause::Abandoned);
    assert_eq!(report.faults, []);
    assert_eq!(report.sent, [stretch(0, 2_000)]);
}

#[test]
fn a_target_is_a_websocket_url() {
    let new = |url| Target::new(url, ORGANIZATION.parse().unwrap(), KeyId::new("k"), None);
    for url in ["http://a/b", "a/b", "wss:///b", ""] {
        assert!(new(url).is_err(), "{url}");
    }
    assert_eq!(new("wss://a.example").unwrap().address(), "a.example:443");
    assert_eq!(new("ws://[::1]:8080/x?y=1").unwrap().address(), "[::1]:8080");
    let key = KeyId::new("with\nbreak");
    assert!(Target::new("wss://a/b", ORGANIZATION.parse().unwrap(), key, None).is_err());
}
