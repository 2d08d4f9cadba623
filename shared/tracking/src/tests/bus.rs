//! Calls told by an event bus, alone and beside the sockets. All people are invented.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidetone_delivery_wire::{Body, CallEventKind, decode};
use sidetone_model::{
    Attribution, ConnectionId, DoorKind, EventSource, NotOurs, OwnerId, ParticipantId, SessionId,
    SessionItem, SessionPhase,
};
use sidetone_ports::{Item, Mailbox, RecordSource};

use super::*;
use crate::{BusError, Lags, PartnerEvents, Taken};

/// The events of one conversation of Ada's, as they would be now.
struct Call {
    key: ConversationKey,
    began_at: Timestamp,
}

impl Call {
    fn now(clock: Clock) -> Self {
        Self { key: fresh_key(), began_at: Timestamp::from_millis(clock.now().as_millis()) }
    }

    fn at(&self, millis: u64) -> Timestamp {
        self.began_at + Duration::from_millis(millis)
    }

    fn event(&self, kind: &str, millis: u64, extra: &Value) -> String {
        let conversation = self.key.conversation;
        let mut body = json!({
            "eventTime": self.at(millis).as_millis(), "conversationId": conversation,
            "participantId": "p-ada", "sessionId": "s-ada", "mediaType": "VOICE",
            "direction": "INBOUND", "userId": ada().id, "queueId": "billing"
        });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let topic = format!("v2.detail.events.conversation.{conversation}.{kind}");
        json!({
            "source": format!("aws.partner/genesys.com/cloud/{}/x", self.key.organization),
            "detail": {"topicName": topic, "eventBody": body}
        })
        .to_string()
    }

    /// Rung at 100, answered at 3,000, over at 9,000, worked on to 12,000.
    fn events(&self) -> Vec<String> {
        let customer = json!({"sessionId": "s-c", "userId": null});
        let answered = json!({"sessionId": "s-q", "userId": null, "acdOutcome": "ANSWERED",
                              "answeredUserId": ada().id});
        let over = json!({"disconnectType": "PEER", "interactingDurationMs": 6_000});
        vec![
            self.event("customer.start", 0, &customer),
            self.event("user.start", 100, &json!({})),
            self.event("acd.end", 3_020, &answered),
            self.event("user.end", 9_000, &over),
            self.event("customer.end", 9_000, &customer),
            self.event("acw", 12_000, &json!({"wrapupDurationMs": 3_000})),
        ]
    }
}

/// Whoever takes the events of a simulated platform.
struct Bus {
    clock: Clock,
    platform: Platform,
    store: Store,
    stream: Stream,
    lags: Lags,
    events: PartnerEvents<Store, Stream>,
}

impl Bus {
    async fn open() -> Self {
        let clock = Clock::scaled(20.0);
        let platform = Platform::start(config(clock, vec![ada(), bo()])).await.unwrap();
        let store = Store::in_memory().unwrap();
        let agents = [provisioned("ada", Adaptor::GenesysCloud)];
        store.put_users(organization(), &agents).await.unwrap();
        let stream = Stream::in_memory(clock).unwrap();
        Self::on(platform, clock, store, stream)
    }

    fn on(platform: Platform, clock: Clock, store: Store, stream: Stream) -> Self {
        let lags = Lags::default();
        let settings = TrackerConfig::new(hosts(&platform), CLIENT_ID, Secret::new(CLIENT_SECRET));
        let (calls, sink) = (store.clone(), stream.clone());
        let events = PartnerEvents::new(settings, clock, calls, sink, lags.clone()).unwrap();
        Self { clock, platform, store, stream, lags, events }
    }

    async fn take(&self, event: &str) -> Taken {
        self.events.take(self.clock, event).await.unwrap()
    }

    async fn legs(&self, key: ConversationKey) -> Vec<Leg> {
        let items = self.store.query(key, self.clock.now()).await.unwrap();
        let legs = items.iter().filter(|item| item.name.starts_with("leg#"));
        legs.map(|item| serde_json::from_slice(&item.bytes).unwrap()).collect()
    }

