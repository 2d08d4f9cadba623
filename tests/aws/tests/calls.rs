//! Calls through the ALB door's own binary, told by the deployed tracker and nobody else, and
//! written by the deployed recorder.

use sidetone_consumer::{Sidecar, recording_name};
use sidetone_genesys_sim::{Played, Scenario, Script, Stage, Stretch};
use sidetone_model::{ConversationKey, Position, SessionId};
use sidetone_ports::RecordingStore;
use tokio_util::sync::CancellationToken;

use crate::stream::Ledger;
use crate::world::{World, deployed, until};

/// What a WAV file has before its samples.
const WAV_HEADER_BYTES: usize = 44;

fn stage(world: &World) -> Stage {
    Stage {
        clock: world.clock,
        target: world.audio_target(),
        platform: Some(world.platform.clone()),
        sound: None,
        administrator: None,
    }
}

/// Waits until a call's recording is there, and returns its sidecar and the WAV's size.
pub(crate) async fn recording(
    world: &World,
    key: ConversationKey,
    session: SessionId,
) -> (Sidecar, usize) {
    let bucket = world.stack().output("RecordingsBucket").expect("an output");
    let recordings = world.aws.recordings(bucket);
    let name = recording_name(key, session);
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
    let organization = world.at.genesys.organization;
    let key = ConversationKey { organization, conversation: played.conversation };
    let (sidecar, bytes) = recording(world, key, report.session).await;
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
