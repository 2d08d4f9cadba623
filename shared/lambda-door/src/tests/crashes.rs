//! Invocations that die between any two effects.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sidetone_delivery_wire::{Body, EndCause};
use sidetone_model::SessionPhase;

use super::stage::{World, kind_and_clientseq, open, text};

/// More half effects than one invocation has.
const POINTS: i64 = 28;

fn session() -> Vec<String> {
    let ping = |seq, serverseq| text("ping", seq, serverseq, 0, json!({}));
    let update = text("update", 4, 3, 0, json!({ "language": "de-DE" }));
    vec![
        open(),
        ping(2, 1),
        ping(3, 2),
        update,
        ping(5, 4),
        text("close", 6, 5, 0, json!({ "reason": "end" })),
    ]
}

/// Delivers each message twice; of message `of`, the first delivery dies at a point.
async fn play(of: usize, point: i64, messages: &[String]) -> Arc<World> {
    let world = World::new(point.unsigned_abs(), false, Duration::from_millis(3));
    let sweeper = world.sweeper();
    world.admit().await;
    for (place, message) in messages.iter().enumerate() {
        let door = world.door(if place == of { point } else { i64::MAX });
        let (first, text) = (Arc::clone(&world), message.clone());
        let dying = tokio::spawn(async move { first.message_to(&door, &text).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.message(message).await;
        // Long enough for a turn to lapse and the sweep to come.
        tokio::time::sleep(Duration::from_secs(7)).await;
        dying.abort();
    }
    world.disconnected().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    sweeper.abort();
    world
}

/// What was said, a repeat being told once: it must be the same, byte for byte.
fn without_repeats(world: &World) -> (Vec<(String, u64)>, usize) {
    let mut said: Vec<Value> = Vec::new();
    let mut repeats = 0;
    for message in world.said() {
        let seq = message["seq"].as_u64().unwrap() as usize;
        if seq <= said.len() {
            assert_eq!(said[seq - 1], message, "another message of the same seq");
            repeats += 1;
        } else {
            assert_eq!(seq, said.len() + 1, "a message is missing");
            said.push(message);
        }
    }
    (said.iter().map(kind_and_clientseq).collect(), repeats)
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_wherever_is_followed() {
    let messages = session();
    let undisturbed = play(usize::MAX, i64::MAX, &messages).await;
    let expected = undisturbed.replies();
    let kinds: Vec<_> = expected.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["opened", "pong", "pong", "updated", "pong", "closed"]);
    let mut repeated = 0;
    for of in 0..messages.len() {
        for point in 0..POINTS {
            let world = play(of, point, &messages).await;
            let place = format!("message {of}, point {point}");
            let (said, repeats) = without_repeats(&world);
            assert_eq!(said, expected, "{place}");
            assert!(repeats <= 1, "{place}: {repeats} repeats");
            repeated += repeats;
            assert!(world.is_over(), "{place}");
            assert_eq!(world.phase(), Some(SessionPhase::Ended), "{place}");
            let bodies = world.bodies();
            assert_eq!(bodies.len(), undisturbed.bodies().len(), "{place}");
            let Some(Body::SessionEnded(ended)) = bodies.last() else { panic!("{place}") };
            assert_eq!(ended.cause(), EndCause::Closed, "{place}");
        }
    }
    // Only who dies between being heard and noting it makes the next one say it again: a point
    // or two of each message, and as many more while the stream is written beside.
    assert!(repeated <= messages.len() * 4, "{repeated}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_the_client_has_seen_is_not_said_again() {
    let world = World::new(1, false, Duration::ZERO);
    world.admit().await;
    world.message(&open()).await;
    // Heard: read, write, say; then it dies before it notes so.
    let door = world.door(6);
    let dying = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.message_to(&door, &text("ping", 2, 1, 0, json!({}))).await }
    });
    tokio::time::sleep(Duration::from_secs(6)).await;
    dying.abort();
    assert_eq!(world.kinds(), ["opened", "pong"]);
    assert_eq!(world.state().rest.replies.len(), 1, "it is not known whether it was said");
    world.message(&text("ping", 3, 2, 0, json!({}))).await;
    assert_eq!(world.kinds(), ["opened", "pong", "pong"]);
}