    /// Every event in the stream, by its key: each once.
    async fn told(&self) -> BTreeSet<(String, u64, CallEventKind, String)> {
        let delivered = self.stream.read(0, 1_000, Duration::ZERO).await.unwrap();
        let records = delivered.into_iter().flat_map(|it| decode(it.record.data).unwrap());
        records
            .map(|record| {
                let Some(Body::CallEvent(event)) = record.body else { panic!("no event") };
                (record.connection_id, record.number, event.kind(), event.agent_id)
            })
            .collect()
    }

    /// Puts a session beside the call, and returns its owner.
    async fn open_session(&self, key: ConversationKey) -> OwnerId {
        let owner = OwnerId::new("door");
        let item = SessionItem {
            key,
            session: SessionId::new(Uuid::new_v4()),
            connection: ConnectionId::new("c"),
            participant: ParticipantId::new("p"),
            owner: owner.clone(),
            opened_at: self.clock.now(),
            phase: SessionPhase::Live,
            door: DoorKind::Socket,
            media: None,
            unheard: None,
            end: None,
        };
        let bytes = serde_json::to_vec(&item).unwrap();
        let item = Item { name: "session#c".to_owned(), bytes, revision: 0 };
        let expires_at = self.clock.now() + Duration::from_secs(60);
        self.store.put(key, item, None, expires_at).await.unwrap();
        owner
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_told_by_the_bus_alone_is_matched_and_told_once() {
    let bus = Bus::open().await;
    let call = Call::now(bus.clock);
    for event in call.events() {
        assert_eq!(bus.take(&event).await, Taken::Saved);
        assert_eq!(bus.take(&event).await, Taken::Saved, "what comes twice counts once");
    }
    let [leg] = &bus.legs(call.key).await[..] else { panic!("one leg") };
    assert_eq!(leg.attribution, Attribution::Ours(AgentId::new("ada")));
    assert_eq!(leg.ringing_at, Some(call.at(100)));
    assert_eq!(leg.connected_at, Some(call.at(3_000)));
    assert_eq!(leg.ended_at, Some(call.at(9_000)));
    assert_eq!(leg.wrap_up(), Some((call.at(9_000), Some(call.at(12_000)))));
    assert_eq!(leg.sources, BTreeSet::from([EventSource::EventBus]));
    assert!(!leg.late);
    let told: Vec<_> = bus.told().await.into_iter().map(|(_, _, kind, _)| kind).collect();
    use CallEventKind::{Ended, Ringing, Started, WrapUpEnded, WrapUpStarted};
    assert_eq!(told, [Ringing, Started, Ended, WrapUpStarted, WrapUpEnded]);
    assert_eq!(bus.lags.figures()[&EventSource::EventBus].count, 4, "that it rang or ended, …");
    assert_no_violations(&bus.platform);
}

#[tokio::test(start_paused = true)]
async fn in_any_order_and_by_several_processes_it_is_the_same_call() {
    let bus = Bus::open().await;
    let other = Bus::on(bus.platform.clone(), bus.clock, bus.store.clone(), bus.stream.clone());
    let call = Call::now(bus.clock);
    for (place, event) in call.events().iter().rev().enumerate() {
        let taker = if place % 2 == 0 { &bus } else { &other };
        taker.take(event).await;
    }
    let [leg] = &bus.legs(call.key).await[..] else { panic!("one leg") };
    assert_eq!(leg.connected_at, Some(call.at(3_000)));
    assert_eq!(leg.ended_at, Some(call.at(9_000)));
    assert_eq!(leg.ringing_at, Some(call.at(100)));
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_a_session_is_told_and_told_again_when_an_event_comes_again() {
    let bus = Bus::open().await;
    let call = Call::now(bus.clock);
    let owner = bus.open_session(call.key).await;
    for event in &call.events()[1..] {
        for _ in 0..2 {
            bus.take(event).await;
            let letters = bus.store.take(&owner, Duration::ZERO).await.unwrap();
            assert_eq!(letters, [call.key], "{event}");
        }
    }
    // The call is the session's to tell, the work after it is not.
    let told = bus.told().await;
    assert!(told.iter().all(|(connection, ..)| connection.starts_with("wrap-up-")), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_organizations_events_and_those_of_nobody_are_left() {
    let bus = Bus::open().await;
    let call = Call::now(bus.clock);
    let theirs = call.events()[1].replace(&organization().to_string(), &Uuid::new_v4().to_string());
    assert_eq!(bus.take(&theirs).await, Taken::Foreign);
    assert_eq!(bus.take("{}").await, Taken::Unreadable);
    assert_eq!(bus.take("").await, Taken::Unreadable);
    assert_eq!(bus.take(&call.event("acd.start", 0, &json!({}))).await, Taken::Nothing);
    assert_eq!(bus.legs(call.key).await, []);
}

#[tokio::test(start_paused = true)]
async fn s65_somebody_unknown_is_asked_for_and_somebody_not_ours_is_said_to_be() {
    let bus = Bus::open().await;
    let call = Call::now(bus.clock);
    let ghost = user_id(99);
    bus.take(&call.event("user.start", 0, &json!({"userId": ghost}))).await;
    let bos = json!({"userId": bo().id, "sessionId": "s-bo"});
    bus.take(&call.event("user.start", 0, &bos)).await;
    let who: Vec<_> = bus.legs(call.key).await.into_iter().map(|leg| leg.attribution).collect();
    let unknown = Attribution::NotOurs(NotOurs::UnknownUser);
    assert_eq!(who, [unknown.clone(), unknown]);
    assert_eq!(bus.told().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_the_platform_or_with_a_wrong_secret_an_event_is_to_be_given_again() {
    let bus = Bus::open().await;
    let call = Call::now(bus.clock);
    let settings = TrackerConfig::new(hosts(&bus.platform), CLIENT_ID, Secret::new("wrong"));
    let (store, sink) = (bus.store.clone(), bus.stream.clone());
    let events = PartnerEvents::new(settings, bus.clock, store, sink, Lags::default()).unwrap();
    let error = events.take(bus.clock, &call.events()[1]).await.unwrap_err();
    assert!(matches!(error, BusError::SignIn(_)) && error.is_misconfiguration(), "{error}");
    assert_eq!(bus.legs(call.key).await, []);
}

#[tokio::test(start_paused = true)]
async fn what_the_sockets_and_the_bus_tell_of_one_call_is_one_leg() {
    use sidetone_genesys_sim::{Conversation, Customer, Queue, Who};
    let bench = Bench::start(20.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    let bus = Bus::on(platform.clone(), clock, bench.store.clone(), bench.stream.clone());
    let customer = Customer {
        name: "Springfield".to_owned(),
        ani: "+15555550100".to_owned(),
        dnis: "+15555550199".to_owned(),
    };
    let queue =
        Queue { id: Uuid::from_u128(0xe01), name: "Billing".to_owned(), auto_answer: false };
    let mut call = Conversation::inbound(fresh_key(), customer, queue, clock.now());
    let began_at = Timestamp::from_millis(clock.now().as_millis());
    call.ring(&ada(), began_at);
    call.answer(ada().id, began_at + Duration::from_secs(3)).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    let session = call.legs()[0].communication.to_string();
    let told = Call { key: call.key(), began_at };
    let of = json!({"sessionId": session});
    bus.take(&told.event("user.start", 0, &of)).await;
    clock.sleep(Duration::from_secs(9)).await;
    let over = json!({"sessionId": session, "disconnectType": "CLIENT",
                      "interactingDurationMs": 6_000});
    bus.take(&told.event("user.end", 9_000, &over)).await;
    call.hang_up(Who::Agent(ada().id), told.at(9_000)).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    let both = BTreeSet::from([EventSource::Socket, EventSource::EventBus]);
    // The tracker's first look back may see it, too.
    let heard = |legs: &[Leg]| {
        legs.iter().all(|leg| leg.sources.is_superset(&both) && leg.ended_at.is_some())
    };
    let legs = bench.legs_when(call.key(), "both told", heard).await;
    assert_eq!(legs.len(), 1);
    assert_eq!(legs[0].connected_at, Some(told.at(3_000)));
    assert_eq!(legs[0].ended_at, Some(told.at(9_000)));
    until("it is told", async || bus.told().await.len() >= 4).await;
    clock.sleep(Duration::from_secs(15)).await;
    let told = bus.told().await;
    let calls = told.iter().filter(|(connection, ..)| connection.starts_with("tracker-"));
    let kinds: Vec<_> = calls.map(|(_, number, kind, _)| (*number, *kind)).collect();
    use CallEventKind::{Ended, Ringing, Started};
    assert_eq!(kinds, [(1, Ringing), (2, Started), (3, Ended)]);
    bench.end().await;
}
