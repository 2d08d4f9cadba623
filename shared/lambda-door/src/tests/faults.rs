//! Stores, stream and line that fail.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use sidetone_testkit::LineFault;

use super::stage::{Broken, World, open, text};

fn ping(seq: u64, serverseq: u64) -> String {
    text("ping", seq, serverseq, 0, json!({}))
}

async fn opened() -> Arc<World> {
    let world = World::new(6, false, Duration::ZERO);
    world.admit().await;
    world.message(&open()).await;
    world
}

/// Breaks something for a while.
fn outage(world: &Arc<World>, what: Broken, lasts: Duration) {
    world.set_broken(what, true);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        tokio::time::sleep(lasts).await;
        world.set_broken(what, false);
    });
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_moment_is_not_noticed() {
    let world = opened().await;
    outage(&world, Broken::Connections, Duration::from_secs(1));
    world.message(&ping(2, 1)).await;
    assert_eq!(world.kinds(), ["opened", "pong"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_ends_the_session_as_the_protocol_does() {
    let world = opened().await;
    world.set_broken(Broken::Connections, true);
    let began_at = world.clock.now();
    let door = world.door(i64::MAX);
    let (one, two) = (ping(2, 1), ping(3, 1));
    tokio::join!(world.message_to(&door, &one), world.message_to(&door, &two));
    assert!(world.clock.now().since(began_at) < Duration::from_secs(4));
    assert_eq!(world.kinds(), ["opened", "disconnect"], "once, whoever came");
    let close = text("close", 4, 2, 0, json!({ "reason": "disconnect" }));
    world.message_to(&door, &close).await;
    assert_eq!(world.kinds(), ["opened", "disconnect", "closed"]);
}

#[tokio::test(start_paused = true)]
async fn open_is_answered_though_the_calls_cannot_be_looked_up() {
    let world = World::new(7, false, Duration::ZERO);
    world.admit().await;
    outage(&world, Broken::Calls, Duration::from_secs(3));
    let began_at = world.clock.now();
    let sweeper = world.sweeper();
    let answered = async {
        while world.said().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.clock.now().since(began_at)
    };
    let (answered_after, ()) = tokio::join!(answered, async { world.message(&open()).await });
    assert!(answered_after <= Duration::from_millis(600), "{answered_after:?}");
    tokio::time::sleep(Duration::from_secs(6)).await;
    sweeper.abort();
    assert!(world.session().is_some(), "written once it could be");
}

#[tokio::test(start_paused = true)]
async fn open_is_answered_after_few_calls() {
    let world = World::new(8, false, Duration::ZERO);
    world.admit().await;
    let before = world.calls.load(Ordering::Relaxed);
    world.message(&open()).await;
    // Read, write, join (write, query), write, say and put, write twice.
    assert_eq!(world.calls.load(Ordering::Relaxed) - before, 9);
    let before = world.calls.load(Ordering::Relaxed);
    world.message(&ping(2, 1)).await;
    // Read, write, say, write.
    assert_eq!(world.calls.load(Ordering::Relaxed) - before, 4);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_could_not_be_said_is_said_again_in_order() {
    for fault in [LineFault::Refuse, LineFault::Hang] {
        let world = opened().await;
        let sweeper = world.sweeper();
        world.line.next(fault);
        world.message(&ping(2, 1)).await;
        world.message(&ping(3, 1)).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        sweeper.abort();
        assert_eq!(world.kinds(), ["opened", "pong", "pong"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_down_keeps_no_client_waiting() {
    let world = opened().await;
    let sweeper = world.sweeper();
    outage(&world, Broken::Stream, Duration::from_secs(20));
    for seq in 2..6 {
        let began_at = world.clock.now();
        world.message(&ping(seq, seq - 1)).await;
        assert!(world.clock.now().since(began_at) < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    world.message(&text("close", 6, 5, 0, json!({ "reason": "end" }))).await;
    world.disconnected().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    sweeper.abort();
    assert_eq!(world.kinds(), ["opened", "pong", "pong", "pong", "pong", "closed"]);
    assert_eq!(world.bodies().len(), 3, "started, unmatched, ended");
    assert!(world.is_over());
}
