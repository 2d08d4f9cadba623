//! How published snapshots reach sockets: late, twice, out of order or not at all.
//!
//! Who listens is decided when an event is delivered; nothing is kept for anybody.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use sidetone_model::{Timestamp, UserId};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use uuid::Uuid;

use super::server::Shared;
use super::socket::ToSocket;
use super::topic::conversations_topic;
use super::world::World;
use crate::conversation::Snapshot;

/// The way of one snapshot to its listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// How long after publication it arrives; snapshots with different lags overtake.
    pub lag: Duration,
    /// How many times more it arrives.
    pub repeats: u32,
    /// Whether it is lost.
    pub lost: bool,
}

impl Delivery {
    /// Arrives once, after a time.
    pub const fn after(lag: Duration) -> Self {
        Self { lag, repeats: 0, lost: false }
    }

    /// Arrives twice, after a time.
    pub const fn twice(lag: Duration) -> Self {
        Self { lag, repeats: 1, lost: false }
    }

    /// Never arrives.
    pub const fn lost() -> Self {
        Self { lag: Duration::ZERO, repeats: 0, lost: true }
    }
}

/// A snapshot on its way.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) at: Timestamp,
    pub(crate) snapshot: Snapshot,
    pub(crate) copies: u32,
}

/// The envelope of an event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    topic_name: String,
    version: &'static str,
    event_body: &'a RawValue,
    metadata: Metadata,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    correlation_id: Uuid,
}

impl World {
    /// Sends a snapshot to everybody who listens to one of its users.
    pub(super) fn deliver(&mut self, now: Timestamp, snapshot: &Snapshot) {
        self.purge(now);
        let Ok(event_body) = serde_json::from_str::<&RawValue>(&snapshot.body) else {
            return;
        };
        let mut delivered = 0;
        for user in &snapshot.users {
            let mut listening = self
                .channels
                .values_mut()
                .filter(|it| it.listens_to.contains(user) && !it.sockets.is_empty())
                .peekable();
            if listening.peek().is_none() {
                continue;
            }
            let envelope = Envelope {
                topic_name: conversations_topic(*user),
                version: "2",
                event_body,
                metadata: Metadata { correlation_id: Uuid::new_v4() },
            };
            let text = serde_json::to_string(&envelope).expect("plain structs have a JSON form");
            let text = Utf8Bytes::from(text);
            for channel in listening {
                // A client that lets this much pile up is cut off.
                channel.sockets.retain(|socket| socket.tell(ToSocket::Text(text.clone())));
                delivered += channel.sockets.len() as u64;
            }
        }
        self.stats.delivered += delivered;
        self.stats.unheard += u64::from(delivered == 0);
    }

    /// Sends a user's presence and routing status, each under its own name, to whoever asked
    /// for it, alone or combined with others.
    pub(super) fn tell_status(&mut self, now: Timestamp, user: UserId) {
        self.purge(now);
        for (what, body) in [
            ("presence", json!({ "source": "PURECLOUD" })),
            ("routingStatus", json!({ "routingStatus": { "status": "IDLE" } })),
        ] {
            let text = self.system_message(&format!("v2.users.{user}.{what}"), body);
            for channel in self.channels.values_mut() {
                if channel.topics.iter().any(|topic| topic.brings(user, what)) {
                    channel.sockets.retain(|socket| socket.tell(ToSocket::Text(text.clone())));
                }
            }
        }
    }
}

/// Delivers what is due, in order of its time, then of its publication.
pub(crate) async fn run(shared: Arc<Shared>, mut published: mpsc::UnboundedReceiver<Due>) {
    let mut waiting: BinaryHeap<Reverse<(Timestamp, u64)>> = BinaryHeap::new();
    let mut by_number = std::collections::BTreeMap::new();
    let mut count = 0_u64;
    loop {
        let next = waiting.peek().map(|Reverse((at, _))| *at);
        tokio::select! {
            due = published.recv() => {
                let Some(due) = due else { return };
                count += 1;
                waiting.push(Reverse((due.at, count)));
                by_number.insert(count, due);
            }
            () = shared.stop.cancelled() => return,
            () = shared.clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {
                let Some(Reverse((_, number))) = waiting.pop() else { continue };
                let Some(due) = by_number.remove(&number) else { continue };
                let mut world = shared.world();
                for _ in 0..due.copies {
                    world.deliver(shared.clock.now(), &due.snapshot);
                }
            }
        }
    }
}
