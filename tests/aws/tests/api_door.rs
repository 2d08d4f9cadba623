//! The API Gateway door, through the strict front.

use std::time::Duration;

use sidetone_audiohook_proto::ClientConfig;
use sidetone_delivery_wire::Body;
use sidetone_genesys_sim::{CallerReport, call};
use sidetone_model::{ConversationId, ParticipantId, SessionId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::client::{Heard, Knock};
use crate::stream::Ledger;
use crate::world::{World, deployed, until};

/// How long the calls here last.
const CALL: Duration = Duration::from_secs(8);

fn session() -> SessionId {
    SessionId::new(Uuid::new_v4())
}

/// Plays a session against the API Gateway door as Genesys does.
async fn play(world: &World, config: ClientConfig) -> CallerReport {
    let begins = world.clock.now();
    let plan = World::plan(config, begins, CALL);
    call(world.clock, &world.api_target(), plan, CancellationToken::new()).await
}

#[test]
fn a_probe_is_opened_and_closed() {
    deployed(async |world| {
        let config = ClientConfig::probe(session(), world.at.genesys.organization);
        let report = play(world, config).await;
        assert!(report.is_clean(), "{report:#?}");
        assert_eq!(report.attempts, 1);
    });
}

#[test]
fn a_call_is_accepted_without_audio_and_the_stream_says_so() {
    deployed(async |world| {
        let (session, conversation) = (session(), ConversationId::new(Uuid::new_v4()));
        let participant = ParticipantId::new(Uuid::new_v4().to_string());
        let organization = world.at.genesys.organization;
        let config = ClientConfig::call(session, organization, conversation, participant);
        let report = play(world, config).await;
        assert!(report.is_clean(), "{report:#?}");
        assert_eq!((report.media, report.frames_sent), (None, 0), "{report:#?}");
        let bodies = until("the stream has its end", async || {
            let ledger = Ledger::read(world, world.stack()).await;
            let bodies: Vec<_> = ledger.of(session).into_iter().cloned().collect();
            bodies.iter().any(|body| matches!(body, Body::SessionEnded(_))).then_some(bodies)
        })
        .await;
        assert!(matches!(bodies.first(), Some(Body::SessionStarted(_))), "{bodies:#?}");
        assert!(!bodies.iter().any(|body| matches!(body, Body::Audio(_))), "{bodies:#?}");
    });
}

#[test]
fn a_binary_frame_closes_with_1003_as_on_aws() {
    deployed(async |world| {
        let knock = Knock::at(world, &world.stack().api_door);
        let mut client = knock.connect().await.expect("let in");
        client.open(world, ConversationId::new(Uuid::new_v4())).await;
        client.send_binary(vec![0xFF; 3_200]).await;
        assert_eq!(client.next().await, Heard::Closed(Some(1003)));
    });
}
