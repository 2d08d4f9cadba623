//! Figures of what is deployed, printed; nothing here fails for being slow on a busy machine.

use std::time::{Duration, Instant};

use sidetone_model::ConversationId;
use uuid::Uuid;

use crate::client::Knock;
use crate::world::{World, deployed};

/// Sessions that are opened at each door.
const SESSIONS: usize = 40;

/// The functions, by the output that names each.
const FUNCTIONS: [&str; 6] = [
    "ConnectFunction",
    "MessageFunction",
    "DisconnectFunction",
    "SweepFunction",
    "TrackerFunction",
    "RecorderFunction",
];

/// Returns how long each of some sessions waited for `opened`, shortest first.
async fn openings(world: &World, door: &str) -> Vec<Duration> {
    let mut waits = Vec::new();
    for _ in 0..SESSIONS {
        let mut client = Knock::at(world, door).connect().await.expect("let in");
        let begun = Instant::now();
        client.open(world, ConversationId::new(Uuid::new_v4())).await;
        waits.push(begun.elapsed());
        client.close().await;
    }
    waits.sort();
    waits
}

fn at(waits: &[Duration], percent: usize) -> Duration {
    waits[(waits.len() * percent / 100).min(waits.len() - 1)]
}

#[test]
fn figures() {
    deployed(async |world| {
        for function in FUNCTIONS {
            let name = world.stack().output(function).expect("an output");
            let size = world.cloud.function_bytes(name).await.expect("it is there");
            println!("figure: {function}: zip of {:.2} MB", size as f64 / 1e6);
        }
        for (name, door) in [("API Gateway", &*world.stack().api_door), ("ALB", world.audio_url())]
        {
            let waits = openings(world, door).await;
            println!(
                "figure: {name} door: open to opened p50 {:?}, p99 {:?}, of {SESSIONS}",
                at(&waits, 50),
                at(&waits, 99),
            );
        }
    });
}
