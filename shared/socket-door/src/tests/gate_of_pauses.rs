//! I3: nothing received while paused leaves the session; what was under way before is kept.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use sidetone_driver::HostConfig;
use sidetone_model::{
    AgentId, Attribution, Changes, CommunicationId, ConversationKey, Direction, Hold, Leg, Listen,
    OnHold, OwnerId, ParticipantId, UserId,
};
use sidetone_ports::{CallStore, Clock, Item, Mailbox, RecordSource};
use sidetone_ports_embedded::{Store, Stream};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::client::{Client, OPCODE_BINARY, OPCODE_TEXT, frame};
use super::stage::{ORGANIZATION, Setup, Stage};

/// A byte that stands for a card number.
const MARKER: u8 = 0xA5;

async fn assert_no_marker(stream: &Stream) {
    let put = stream.read(0, 10_000, Duration::ZERO).await.unwrap();
    for one in put {
        let marked = one.record.data.windows(8).any(|bytes| bytes == [MARKER; 8]);
        assert!(!marked, "something said during a pause is in the stream");
    }
}

#[tokio::test(start_paused = true)]
async fn c65_frames_in_the_same_segment_as_paused_reach_nothing() {
    let stage = Setup::new().start();
    let mut client = Client::open(&stage).await;
    client.send_audio(vec![1; 3_200]).await;
    let paused = client.message("paused", json!({}));
    let segment = [
        frame(true, OPCODE_TEXT, paused.as_bytes()),
        frame(true, OPCODE_BINARY, &[MARKER; 3_200]),
        frame(true, OPCODE_BINARY, &[MARKER; 1_600]),
    ]
    .concat();
    client.socket.get_mut().write_all(&segment).await.unwrap();
    let told = client.hear().await;
    assert_eq!(told["type"], "disconnect", "{told}");
    assert_eq!(told["parameters"]["reason"], "error");
    client.send_audio(vec![MARKER; 3_200]).await;
    client.say("close").await;
    assert_eq!(client.hear().await["type"], "closed");
    client.send_audio(vec![MARKER; 3_200]).await;
    drop(client);
    let audio = stage.audio_after(1).await;
    assert_eq!(audio.len(), 1);
    assert_no_marker(&stage.sink).await;
}

struct Call {
    store: Store,
    clock: Clock,
    leg: Leg,
    revision: u64,
}

impl Call {
    /// A call at which an agent of ours is connected.
    fn new(store: Store, clock: Clock, conversation: &str) -> Self {
        let key = ConversationKey {
            organization: ORGANIZATION.parse().unwrap(),
            conversation: conversation.parse().unwrap(),
        };
        let leg = Leg {
            key,
            participant: ParticipantId::new("agent-entry"),
            communication: CommunicationId::new("agent-line"),
            user: UserId::new(Uuid::new_v4()),
            attribution: Attribution::Ours(AgentId::new("ada")),
            attributed_at: clock.now(),
            earlier: Default::default(),
            direction: Direction::Inbound,
            queue: None,
            ringing_at: Some(clock.now() - Duration::from_secs(5)),
            connected_at: Some(clock.now() - Duration::from_secs(2)),
            ended_at: None,
            end_reason: None,
            holds: Vec::new(),
            mutes: Changes::default(),
            conferences: Changes::default(),
            wrap_up_at: None,
            wrapped_up_at: None,
            late: false,
            sources: BTreeSet::new(),
        };
        Self { store, clock, leg, revision: 0 }
    }

    async fn tell(&mut self) {
        let bytes = serde_json::to_vec(&self.leg).unwrap();
        let name = "leg#agent-line".to_owned();
        let item = Item { name, bytes, revision: self.revision };
        let expires_at = self.clock.now() + Duration::from_secs(60);
        self.revision = self.store.put(self.leg.key, item, None, expires_at).await.unwrap();
        self.store.post(&OwnerId::new("door"), self.leg.key, self.clock.now()).await.unwrap();
    }
}

fn matched() -> (Stage<Stream>, Store) {
    let mut setup = Setup::new();
    setup.host = HostConfig::default();
    setup.host.engine.listen = Listen::Matched;
    setup.host.engine.on_hold = OnHold::Pause;
    setup.host.engine.linger = Duration::from_millis(200);
    let store = Store::in_memory().unwrap();
    let stream = Stream::in_memory(setup.clock).unwrap();
    let keys = setup.keys.clone();
    (setup.start_with(store.clone(), stream, keys), store)
}

#[tokio::test(start_paused = true)]
async fn c66_frames_between_our_pause_and_paused_are_kept_and_none_after() {
    let (stage, store) = matched();
    let conversation = Uuid::new_v4().to_string();
    let mut call = Call::new(store, stage.clock, &conversation);
    call.tell().await;
    let mut client = Client::connect(&stage).await;
    client.say_open(&conversation).await;
    let opened = client.hear().await;
    assert_eq!(opened["parameters"]["startPaused"], false, "{opened}");
    client.send_audio(vec![1; 3_200]).await;
    call.leg.holds.push(Hold { from: stage.clock.now(), to: None });
    call.tell().await;
    assert_eq!(client.hear().await["type"], "pause");
    client.send_audio(vec![2; 3_200]).await;
    client.send_audio(vec![3; 3_200]).await;
    client.samples += 1_600;
    let paused = client.message("paused", json!({}));
    let segment = [
        frame(true, OPCODE_BINARY, &[4; 3_200]),
        frame(true, OPCODE_TEXT, paused.as_bytes()),
        frame(true, OPCODE_BINARY, &[MARKER; 3_200]),
    ]
    .concat();
    client.socket.get_mut().write_all(&segment).await.unwrap();
    let told = client.leave_when_told().await;
    assert_eq!(told["parameters"]["reason"], "error", "{told}");
    call.leg.ended_at = Some(stage.clock.now());
    call.tell().await;
    let audio = stage.audio_after(1).await;
    let first: Vec<u8> = audio.iter().map(|audio| audio.data[0]).collect();
    assert_eq!(first, [1, 2, 3, 4]);
    assert_no_marker(&stage.sink).await;
}
