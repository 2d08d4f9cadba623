//! Sessions over time: deadlines, losses, slow readers, neighbours, what hangs behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::json;
use sidetone_model::{ConversationKey, OwnerId, Timestamp};
use sidetone_ports::{
    CallStore, Freshness, Item, Mailbox, NonceStore, OwnedItem, OwnerBeat, OwnerStore, Revision,
    StoreError,
};
use sidetone_ports_embedded::{Store, Stream};
use sidetone_testkit::{FaultySink, PutFault};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use uuid::Uuid;

use super::client::{Client, OPCODE_BINARY, OPCODE_TEXT, Upgrade, frame};
use super::stage::{PATIENCE, Setup, until};

/// A store that hangs, or panics, as told.
#[derive(Debug, Clone)]
struct BadStore {
    store: Store,
    hangs: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

impl BadStore {
    fn new() -> Self {
        let store = Store::in_memory().unwrap();
        Self { store, hangs: Arc::default(), panics: Arc::default() }
    }

    async fn misbehave(&self) {
        assert!(!self.panics.load(Ordering::Relaxed), "the store panics, as the test asked");
        while self.hangs.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl CallStore for BadStore {
    async fn put(
        &self,
        key: ConversationKey,
        item: Item,
        owner: Option<OwnerId>,
        expires_at: Timestamp,
    ) -> Result<Revision, StoreError> {
        self.misbehave().await;
        self.store.put(key, item, owner, expires_at).await
    }

    async fn query(&self, key: ConversationKey, now: Timestamp) -> Result<Vec<Item>, StoreError> {
        self.misbehave().await;
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

impl Mailbox for BadStore {
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

impl NonceStore for BadStore {
    async fn remember(
        &self,
        key_id: &str,
        nonce: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Freshness, StoreError> {
        self.misbehave().await;
        self.store.remember(key_id, nonce, until, now).await
    }
}

impl OwnerStore for BadStore {
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

#[tokio::test(start_paused = true)]
async fn c57_c95_pong_comes_and_audio_is_read_whatever_hangs_behind() {
    let setup = Setup::new();
    let store = BadStore::new();
    let hangs = Arc::clone(&store.hangs);
    hangs.store(true, Ordering::Relaxed);
    let stream = Stream::in_memory(setup.clock).unwrap();
    let sink = FaultySink::new(stream.clone());
    sink.keep(PutFault::Hang);
    let keys = setup.keys.clone();
    let stage = setup.start_with(store, sink.clone(), keys);
    let mut client = Client::connect(&stage).await;
    let started = Instant::now();
    client.say_open(&Uuid::new_v4().to_string()).await;
    assert_eq!(client.hear().await["type"], "opened");
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
    // 40 s of audio at once: far more than the kernel would hold for a door that waits.
    for _ in 0..40 {
        client.send_audio(vec![5; 16_000]).await;
        let took = client.ping().await;
        assert!(took < Duration::from_millis(250), "{took:?}");
    }
    hangs.store(false, Ordering::Relaxed);
    sink.heal();
    client.close().await;
    stage.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn c64_a_burst_of_20_s_right_after_opened_is_read_without_loss() {
    let stage = Setup::new().start();
    let mut client = Client::open(&stage).await;
    let burst: Vec<u8> = (0..320_000_u32).map(|n| (n / 3) as u8).collect();
    for message in burst.chunks(64_000) {
        client.send_audio(message.to_vec()).await;
    }
    client.close().await;
    let audio = stage.audio_after(1).await;
    assert_eq!(audio.iter().map(|audio| audio.samples).sum::<u32>(), 160_000);
    let received: Vec<u8> = audio.iter().flat_map(|audio| audio.data.iter().copied()).collect();
    assert!(received == burst);
}

#[tokio::test(start_paused = true)]
async fn c71_c88_the_server_sends_no_binary_and_does_not_close_first() {
    let stage = Setup::at_speed(10.0).start();
    let mut client = Client::open(&stage).await;
    client.send_audio(vec![1; 3_200]).await;
    let text = client.message("close", json!({ "reason": "end" }));
    client.send_text(text).await;
    assert_eq!(client.hear().await["type"], "closed");
    // Four of the five seconds that the client has for leaving.
    let silence = tokio::time::timeout(Duration::from_millis(400), client.socket.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(client.binary, 0);
    client.socket.close(None).await.unwrap();
    assert!(client.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn c90_every_state_survives_the_loss_of_its_socket() {
    let stage = Setup::new().start();
    let steps = ["connected", "opening", "active", "paused", "disconnecting", "closed"];
    for step in steps {
        let mut client = Client::connect(&stage).await;
        if step != "connected" {
            client.say_open(&Uuid::new_v4().to_string()).await;
        }
        if !["connected", "opening"].contains(&step) {
            assert_eq!(client.hear().await["type"], "opened");
        }
        match step {
            "paused" => client.say("paused").await,
            "disconnecting" => {
                client.send_text("{}".to_owned()).await;
                assert_eq!(client.hear().await["type"], "disconnect");
            }
            "closed" => {
                client.say("close").await;
                assert_eq!(client.hear().await["type"], "closed");
            }
            _ => {}
        }
        // A reset, as after a crash.
        let stream = client.socket.get_mut();
        SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        stage.emptied().await;
    }
    stage.audio_after(4).await;
}

#[tokio::test(start_paused = true)]
async fn c91_silence_is_ended_by_deadlines_in_every_state() {
    // 30 s without ping, then 10 s for `close`: 0.8 s of the world.
    let stage = Setup::at_speed(50.0).start();
    let mute = Client::connect(&stage).await;
    let unpinged = Client::open(&stage).await;
    let mut gone = Client::open(&stage).await;
    gone.say("close").await;
    assert_eq!(gone.hear().await["type"], "closed");
    for mut client in [mute, unpinged] {
        let told = client.hear().await;
        assert_eq!(told["type"], "disconnect", "{told}");
        assert_eq!(told["parameters"]["reason"], "error");
        assert!(client.next().await.is_none(), "it is let go");
    }
    assert!(gone.next().await.is_none());
    stage.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn c93_one_conversation_may_have_several_sessions() {
    let stage = Setup::new().start();
    let conversation = Uuid::new_v4().to_string();
    let mut clients = join_all((0..5).map(|_| Client::connect(&stage))).await;
    for client in &mut clients {
        client.say_open(&conversation).await;
        assert_eq!(client.hear().await["type"], "opened");
        client.send_audio(vec![4; 1_600]).await;
    }
    join_all(clients.into_iter().map(Client::close)).await;
    assert_eq!(stage.audio_after(5).await.len(), 5);
    stage.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn c94_a_session_that_fails_affects_no_other() {
    let setup = Setup::new();
    let store = BadStore::new();
    let panics = Arc::clone(&store.panics);
    let stream = Stream::in_memory(setup.clock).unwrap();
    let keys = setup.keys.clone();
    let stage = setup.start_with(store, stream, keys);
    let mut other = Client::open(&stage).await;
    panics.store(true, Ordering::Relaxed);
    let mut failing = Client::open(&stage).await;
    failing.ping().await;
    panics.store(false, Ordering::Relaxed);
    failing.send_text("nonsense".to_owned()).await;
    failing.leave_when_told().await;
    other.send_audio(vec![1; 3_200]).await;
    other.ping().await;
    other.close().await;
    assert_eq!(stage.audio_after(1).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut_off_and_no_other_notices() {
    let stage = Setup::new().start();
    let mut other = Client::open(&stage).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(stage.address).await.unwrap();
    let upgrade = Upgrade::signed(stage.address, stage.clock.now());
    let mut slow = upgrade.connect_over(stream).await;
    slow.say_open(&Uuid::new_v4().to_string()).await;
    let started = Instant::now();
    let mut sent = 0_u32;
    loop {
        let ping = slow.message("ping", json!({}));
        let bytes = frame(true, OPCODE_TEXT, ping.as_bytes());
        if slow.socket.get_mut().write_all(&bytes).await.is_err() {
            break;
        }
        sent += 1;
        if sent.is_multiple_of(100) {
            let took = other.ping().await;
            assert!(took < Duration::from_millis(250), "{took:?}");
        }
        assert!(started.elapsed() < PATIENCE, "nobody cut it off");
    }
    until("only the other is left", || stage.sessions() == 1).await;
    other.close().await;
}

#[tokio::test]
async fn a_flood_does_not_keep_deadlines_and_shutdown_from_being_seen() {
    let mut setup = Setup::new();
    setup.door.pace.shutdown_grace = Duration::from_millis(200);
    let stage = setup.start();
    let client = Client::open(&stage).await;
    let mut flood: TcpStream = client.socket.into_inner();
    let flooding = tokio::spawn(async move {
        let bytes = frame(true, OPCODE_BINARY, &[0; 2]).repeat(1_000);
        while flood.write_all(&bytes).await.is_ok() {}
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    stage.stop.now();
    let drained = stage.closed().await;
    assert_eq!(drained.ended, 1);
    tokio::time::timeout(PATIENCE, flooding).await.unwrap().unwrap();
}
