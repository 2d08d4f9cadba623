//! A call that nobody tells but partner events: the deployed function takes them, and the call
//! is matched.
//!
//! The function is called as EventBridge calls it; onto the bus itself only Genesys may put
//! events of its source.

use std::time::Duration;

use futures_util::future::join;
use serde_json::{Value, json};
use sidetone_audiohook_proto::ClientConfig;
use sidetone_delivery_wire::{Body, CallEventKind};
use sidetone_genesys_sim::{Cast, Standing, call};
use sidetone_model::{ConversationId, ParticipantId, SessionId, Timestamp};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stream::Ledger;
use crate::world::{World, deployed, until};

/// The session of the agent's leg.
const AGENTS: &str = "s-agent";

/// How long the call lasts.
const CALL: Duration = Duration::from_secs(20);

/// When it rings at the agent.
const RINGS_AFTER: Duration = Duration::from_secs(2);

async fn take(world: &World, event: &Value) -> Value {
    let function = world.stack().output("GenesysEventsFunction").expect("an output");
    let invoked = world.cloud.invoke(function, event).await.expect("it is invoked");
    assert!(!invoked.failed, "{:?}", invoked.payload);
    invoked.payload
}

/// A detail event of a conversation of the simulated Genesys Cloud.
fn event(
    world: &World,
    conversation: ConversationId,
    kind: &str,
    at: Timestamp,
    extra: &Value,
) -> Value {
    let mut body = json!({
        "eventTime": at.as_millis(), "conversationId": conversation, "participantId": "p",
        "sessionId": AGENTS, "mediaType": "VOICE", "direction": "INBOUND",
    });
    body.as_object_mut().expect("an object").extend(extra.as_object().expect("one").clone());
    let topic = format!("v2.detail.events.conversation.{conversation}.{kind}");
    json!({
        "version": "0",
        "detail-type": format!("v2.detail.events.conversation.{{id}}.{kind}"),
        "source": format!("aws.partner/genesys.com/cloud/{}/local", world.at.genesys.organization),
        "detail": {"topicName": topic, "version": "2", "eventBody": body, "metadata": {}},
    })
}

#[test]
fn a_call_told_by_partner_events_alone_is_matched() {
    deployed(async |world| {
        let agent = Cast::of(Standing::Ours).next().expect("somebody");
        let (session, conversation) =
            (SessionId::new(Uuid::new_v4()), ConversationId::new(Uuid::new_v4()));
        let participant = ParticipantId::new(Uuid::new_v4().to_string());
        let organization = world.at.genesys.organization;
        let begins = world.clock.now();
        let plan = World::plan(
            ClientConfig::call(session, organization, conversation, participant),
            begins,
            CALL,
        );
        let target = world.audio_target();
        let calling = call(world.clock, &target, plan, CancellationToken::new());
        let telling = async {
            world.clock.sleep_until(begins + RINGS_AFTER).await;
            let ringing = json!({"userId": agent.id});
            let rings = event(world, conversation, "user.start", begins + RINGS_AFTER, &ringing);
            assert_eq!(take(world, &rings).await, json!({"taken": "saved"}));
            let answered_at = world.clock.now();
            let answered = json!({"acdOutcome": "ANSWERED", "answeredUserId": agent.id,
                                  "sessionId": "s-queue"});
            let answers = event(world, conversation, "acd.end", answered_at, &answered);
            for _ in 0..2 {
                assert_eq!(take(world, &answers).await, json!({"taken": "saved"}));
            }
        };
        let (report, ()) = join(calling, telling).await;
        assert!(report.is_clean(), "{report:#?}");
        let left = json!({"userId": agent.id, "disconnectType": "PEER"});
        let ends = event(world, conversation, "user.end", begins + CALL, &left);
        assert_eq!(take(world, &ends).await, json!({"taken": "saved"}));
        let bodies = until("the stream has its end", async || {
            let ledger = Ledger::read(world, world.stack()).await;
            let bodies: Vec<Body> = ledger.of(session).into_iter().cloned().collect();
            matches!(bodies.last(), Some(Body::SessionEnded(_))).then_some(bodies)
        })
        .await;
        let matched = bodies.iter().find_map(|body| {
            let Body::Match(one) = body else { return None };
            (!one.agent_id.is_empty()).then_some(one.agent_id.as_str())
        });
        assert_eq!(matched, Some(agent.agent().as_str()), "{bodies:#?}");
        let started = bodies.iter().filter(
            |body| matches!(body, Body::CallEvent(event) if event.kind() == CallEventKind::Started),
        );
        assert_eq!(started.count(), 1, "what came twice counts once");
        let heard = bodies.iter().any(
            |body| matches!(body, Body::Audio(audio) if audio.agent_id == agent.agent().as_str()),
        );
        assert!(heard, "the agent is heard");
    });
}

#[test]
fn partner_events_that_say_nothing_or_are_anothers_are_answered_and_left() {
    deployed(async |world| {
        let conversation = ConversationId::new(Uuid::new_v4());
        let flow = event(world, conversation, "flow.start", world.clock.now(), &json!({}));
        assert_eq!(take(world, &flow).await, json!({"taken": "nothing"}));
        assert_eq!(take(world, &json!({})).await, json!({"taken": "unreadable"}));
        let user = json!({"userId": Uuid::new_v4()});
        let mut foreign = event(world, conversation, "user.start", world.clock.now(), &user);
        let source = format!("aws.partner/genesys.com/cloud/{}/local", Uuid::new_v4());
        foreign["source"] = source.into();
        assert_eq!(take(world, &foreign).await, json!({"taken": "foreign"}));
    });
}
