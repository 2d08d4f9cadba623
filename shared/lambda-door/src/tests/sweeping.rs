//! What only the sweep sees to.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use sidetone_delivery_wire::Body;
use sidetone_model::{
    AgentId, Attribution, Changes, CommunicationId, Direction, Leg, ParticipantId, SessionPhase,
    UserId,
};

use super::stage::{World, connection, key, open, text};

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_is_told_so_and_hung_up_on() {
    let world = World::new(9, false, Duration::from_millis(5));
    let sweeper = world.sweeper();
    world.admit().await;
    tokio::time::sleep(Duration::from_millis(5_900)).await;
    assert!(world.said().is_empty());
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(world.kinds(), ["disconnect"]);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(world.line.is_hung_up(&connection()));
    world.disconnected().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    sweeper.abort();
    assert!(world.is_over());
    assert!(world.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_letter_brings_the_match() {
    let world = World::new(10, true, Duration::from_millis(5));
    let sweeper = world.sweeper();
    world.admit().await;
    world.message(&open()).await;
    let now = world.clock.now();
    let leg = Leg {
        key: key(),
        participant: ParticipantId::new("p-1"),
        communication: CommunicationId::new("c-1"),
        user: UserId::new(uuid::Uuid::from_u128(7)),
        attribution: Attribution::Ours(AgentId::new("ada")),
        attributed_at: now,
        earlier: Default::default(),
        direction: Direction::Inbound,
        queue: None,
        ringing_at: None,
        connected_at: Some(now),
        ended_at: None,
        end_reason: None,
        holds: Vec::new(),
        mutes: Changes::default(),
        conferences: Changes::default(),
        wrap_up_at: None,
        wrapped_up_at: None,
        late: false,
        sources: BTreeSet::new(),
    };
    world.write_leg(&leg).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    sweeper.abort();
    let is_matched = |body: &Body| matches!(body, Body::Match(of) if of.agent_id == "ada");
    assert!(world.bodies().iter().any(is_matched), "{:?}", world.bodies());
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_state_is_lost_is_declared_lost() {
    let world = World::new(11, false, Duration::ZERO);
    world.admit().await;
    world.message(&open()).await;
    assert_eq!(world.phase(), Some(SessionPhase::Live));
    world.forget_connection();
    tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
    let sweeper = world.sweeper();
    tokio::time::sleep(Duration::from_secs(5)).await;
    sweeper.abort();
    assert_eq!(world.phase(), Some(SessionPhase::Ended));
}

#[tokio::test(start_paused = true)]
async fn two_sweeps_at_once_do_what_one_does() {
    let world = World::new(12, false, Duration::from_millis(20));
    let sweepers = [world.sweeper(), world.sweeper(), world.sweeper()];
    world.admit().await;
    world.message(&open()).await;
    world.message(&text("ping", 3, 1, 0, json!({}))).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    sweepers.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(world.kinds(), ["opened", "disconnect"]);
    assert_eq!(world.line.overlaps(), 0);
}
