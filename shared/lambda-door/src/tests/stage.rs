//! A world in memory, and invocations in it that are slow, fail, and die between any two
//! effects.
//!
//! Not the embedded store: that one works on threads of its own, which a clock that stands
//! still does not wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sidetone_audiohook_proto::Handshake;
use sidetone_delivery_wire::{Body, CallRecord, decode};
use sidetone_model::{
    ConnectionId, ConversationKey, Listen, OnHold, OwnerId, SessionItem, SessionPhase, Timestamp,
};
use sidetone_ports::{
    CallStore, ClientLine, Clock, ConnectionItem, ConnectionStore, Item, LineError, Mailbox,
    OwnedItem, OwnerBeat, OwnerStore, PutOutcome, RecordSink, Revision, Said, SinkError,
    StoreError, StreamRecord,
};
use sidetone_testkit::MemoryLine;

use crate::door::create;
use crate::state::ConnectionState;
use crate::{DisconnectEvent, Door, DoorConfig, MessageEvent};

pub(super) const SESSION: &str = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";
pub(super) const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
pub(super) const CONVERSATION: &str = "c0ffee12-3456-4789-8abc-def012345678";

pub(super) fn key() -> ConversationKey {
    ConversationKey {
        organization: ORGANIZATION.parse().unwrap(),
        conversation: CONVERSATION.parse().unwrap(),
    }
}

pub(super) fn connection() -> ConnectionId {
    ConnectionId::new("AAAA1234=")
}

/// What is left when every process is dead.
#[derive(Debug, Default)]
struct Data {
    connections: BTreeMap<ConnectionId, (ConnectionItem, Option<Timestamp>)>,
    items: BTreeMap<(ConversationKey, String), (Item, Option<OwnerId>)>,
    letters: BTreeSet<(OwnerId, ConversationKey)>,
    records: Vec<StreamRecord>,
}

/// What fails for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Broken {
    Connections,
    Calls,
    Stream,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) config: DoorConfig,
    pub(super) line: MemoryLine,
    data: Mutex<Data>,
    broken: Mutex<BTreeSet<Broken>>,
    /// How many calls of any port there were.
    pub(super) calls: AtomicUsize,
    random: Mutex<ChaCha8Rng>,
    latency_max: Duration,
}

/// One invocation's ports.
#[derive(Debug, Clone)]
pub(super) struct Process {
    world: Arc<World>,
    /// How many half effects it lives.
    life: Arc<AtomicI64>,
}

pub(super) type TestDoor = Door<Process, Process, Process>;

impl World {
    pub(super) fn new(seed: u64, text_media: bool, latency_max: Duration) -> Arc<Self> {
        let listen = if text_media { Listen::Always } else { Listen::Matched };
        Arc::new(Self {
            clock: Clock::starting_at(Timestamp::from_millis(1_800_000_000_000), 1.0),
            config: DoorConfig::new(listen, OnHold::Keep, text_media),
            line: MemoryLine::new(),
            data: Mutex::default(),
            broken: Mutex::default(),
            calls: AtomicUsize::new(0),
            random: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            latency_max,
        })
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap()
    }

    pub(super) fn set_broken(&self, what: Broken, is_broken: bool) {
        let mut broken = self.broken.lock().unwrap();
        if is_broken {
            broken.insert(what);
        } else {
            broken.remove(&what);
        }
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        self.random.lock().unwrap().random_range(0..bound)
    }

    /// A door of one invocation, which dies after so many half effects.
    pub(super) fn door(self: &Arc<Self>, life: i64) -> Arc<TestDoor> {
        let process = Process { world: Arc::clone(self), life: Arc::new(AtomicI64::new(life)) };
        let seed = self.below(u64::MAX);
        let (store, sink, line) = (process.clone(), process.clone(), process);
        Arc::new(Door::new(self.clock, self.config.clone(), store, sink, line).seeded(seed))
    }

