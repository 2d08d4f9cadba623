//! How connections end: in order, overtaken, twice, or without a word.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sidetone_delivery_wire::{Body, EndCause};
use sidetone_model::SessionPhase;

use super::stage::{World, connection, open, text};

fn ping(seq: u64, serverseq: u64) -> String {
    text("ping", seq, serverseq, 0, json!({}))
}

fn close(seq: u64) -> String {
    text("close", seq, 0, 0, json!({ "reason": "end" }))
}

async fn opened() -> (Arc<World>, tokio::task::JoinHandle<()>) {
    let world = World::new(5, false, Duration::from_millis(5));
    let sweeper = world.sweeper();
    world.admit().await;
    world.message(&open()).await;
    (world, sweeper)
}

fn cause(world: &World) -> EndCause {
    let bodies = world.bodies();
    let Some(Body::SessionEnded(ended)) = bodies.last() else { panic!("{bodies:?}") };
    ended.cause()
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_may_overtake_its_last_messages() {
    let (world, sweeper) = opened().await;
    world.line.lose(&connection());
    world.disconnected().await;
    world.message(&close(3)).await;
    world.message(&ping(2, 1)).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    sweeper.abort();
    assert_eq!(cause(&world), EndCause::Closed);
    assert_eq!(world.phase(), Some(SessionPhase::Ended));
    assert!(world.is_over());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_comes_twice_is_one_end() {
    let (world, sweeper) = opened().await;
    world.line.lose(&connection());
    tokio::join!(world.disconnected(), world.disconnected());
    tokio::time::sleep(Duration::from_secs(15)).await;
    world.disconnected().await;
    sweeper.abort();
    assert_eq!(cause(&world), EndCause::ConnectionLost);
    assert_eq!(world.bodies().len(), 3, "started, unmatched, ended");
    assert!(world.is_over());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_never_comes_is_found_by_silence() {
    let (world, sweeper) = opened().await;
    world.line.lose(&connection());
    tokio::time::sleep(Duration::from_secs(60)).await;
    sweeper.abort();
    assert_eq!(cause(&world), EndCause::Violation, "no ping came");
    assert_eq!(world.phase(), Some(SessionPhase::Ended));
    assert!(world.is_over());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_leave_is_hung_up_on() {
    let (world, sweeper) = opened().await;
    world.message(&close(2)).await;
    assert_eq!(world.kinds(), ["opened", "closed"]);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!world.line.is_hung_up(&connection()));
    tokio::time::sleep(Duration::from_secs(4)).await;
    sweeper.abort();
    assert!(world.line.is_hung_up(&connection()));
    assert_eq!(cause(&world), EndCause::Closed);
}

#[tokio::test(start_paused = true)]
async fn no_connection_outlives_what_api_gateway_allows() {
    let (world, sweeper) = opened().await;
    for seq in 2..1_600 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.message(&ping(seq, seq - 1)).await;
    }
    sweeper.abort();
    assert!(world.line.is_hung_up(&connection()));
    assert_eq!(cause(&world), EndCause::ConnectionLost);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_missing_is_answered_as_the_protocol_says() {
    let (world, sweeper) = opened().await;
    world.message(&ping(3, 1)).await;
    tokio::time::sleep(Duration::from_millis(1_900)).await;
    assert_eq!(world.kinds(), ["opened"]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.kinds(), ["opened", "disconnect"]);
    world.message(&close(4)).await;
    sweeper.abort();
    assert_eq!(world.kinds(), ["opened", "disconnect", "closed"]);
}

#[tokio::test(start_paused = true)]
async fn another_message_under_an_old_number_is_a_breach_and_the_same_is_none() {
    let (world, sweeper) = opened().await;
    world.message(&ping(2, 1)).await;
    world.message(&ping(2, 1)).await;
    assert_eq!(world.kinds(), ["opened", "pong"]);
    world.message(&text("dtmf", 2, 1, 0, json!({ "digit": "1" }))).await;
    sweeper.abort();
    assert_eq!(world.kinds(), ["opened", "pong", "disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_a_breach() {
    for body in ["", "no message", "{}", "\"\u{0}\"", r#"{"message":"Forbidden"}"#] {
        let (world, sweeper) = opened().await;
        world.message(body).await;
        sweeper.abort();
        assert_eq!(world.kinds(), ["opened", "disconnect"], "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_accepted_unheard_and_the_stream_is_told_why() {
    let (world, sweeper) = opened().await;
    sweeper.abort();
    assert_eq!(world.said()[0]["parameters"]["media"], json!([]));
    let bodies = world.bodies();
    let Some(Body::SessionStarted(started)) = bodies.first() else { panic!("{bodies:?}") };
    assert_eq!(started.unheard, "text-only-door");
}
