//! Calls through the ALB door's own binary, told by the deployed tracker and nobody else, and
//! written by the deployed recorder.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use sidetone_consumer::{Sidecar, recording_name};
use sidetone_genesys_sim::{Played, Scenario, Script, Stage, Stretch};
use sidetone_model::Position;
use sidetone_ports::RecordingStore;
use tokio_util::sync::CancellationToken;

use crate::stream::Ledger;
use crate::world::{World, deployed, until};

/// How long calls keep coming while the tracker changes hands: two holds of 90 s, and the
/// minute after which a schedule replaces what was killed.
const DAY: Duration = Duration::from_secs(270);

/// Time between two calls.
const GAP: Duration = Duration::from_secs(9);

/// When the tracker is killed.
const KILLED_AT: Duration = Duration::from_secs(130);

/// What a WAV file has before its samples.
const WAV_HEADER_BYTES: usize = 44;

fn stage(world: &World) -> Stage {
    Stage {
        clock: world.clock,
        target: world.audio_target(),
        platform: Some(world.platform.clone()),
        sound: None,
    }
}

/// Waits until a call's recording is there, and returns its sidecar and the WAV's size.
async fn recording(world: &World, played: &Played) -> (Sidecar, usize) {
    let bucket = world.stack().output("RecordingsBucket").expect("an output");
    let recordings = world.aws.recordings(bucket);
    let name = recording_name(played.conversation, played.sessions[0].session);
    let (sidecar, wav) = (format!("{name}.json"), format!("{name}.wav"));
    until(&format!("{name} is recorded"), async || {
        let sidecar = recordings.recording(&sidecar).await.expect("readable")?;
        let wav = recordings.recording(&wav).await.expect("readable")?;
        let sidecar: Sidecar = serde_json::from_slice(&sidecar).expect("a sidecar");
        sidecar.end.is_some().then_some((sidecar, wav.len()))
    })
    .await
}

/// Asserts that a call was heard from the agent's first word to the last.
async fn assert_recorded(world: &World, played: &Played) {
    let report = &played.sessions[0];
    assert!(report.is_clean(), "{report:#?}");
    let truth = &played.truth.sessions[0];
    let segment = &truth.segments[0];
    let (sidecar, bytes) = recording(world, played).await;
    let agents: Vec<_> = sidecar.agents.iter().map(|agent| &agent.agent).collect();
    assert_eq!(agents, [&segment.agent], "{sidecar:#?}");
    assert!(sidecar.gaps.is_empty(), "{sidecar:#?}");
    let ledger = Ledger::read(world, world.stack()).await;
    assert_stream_is_true(&ledger, played);
    // Two channels, a byte a sample or two.
    let said = segment.stretch.samples() - truth.missed_ms_max * 8;
    let said = usize::try_from(said * 2).expect("a short call");
    assert!(bytes >= said + WAV_HEADER_BYTES, "{bytes} bytes of at least {said}");
}

/// Asserts that each frame in the stream is what was said at its place.
fn assert_stream_is_true(ledger: &Ledger, played: &Played) {
    let (report, truth) = (&played.sessions[0], &played.truth.sessions[0]);
    let media = report.media.expect("audio was taken");
    for audio in ledger.audio(report.session) {
        let from = Position::from_samples(audio.position);
        let to = from.plus_samples(u64::from(audio.samples));
        let said = truth.pcm(Stretch { from, to }, media);
        assert!(audio.data == said, "the frame at {from:?} is not what was said there");
    }
}

#[test]
fn a_call_through_the_alb_door_is_recorded_in_s3() {
    deployed(async |world| {
        world.tracked().await;
        let script = Script::new(Scenario::Answered, 7);
        let played = stage(world).play(script, &CancellationToken::new()).await;
        assert_recorded(world, &played).await;
    });
}

/// Returns the fence under which the tracker's lease is held, which each holder has anew.
async fn fence(world: &World) -> Option<u64> {
    let table = world.stack().output("TrackerTable").expect("an output");
    let question = json!({
        "TableName": table,
        "FilterExpression": "begins_with(pk, :lease)",
        "ExpressionAttributeValues": { ":lease": { "S": "lease#tracker" } },
    });
    let answer = world.cloud.json("dynamodb", "DynamoDB_20120810.Scan", &question).await;
    let answer = answer.expect("readable");
    let items = answer["Items"].as_array().expect("items");
    items.iter().find_map(|item| item["fence"]["N"].as_str()?.parse().ok())
}

/// Returns all holders there are until it is told to stop, by their fences.
async fn holders(world: &World, stop: &CancellationToken) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    while !stop.is_cancelled() {
        seen.extend(fence(world).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    seen
}

/// Kills the processes of a function, as nothing on AWS asks before it does.
fn kill(function: &str) -> usize {
    let name = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
    let of_function = |process: &fs::DirEntry| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|pair| pair == name.as_bytes())
    };
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let ids = processes
        .filter(of_function)
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter_map(rustix::process::Pid::from_raw);
    ids.filter(|id| rustix::process::kill_process(*id, rustix::process::Signal::KILL).is_ok())
        .count()
}

#[test]
fn every_call_is_matched_over_two_hand_overs_and_a_killed_tracker() {
    deployed(async |world| {
        world.tracked().await;
        let (stage, begun_at) = (stage(world), world.clock.now());
        let (stop, over) = (CancellationToken::new(), CancellationToken::new());
        let count = u32::try_from(DAY.as_secs() / GAP.as_secs()).expect("few calls");
        let calls = (0..count).map(|number| {
            let (stage, stop) = (&stage, &stop);
            async move {
                world.clock.sleep_until(begun_at + GAP * number).await;
                stage.play(Script::new(Scenario::Answered, 1_000 + u64::from(number)), stop).await
            }
        });
        let killing = async {
            world.clock.sleep_until(begun_at + KILLED_AT).await;
            kill(world.stack().output("TrackerFunction").expect("an output"))
        };
        let playing = async {
            let played = join_all(calls).await;
            over.cancel();
            played
        };
        let (played, killed, holders) = tokio::join!(playing, killing, holders(world, &over));
        assert!(killed > 0, "no tracker ran");
        assert!(holders.len() >= 4, "two hand-overs and one killed, by {holders:?}");
        for played in &played {
            assert_recorded(world, played).await;
        }
    });
}