    pub(super) async fn admit(self: &Arc<Self>) {
        let handshake = Handshake {
            organization: ORGANIZATION.parse().unwrap(),
            session_id: SESSION.parse().unwrap(),
        };
        let door = self.door(i64::MAX);
        create(&door.store, &self.clock, &self.config, connection(), handshake).await.unwrap();
    }

    pub(super) async fn message(self: &Arc<Self>, text: &str) {
        self.message_to(&self.door(i64::MAX), text).await;
    }

    pub(super) async fn message_to(&self, door: &TestDoor, text: &str) {
        let body = text.to_owned();
        door.message(MessageEvent { connection: connection(), body, is_base64: false }).await;
    }

    pub(super) async fn disconnected(self: &Arc<Self>) {
        let event = DisconnectEvent { connection: connection(), code: Some(1005) };
        self.door(i64::MAX).disconnected(event).await;
    }

    /// A sweep that goes on until it is aborted.
    pub(super) fn sweeper(self: &Arc<Self>) -> tokio::task::JoinHandle<()> {
        let world = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                world.door(i64::MAX).sweep(Duration::from_secs(58)).await;
            }
        })
    }

    pub(super) fn said(&self) -> Vec<Value> {
        let said = self.line.said(&connection());
        said.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// What the client was told: type and the `seq` that it answers, gapless in our own.
    pub(super) fn replies(&self) -> Vec<(String, u64)> {
        let said = self.said();
        for (place, message) in said.iter().enumerate() {
            assert_eq!(message["seq"], place as u64 + 1, "{said:#?}");
        }
        said.iter().map(kind_and_clientseq).collect()
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        self.replies().into_iter().map(|(kind, _)| kind).collect()
    }

    /// What a consumer has after dedupe, its numbers being without holes.
    pub(super) fn records(&self) -> Vec<CallRecord> {
        let mut records = BTreeMap::new();
        for stored in &self.data().records {
            for record in decode(stored.data.clone()).unwrap() {
                let name = (record.connection_id.clone(), record.number);
                let before = records.insert(name, record.clone());
                assert!(
                    before.is_none_or(|before| before == record),
                    "a number changed its record"
                );
            }
        }
        let records: Vec<_> = records.into_values().collect();
        for (place, record) in records.iter().enumerate() {
            assert_eq!(record.number, place as u64 + 1);
        }
        records
    }

    pub(super) fn bodies(&self) -> Vec<Body> {
        self.records().into_iter().filter_map(|record| record.body).collect()
    }

    pub(super) fn state(&self) -> ConnectionState {
        let data = self.data();
        let (item, _) = &data.connections[&connection()];
        ConnectionState::decode(&self.config.engine, &item.bytes).unwrap()
    }

    /// Whether nothing is left to do for the connection.
    pub(super) fn is_over(&self) -> bool {
        self.data().connections[&connection()].1.is_none()
    }

    pub(super) fn session(&self) -> Option<SessionItem> {
        let data = self.data();
        let items = data.items.values().find(|(item, _)| item.name.starts_with("session#"));
        items.map(|(item, _)| serde_json::from_slice(&item.bytes).unwrap())
    }

    pub(super) fn phase(&self) -> Option<SessionPhase> {
        self.session().map(|session| session.phase)
    }

    /// Loses a connection's state.
    pub(super) fn forget_connection(&self) {
        self.data().connections.clear();
    }

    /// Writes an item of the conversation as the tracker does, and posts its letter.
    pub(super) async fn write_leg(self: &Arc<Self>, leg: &sidetone_model::Leg) {
        let door = self.door(i64::MAX);
        let name = format!("leg#{}", leg.communication);
        let item = Item { name, bytes: serde_json::to_vec(leg).unwrap(), revision: 0 };
        let now = self.clock.now();
        let expires_at = now + Duration::from_secs(60);
        CallStore::put(&door.store, key(), item, None, expires_at).await.unwrap();
        door.store.post(&OwnerId::new("api-gateway"), key(), now).await.unwrap();
    }
}

