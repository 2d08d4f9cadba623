//! The conversations that every door must hold alike, at this one: each message is an event of
//! its own, and what is said goes over a line in memory.

#![allow(clippy::unwrap_used, reason = "all of this is a test, what helps it included")]

use std::sync::Arc;
use std::time::Duration;

use sidetone_audiohook_proto::Handshake;
use sidetone_delivery_wire::{CallRecord, decode};
use sidetone_engine::{EngineConfig, Hearing};
use sidetone_lambda_door::{DisconnectEvent, Door, DoorConfig, MessageEvent, admit};
use sidetone_model::{ConnectionId, Listen, OnHold, OrganizationId};
use sidetone_ports::{Clock, ConnectionStore, RecordSource};
use sidetone_ports_embedded::{Store, Stream};
use sidetone_testkit::transcripts::{self, Line, Needs, Visitor, play_all};
use sidetone_testkit::{MemoryLine, fresh_connection, fresh_organization};

/// How much faster than the world: half a minute is three seconds.
const SPEED: f64 = 10.0;

/// Longer than any deadline.
const PATIENCE: Duration = Duration::from_secs(200);

/// How often a client looks whether something was said.
const LOOK_EVERY: Duration = Duration::from_millis(50);

type TestDoor = Door<Store, Stream, MemoryLine>;

struct GatewayDoor {
    clock: Clock,
    config: DoorConfig,
    store: Store,
    stream: Stream,
    line: MemoryLine,
    door: Arc<TestDoor>,
    organization: OrganizationId,
}

impl GatewayDoor {
    fn new(text_media: bool) -> Self {
        let clock = Clock::scaled(SPEED);
        let mut config = DoorConfig::new(Listen::Always, OnHold::Keep, text_media);
        let hears = if text_media { Hearing::Audio } else { Hearing::Nothing };
        let linger = Duration::from_secs(1);
        let engine = EngineConfig { listen: Listen::Always, hears, linger, ..Default::default() };
        config.engine = Arc::new(engine);
        let store = Store::in_memory().unwrap();
        let stream = Stream::in_memory(clock).unwrap();
        let line = MemoryLine::new();
        let ports = (store.clone(), stream.clone(), line.clone());
        let door = Arc::new(Door::new(clock, config.clone(), ports.0, ports.1, ports.2));
        let organization = fresh_organization();
        Self { clock, config, store, stream, line, door, organization }
    }

    /// Plays everything, while the sweep does what nobody else comes for.
    async fn play(self) {
        let door = Arc::clone(&self.door);
        let sweeping = tokio::spawn(async move {
            loop {
                door.sweep(Duration::from_secs(58)).await;
            }
        });
        play_all(&self).await;
        sweeping.abort();
    }
}

struct GatewayLine {
    clock: Clock,
    door: Arc<TestDoor>,
    line: MemoryLine,
    connection: ConnectionId,
    heard: usize,
}

impl transcripts::Door for GatewayDoor {
    type Line = GatewayLine;

    fn organization(&self) -> OrganizationId {
        self.organization
    }

    fn offers(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing | Needs::LargeMessages | Needs::Deadlines => true,
            // A message that comes a second time is the gateway's doing.
            Needs::Order => false,
        }
    }

    async fn connect(&self, visitor: Visitor) -> GatewayLine {
        let handshake =
            Handshake { organization: visitor.organization, session_id: visitor.session.into() };
        let connection = fresh_connection();
        let Self { clock, config, store, .. } = self;
        admit(store, clock, config, connection.clone(), handshake).await.unwrap();
        let (door, line) = (Arc::clone(&self.door), self.line.clone());
        GatewayLine { clock: *clock, door, line, connection, heard: 0 }
    }

    async fn records(&self, visitor: Visitor) -> Vec<CallRecord> {
        let session = visitor.session.to_string();
        let until = self.clock.now() + PATIENCE;
        while !self.store.due_connections(until + PATIENCE, 1).await.unwrap().is_empty() {
            assert!(self.clock.now() < until, "{session} comes to no end");
            self.clock.sleep(LOOK_EVERY).await;
        }
        let delivered = self.stream.read(0, 10_000, Duration::ZERO).await.unwrap();
        let records = delivered.into_iter().flat_map(|one| decode(one.record.data).unwrap());
        records.filter(|record| record.session_id == session).collect()
    }
}

impl Line for GatewayLine {
    async fn say(&mut self, text: String) {
        let connection = self.connection.clone();
        self.door.message(MessageEvent { connection, body: text, is_base64: false }).await;
    }

    async fn hear(&mut self) -> Option<String> {
        let until = self.clock.now() + PATIENCE;
        while self.clock.now() < until {
            let said = self.line.said(&self.connection);
            if let Some(text) = said.get(self.heard) {
                self.heard += 1;
                return Some(text.clone());
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
        None
    }

    async fn leave(self) {
        self.line.lose(&self.connection);
        let connection = self.connection.clone();
        self.door.disconnected(DisconnectEvent { connection, code: Some(1_005) }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn transcripts_are_held_by_a_door_that_hears_nothing() {
    GatewayDoor::new(false).play().await;
}

#[tokio::test(start_paused = true)]
async fn transcripts_are_held_by_a_door_that_hears_text() {
    GatewayDoor::new(true).play().await;
}
