//! A door with everything behind it, in memory.

use std::net::SocketAddr;
use std::time::Duration;

use sidetone_delivery_wire::{Audio, Body, CallRecord, decode};
use sidetone_driver::{Host, HostConfig};
use sidetone_model::{Listen, OrganizationId, OwnerId};
use sidetone_ports::{
    CallStore, Clock, Mailbox, NonceStore, OwnerStore, RecordSink, RecordSource, SecretSource,
    StoredKey,
};
use sidetone_ports_embedded::{MemoryKeys, Store, Stream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Door, DoorConfig, Drained, ReadinessCheck, Stop};

pub(super) const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
pub(super) const KEY: &str = "demo-key-0001/ABC+def=";
pub(super) const SECRET: &str = "YXVkaW9ob29rLWZhY3RzaGVldC1kZW1vLXNlY3JldCE=";
pub(super) const OPEN_KEY: &str = "open-key";

/// How long any test waits for anything, on the paused clock.
pub(super) const PATIENCE: Duration = Duration::from_secs(3_600);

/// How a stage is set up.
pub(super) struct Setup {
    pub(super) clock: Clock,
    pub(super) door: DoorConfig,
    pub(super) host: HostConfig,
    pub(super) keys: MemoryKeys,
    pub(super) checks: Vec<ReadinessCheck>,
}

impl Setup {
    /// Everything is delivered, and the clock runs with the world.
    pub(super) fn new() -> Self {
        Self::at_speed(1.0)
    }

    pub(super) fn at_speed(speed: f64) -> Self {
        let organization: OrganizationId = ORGANIZATION.parse().unwrap();
        let key = |id: &str, secrets: &[&str]| StoredKey {
            key_id: id.to_owned(),
            secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
            organizations: vec![organization],
            api_key_only: secrets.is_empty(),
        };
        let mut host = HostConfig::default();
        host.engine.listen = Listen::Always;
        host.engine.linger = Duration::from_millis(200);
        Self {
            clock: Clock::scaled(speed),
            door: DoorConfig::default(),
            host,
            keys: MemoryKeys::new([key(KEY, &[SECRET]), key(OPEN_KEY, &[])]),
            checks: Vec::new(),
        }
    }

    pub(super) fn start(self) -> Stage<Stream> {
        let store = Store::in_memory().unwrap();
        let stream = Stream::in_memory(self.clock).unwrap();
        let keys = self.keys.clone();
        self.start_with(store, stream, keys)
    }

    pub(super) fn start_with<S, R, K>(self, store: S, sink: R, keys: K) -> Stage<R>
    where
        S: CallStore + Mailbox + NonceStore + OwnerStore,
        R: RecordSink,
        K: SecretSource,
    {
        let Self { clock, door, host, checks, .. } = self;
        let host = Host::new(clock, host, OwnerId::new("door"), store, sink.clone());
        let hosting = CancellationToken::new();
        let working = host.clone();
        let until = hosting.clone();
        tokio::spawn(async move { working.run(until).await });
        let counting = host.clone();
        let door = Door::bind(door, host, keys, checks).unwrap();
        let address = door.local_addr();
        let stop = Stop::new();
        let serving = tokio::spawn(door.serve(stop.clone()));
        let sessions = Box::new(move || counting.session_count());
        let _hosting = hosting.drop_guard();
        Stage { clock, sink, address, stop, serving, sessions, _hosting }
    }
}

/// A door at work.
pub(super) struct Stage<R> {
    pub(super) clock: Clock,
    pub(super) sink: R,
    pub(super) address: SocketAddr,
    pub(super) stop: Stop,
    serving: JoinHandle<Drained>,
    sessions: Box<dyn Fn() -> usize + Send + Sync>,
    _hosting: tokio_util::sync::DropGuard,
}

impl<R> Stage<R> {
    /// Returns how many sessions the host holds, those without a socket included.
    pub(super) fn sessions(&self) -> usize {
        (self.sessions)()
    }

    /// Waits until the host holds no session.
    pub(super) async fn emptied(&self) {
        until("all sessions are over", || self.sessions() == 0).await;
    }

    /// Waits for the door to close.
    pub(super) async fn closed(self) -> Drained {
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap()
    }
}

impl<R: RecordSource> Stage<R> {
    /// Returns every record of the stream.
    pub(super) async fn records(&self) -> Vec<CallRecord> {
        let delivered = self.sink.read(0, 10_000, Duration::ZERO).await.unwrap();
        delivered.into_iter().flat_map(|one| decode(one.record.data).unwrap()).collect()
    }

    /// Returns all audio in the stream, once its sessions have ended there.
    pub(super) async fn audio_after(&self, ended: usize) -> Vec<Audio> {
        let started = tokio::time::Instant::now();
        loop {
            let records = self.records().await;
            let is_end = |record: &&CallRecord| matches!(record.body, Some(Body::SessionEnded(_)));
            if records.iter().filter(is_end).count() >= ended {
                return records
                    .into_iter()
                    .filter_map(|record| match record.body {
                        Some(Body::Audio(audio)) => Some(audio),
                        _ => None,
                    })
                    .collect();
            }
            assert!(started.elapsed() < PATIENCE, "sessions did not end in the stream");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits until something is so.
pub(super) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = tokio::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