pub(super) fn kind_and_clientseq(message: &Value) -> (String, u64) {
    (message["type"].as_str().unwrap().to_owned(), message["clientseq"].as_u64().unwrap())
}

impl Process {
    /// Half an effect: some time, and perhaps the end.
    async fn half(&self) {
        let latency = self.world.latency_max.as_micros() as u64;
        if latency > 0 {
            let wait = self.world.below(latency);
            tokio::time::sleep(Duration::from_micros(wait)).await;
        }
        if self.life.fetch_sub(1, Ordering::Relaxed) <= 0 {
            std::future::pending::<()>().await;
        }
    }

    async fn effect<T>(
        &self,
        broken: Broken,
        work: impl FnOnce(&mut Data) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.world.calls.fetch_add(1, Ordering::Relaxed);
        self.half().await;
        if self.world.broken.lock().unwrap().contains(&broken) {
            return Err(StoreError::unavailable("do anything", "AccessDeniedException: no"));
        }
        let done = work(&mut self.world.data());
        self.half().await;
        done
    }
}

fn conflict(expected: Revision) -> StoreError {
    StoreError::Conflict { partition: "p".into(), item: "i".into(), expected }
}

impl ConnectionStore for Process {
    async fn put_connection(
        &self,
        connection: &ConnectionId,
        mut item: ConnectionItem,
        due: Option<Timestamp>,
        _expires_at: Timestamp,
    ) -> Result<Revision, StoreError> {
        assert!(item.bytes.len() <= ConnectionItem::BYTES_MAX);
        self.effect(Broken::Connections, |data| {
            let there = data.connections.get(connection).map_or(0, |(item, _)| item.revision);
            if there != item.revision {
                return Err(conflict(item.revision));
            }
            item.revision += 1;
            let revision = item.revision;
            data.connections.insert(connection.clone(), (item, due));
            Ok(revision)
        })
        .await
    }

    async fn connection(
        &self,
        connection: &ConnectionId,
        _now: Timestamp,
    ) -> Result<Option<ConnectionItem>, StoreError> {
        self.effect(Broken::Connections, |data| {
            Ok(data.connections.get(connection).map(|(item, _)| item.clone()))
        })
        .await
    }

    async fn due_connections(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        self.effect(Broken::Connections, |data| {
            let due =
                data.connections.iter().filter(|(_, (_, due))| due.is_some_and(|due| due <= now));
            Ok(due.take(limit).map(|(name, _)| name.clone()).collect())
        })
        .await
    }

    async fn remove_connection(&self, connection: &ConnectionId) -> Result<(), StoreError> {
        self.effect(Broken::Connections, |data| {
            data.connections.remove(connection);
            Ok(())
        })
        .await
    }
}

impl CallStore for Process {
    async fn put(
        &self,
        key: ConversationKey,
        mut item: Item,
        owner: Option<OwnerId>,
        _expires_at: Timestamp,
    ) -> Result<Revision, StoreError> {
        self.effect(Broken::Calls, |data| {
            let name = (key, item.name.clone());
            let there = data.items.get(&name).map_or(0, |(item, _)| item.revision);
            if there != item.revision {
                return Err(conflict(item.revision));
            }
            item.revision += 1;
            let revision = item.revision;
            data.items.insert(name, (item, owner));
            Ok(revision)
        })
        .await
    }

    async fn query(&self, key: ConversationKey, _now: Timestamp) -> Result<Vec<Item>, StoreError> {
        self.effect(Broken::Calls, |data| {
            let of_key = data.items.iter().filter(|((of, _), _)| *of == key);
            Ok(of_key.map(|(_, (item, _))| item.clone()).collect())
        })
        .await
    }

    async fn owned_by(
        &self,
        owner: &OwnerId,
        _now: Timestamp,
    ) -> Result<Vec<OwnedItem>, StoreError> {
        self.effect(Broken::Calls, |data| {
            let owned = data.items.iter().filter(|(_, (_, of))| of.as_ref() == Some(owner));
            let owned =
                owned.map(|((key, _), (item, _))| OwnedItem { key: *key, item: item.clone() });
            Ok(owned.collect())
        })
        .await
    }
}

