//! Fifty events of one session at once, shuffled and doubled, against the same in order.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::json;
use sidetone_delivery_wire::Body;
use sidetone_model::SessionPhase;

use super::stage::{World, for_each_seed, open, text};

/// A whole session of fifty messages, with fewer replies than the client takes at once.
fn session() -> Vec<String> {
    let mut messages = vec![open()];
    for seq in 2..50 {
        let message = match seq % 5 {
            0 | 2 => text("ping", seq, 0, 0, json!({})),
            1 => text("error", seq, 0, 0, json!({ "code": 500, "message": "m" })),
            3 if seq < 20 => text("update", seq, 0, 0, json!({ "language": "de-DE" })),
            _ => text("dtmf", seq, 0, 0, json!({ "digit": "5" })),
        };
        messages.push(message);
    }
    messages.push(text("close", 50, 0, 0, json!({ "reason": "end" })));
    messages
}

/// What there is afterwards, but for times.
#[derive(Debug, PartialEq)]
struct Afterwards {
    replies: Vec<(String, u64)>,
    records: Vec<String>,
    expected: u64,
    reply_seq: u64,
    waiting: usize,
    status: String,
    phase: Option<SessionPhase>,
}

fn afterwards(world: &World) -> Afterwards {
    let state = world.state();
    assert!(world.is_over(), "something is left to do: {:?}", state.rest.desks);
    assert!(state.rest.inbox.first().is_none());
    Afterwards {
        replies: world.replies(),
        records: world.bodies().iter().map(kind).collect(),
        expected: state.rest.expected,
        reply_seq: state.rest.reply_seq,
        waiting: state.rest.replies.len(),
        status: format!("{:?}", state.engine.status()),
        phase: world.phase(),
    }
}

fn kind(body: &Body) -> String {
    if let Body::SessionStarted(started) = body {
        format!("started {}", started.unheard)
    } else if let Body::Match(of) = body {
        format!("match {}{}", of.agent_id, of.reason)
    } else if let Body::SessionEnded(ended) = body {
        format!("ended {:?}", ended.cause())
    } else {
        format!("{body:?}")
    }
}

async fn in_order() -> Afterwards {
    let world = World::new(0, false, Duration::ZERO);
    let sweeper = world.sweeper();
    world.admit().await;
    for message in session() {
        world.message(&message).await;
    }
    world.disconnected().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    sweeper.abort();
    afterwards(&world)
}

async fn at_once(seed: u64) -> Afterwards {
    let world = World::new(seed, false, Duration::from_millis(15));
    let sweeper = world.sweeper();
    world.admit().await;
    let mut deliveries = Vec::new();
    for message in session() {
        let times = 1 + world.below(2);
        for _ in 0..times {
            deliveries.push((world.below(1_000), message.clone()));
        }
    }
    deliveries.sort();
    let mut running = Vec::new();
    for (_, message) in deliveries {
        let world = Arc::clone(&world);
        running.push(tokio::spawn(async move { world.message(&message).await }));
    }
    for one in running {
        one.await.unwrap();
    }
    world.disconnected().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    sweeper.abort();
    assert_eq!(world.line.overlaps(), 0, "two replies were under way at once");
    afterwards(&world)
}

#[test]
fn fifty_at_once_are_as_good_as_fifty_in_order() {
    let expected = OnceLock::new();
    for_each_seed(100, async |seed| {
        let got = at_once(seed).await;
        if expected.get().is_none() {
            let _ = expected.set(in_order().await);
        }
        let expected = expected.get().unwrap();
        assert_eq!(expected.replies.len(), 1 + 19 + 4 + 1, "{:?}", expected.replies);
        assert_eq!(got, *expected);
    });
}
