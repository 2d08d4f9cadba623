//! Sessions that break off, and stores that fail half-way, as the door hands them over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sidetone_audiohook_proto::{Handshake, SessionIdText};
use sidetone_delivery_wire::{Body, CallRecord, EndCause, GapReason, decode};
use sidetone_driver::{EngineConfig, Host, HostConfig, Input, Session, SocketOutput};
use sidetone_model::{
    ConnectionId, ConversationKey, Listen, OwnerId, SessionItem, SessionPhase, Timestamp,
};
use sidetone_ports::{
    CallStore, Clock, Freshness, Item, Mailbox, NonceStore, OwnedItem, OwnerBeat, OwnerStore,
    RecordSource, Revision, StoreError,
};
use sidetone_ports_embedded::{Store, Stream};
use tokio_util::sync::CancellationToken;

const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const CONVERSATION: &str = "c0ffee12-3456-4789-8abc-def012345678";
const SESSION: &str = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";

fn key() -> ConversationKey {
    ConversationKey {
        organization: ORGANIZATION.parse().unwrap(),
        conversation: CONVERSATION.parse().unwrap(),
    }
}

fn open_text() -> String {
    format!(
        r#"{{"version":"2","id":"{SESSION}","type":"open","seq":1,"serverseq":0,
        "position":"PT0S","parameters":{{"organizationId":"{ORGANIZATION}",
        "conversationId":"{CONVERSATION}","participant":{{
        "id":"beefcafe-4321-4cba-9fed-ba9876543210","ani":"","aniName":"","dnis":""}},
        "media":[{{"type":"audio","format":"PCMU","channels":["external","internal"],
        "rate":8000}}]}}}}"#
    )
}

/// A store whose queries fail, or hang, some times.
#[derive(Debug, Clone)]
struct Flaky {
    store: Store,
    fails: Arc<AtomicUsize>,
    hangs: Arc<AtomicUsize>,
}

impl Flaky {
    fn new(fails: usize, hangs: usize) -> Self {
        let store = Store::in_memory().unwrap();
        Self { store, fails: Arc::new(fails.into()), hangs: Arc::new(hangs.into()) }
    }
}

fn draw(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

impl CallStore for Flaky {
    async fn put(
        &self,
        key: ConversationKey,
        item: Item,
        owner: Option<OwnerId>,
        expires_at: Timestamp,
    ) -> Result<Revision, StoreError> {
        let revision = self.store.put(key, item, owner, expires_at).await?;
        if draw(&self.hangs) {
            std::future::pending::<()>().await;
        }
        Ok(revision)
    }

    async fn query(&self, key: ConversationKey, now: Timestamp) -> Result<Vec<Item>, StoreError> {
        if draw(&self.fails) {
            return Err(StoreError::unavailable("query", "down"));
        }
        self.store.query(key, now).await
    }

    async fn owned_by(
        &self,
        owner: &OwnerId,
        now: Timestamp,
    ) -> Result<Vec<OwnedItem>, StoreError> {
        self.store.owned_by(owner, now).await
    }
}

impl Mailbox for Flaky {
    async fn post(
        &self,
        to: &OwnerId,
        key: ConversationKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.post(to, key, now).await
    }

    async fn take(
        &self,
        owner: &OwnerId,
        wait: Duration,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        self.store.take(owner, wait).await
    }
}

impl NonceStore for Flaky {
    async fn remember(
        &self,
        key_id: &str,
        nonce: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Freshness, StoreError> {
        self.store.remember(key_id, nonce, until, now).await
    }
}

impl OwnerStore for Flaky {
    async fn beat(&self, beat: &OwnerBeat) -> Result<bool, StoreError> {
        self.store.beat(beat).await
    }

    async fn owners(&self) -> Result<Vec<OwnerBeat>, StoreError> {
        self.store.owners().await
    }

    async fn remove_owner(&self, owner: &OwnerId, silent: Option<u64>) -> Result<(), StoreError> {
        self.store.remove_owner(owner, silent).await
    }
}

struct Stage {
    clock: Clock,
    store: Flaky,
    stream: Stream,
    host: Host<Flaky, Stream>,
}

impl Stage {
    fn new(store: Flaky) -> Self {
        let clock = Clock::scaled(1.0);
        let stream = Stream::in_memory(clock).unwrap();
        let engine = EngineConfig { listen: Listen::Always, ..EngineConfig::default() };
        let config = HostConfig { engine, ..HostConfig::default() };
        let owner = OwnerId::new("door");
        let host = Host::new(clock, config, owner, store.clone(), stream.clone());
        let working = host.clone();
        tokio::spawn(async move { working.run(CancellationToken::new()).await });
        Self { clock, store, stream, host }
    }

    fn session(&self) -> Session<Flaky, Stream> {
        let handshake = Handshake {
            organization: ORGANIZATION.parse().unwrap(),
            session_id: SESSION.parse::<SessionIdText>().unwrap(),
        };
        self.host.session(handshake, ConnectionId::new("one"), None)
    }

    /// Opens a session and gives what is behind it some time.
    async fn opened(&self) -> Session<Flaky, Stream> {
        let mut session = self.session();
        session.handle(Input::Text(&open_text()));
        self.clock.sleep(Duration::from_secs(1)).await;
        session.handle(Input::Timeout);
        assert!(matches!(session.poll_socket(), Some(SocketOutput::Text(_))));
        session
    }

    async fn items(&self) -> Vec<SessionItem> {
        let items = self.store.store.query(key(), self.clock.now()).await.unwrap();
        items.iter().map(|item| serde_json::from_slice(&item.bytes).unwrap()).collect()
    }

    async fn records(&self) -> Vec<CallRecord> {
        let delivered = self.stream.read(0, 1_000, Duration::ZERO).await.unwrap();
        delivered.into_iter().flat_map(|one| decode(one.record.data).unwrap()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_breaks_off_is_declared_lost() {
    let stage = Stage::new(Flaky::new(0, 0));
    let mut session = stage.opened().await;
    session.handle(Input::Media(vec![1; 3_200].into()));
    drop(session);
    stage.clock.sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.host.session_count(), 0);
    let bodies: Vec<_> =
        stage.records().await.into_iter().filter_map(|record| record.body).collect();
    let frames = bodies.iter().filter(|body| matches!(body, Body::Audio(_))).count();
    assert_eq!(frames, 1, "what was accepted is delivered");
    let [.., Body::Gap(gap), Body::SessionEnded(ended)] = bodies.as_slice() else {
        panic!("no gap and end: {bodies:?}")
    };
    assert_eq!((gap.reason(), gap.open), (GapReason::Lost, true));
    assert_eq!(gap.lost_connection_id, "one");
    assert_eq!(ended.cause(), EndCause::Lost);
    assert_eq!(stage.items().await[0].phase, SessionPhase::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_between_writing_and_reading_costs_no_later_write() {
    // The first try writes and does not read; the second hangs after it wrote.
    let stage = Stage::new(Flaky::new(1, 0));
    let session = stage.opened().await;
    stage.store.hangs.store(1, Ordering::Relaxed);
    session.finish().await;
    assert_eq!(stage.items().await[0].phase, SessionPhase::Ended);
}

#[tokio::test(start_paused = true)]
async fn an_owner_with_sessions_does_not_sign_off() {
    let stage = Stage::new(Flaky::new(0, 0));
    let session = stage.opened().await;
    stage.host.leave().await;
    assert_eq!(stage.store.owners().await.unwrap().len(), 1);
    session.finish().await;
    stage.host.leave().await;
    assert!(stage.store.owners().await.unwrap().is_empty());
}