impl Mailbox for Process {
    async fn post(
        &self,
        to: &OwnerId,
        key: ConversationKey,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        self.effect(Broken::Calls, |data| {
            data.letters.insert((to.clone(), key));
            Ok(())
        })
        .await
    }

    async fn take(
        &self,
        owner: &OwnerId,
        _wait: Duration,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        self.effect(Broken::Calls, |data| {
            let (taken, left) =
                std::mem::take(&mut data.letters).into_iter().partition(|(to, _)| to == owner);
            data.letters = left;
            let taken: BTreeSet<(OwnerId, ConversationKey)> = taken;
            Ok(taken.into_iter().map(|(_, key)| key).collect())
        })
        .await
    }
}

impl OwnerStore for Process {
    async fn beat(&self, _beat: &OwnerBeat) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn owners(&self) -> Result<Vec<OwnerBeat>, StoreError> {
        Ok(Vec::new())
    }

    async fn remove_owner(&self, _owner: &OwnerId, _silent: Option<u64>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl RecordSink for Process {
    async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
        let count = records.len();
        let put = self.effect(Broken::Stream, |data| {
            data.records.extend(records);
            Ok(data.records.len() as u64)
        });
        match put.await {
            Ok(place) => Ok(vec![PutOutcome::Committed(place); count]),
            Err(error) => Err(SinkError { records: count, source: error.into() }),
        }
    }
}

impl ClientLine for Process {
    async fn say(&self, connection: &ConnectionId, text: &str) -> Result<Said, LineError> {
        self.world.calls.fetch_add(1, Ordering::Relaxed);
        self.half().await;
        let said = self.world.line.say(connection, text).await;
        self.half().await;
        said
    }

    async fn hang_up(&self, connection: &ConnectionId) -> Result<Said, LineError> {
        self.half().await;
        let said = self.world.line.hang_up(connection).await;
        self.half().await;
        said
    }
}

/// A text message of the client's.
pub(super) fn text(kind: &str, seq: u64, serverseq: u64, ms: u64, parameters: Value) -> String {
    json!({
        "version": "2", "id": SESSION, "type": kind, "seq": seq, "serverseq": serverseq,
        "position": format!("PT{}S", ms as f64 / 1_000.0), "parameters": parameters,
    })
    .to_string()
}

pub(super) fn open() -> String {
    let parameters = json!({
        "organizationId": ORGANIZATION, "conversationId": CONVERSATION,
        "participant": {
            "id": "beefcafe-4321-4cba-9fed-ba9876543210", "ani": "", "aniName": "", "dnis": "",
        },
        "media": [{
            "type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000,
        }],
    });
    text("open", 1, 0, 0, parameters)
}

/// Plays once for each of so many seeds, each on a runtime of its own whose clock stands still;
/// `SIDETONE_SEEDS` plays more of them (`make proofs`), `SIDETONE_SEED` replays one. What goes wrong
/// says which seed it was.
pub(super) fn for_each_seed<F: Future<Output = ()>>(count: u64, play: impl Fn(u64) -> F + Sync) {
    let seeds = match std::env::var("SIDETONE_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SIDETONE_SEED is a number");
            seed..=seed
        }
        Err(_) => {
            let more = std::env::var("SIDETONE_SEEDS").ok();
            1..=more.map_or(count, |more| more.parse().expect("SIDETONE_SEEDS is a number"))
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (seeds, play) = (seeds.clone(), &play);
            scope.spawn(move || {
                for seed in seeds.skip(thread).step_by(threads) {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_time()
                        .start_paused(true)
                        .build();
                    let _told = Told(seed);
                    runtime.unwrap().block_on(play(seed));
                }
            });
        }
    });
}

/// Tells the seed if the thread panics.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SIDETONE_SEED={} shows this again", self.0);
        }
    }
}
