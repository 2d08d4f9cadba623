//! Calls from the first ring to the stream.

use std::sync::atomic::Ordering;

use sidetone_delivery_wire::{Body, CallEventKind, CallRecord, decode};
use sidetone_genesys_sim::{Conversation, Customer, Delivery, Queue, Who};
use sidetone_model::{
    Attribution, ConnectionId, Direction, DoorKind, EndReason, Hold, NotOurs, OwnerId,
    ParticipantId, SessionId, SessionItem, SessionPhase,
};
use sidetone_ports::{Item, Mailbox, RecordSource};
use sidetone_testkit::{FaultySink, PutFault};

use super::store::Flaky;
use super::*;
use crate::legs::{Tell, publish, save};

fn caller() -> Customer {
    Customer {
        name: "Springfield".to_owned(),
        ani: "+15555550100".to_owned(),
        dnis: "+15555550199".to_owned(),
    }
}

fn billing() -> Queue {
    Queue { id: Uuid::from_u128(0xe01), name: "Billing".to_owned(), auto_answer: false }
}

fn inbound(clock: Clock) -> Conversation {
    Conversation::inbound(fresh_key(), caller(), billing(), clock.now())
}

fn milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis())
}

/// What was told of the calls themselves.
async fn records(stream: &Stream) -> Vec<CallRecord> {
    let all = all_records(stream).await;
    all.into_iter().filter(|record| !record.connection_id.starts_with("wrap-up-")).collect()
}

/// What was told of the work after them.
async fn wrap_ups(stream: &Stream) -> Vec<CallRecord> {
    let all = all_records(stream).await;
    all.into_iter().filter(|record| record.connection_id.starts_with("wrap-up-")).collect()
}

async fn all_records(stream: &Stream) -> Vec<CallRecord> {
    let delivered = stream.read(0, 1_000, Duration::ZERO).await.unwrap();
    delivered.into_iter().flat_map(|it| decode(it.record.data).unwrap()).collect()
}

/// What the records of one conversation say, in order of number, each once.
fn story(records: &[CallRecord]) -> Vec<(u64, CallEventKind, String)> {
    let mut story: Vec<_> = records
        .iter()
        .map(|record| match &record.body {
            Some(Body::CallEvent(event)) => (record.number, event.kind(), event.agent_id.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    story.sort();
    story.dedup();
    story
}

/// Plays one call of Ada's with a hold; returns it when it is over.
async fn play(bench: &Bench) -> Conversation {
    let (clock, platform) = (bench.clock, &bench.platform);
    let second = Duration::from_secs(1);
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    platform.publish_by(&call.snapshot(), Delivery::twice(Duration::from_millis(100)));
    clock.sleep(second * 3).await;
    call.answer(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::from_millis(100));
    clock.sleep(second * 3).await;
    call.hold(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::from_millis(100));
    clock.sleep(second * 3).await;
    call.retrieve(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::from_millis(100));
    clock.sleep(second * 3).await;
    call.hang_up(Who::Customer, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::from_millis(100));
    call.terminate();
    platform.publish(&call.snapshot(), Duration::from_millis(110));
    call
}

fn over(legs: &[Leg]) -> bool {
    !legs.is_empty() && legs.iter().all(|leg| leg.ended_at.is_some())
}

#[tokio::test(start_paused = true)]
async fn s35_a_call_with_a_hold_is_in_the_store_with_its_true_times() {
    let bench = Bench::start(20.0).await;
    let call = play(&bench).await;
    let legs = bench.legs_when(call.key(), "the leg is over", over).await;
    let (leg, truth) = (&legs[0], &call.legs()[0]);
    assert_eq!(leg.key, call.key());
    assert_eq!(leg.attribution, Attribution::Ours(AgentId::new("ada")));
    assert_eq!(leg.direction, Direction::Inbound);
    assert_eq!(leg.queue.as_deref(), Some(billing().id.to_string().as_str()));
    assert_eq!(leg.connected_at, truth.connected_at.map(milliseconds));
    assert_eq!(leg.ended_at, truth.ended_at.map(milliseconds));
    assert_eq!(leg.end_reason, Some(EndReason::Peer));
    let [Hold { from, to: Some(to) }] = leg.holds[..] else { panic!("{:?}", leg.holds) };
    assert_eq!(from, milliseconds(truth.holds[0].0));
    assert!(to.since(truth.holds[0].1.unwrap()) < Duration::from_secs(2));
    let lag = leg.ringing_at.unwrap().since(truth.rang_at.unwrap());
    assert!(lag < Duration::from_secs(2), "{lag:?}");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s44_a_transfer_gives_two_legs_and_their_agents() {
    let bench = Bench::start(20.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    call.answer(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    clock.sleep(Duration::from_secs(2)).await;
    call.transfer_blind(ada().id, &bo(), clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    clock.sleep(Duration::from_secs(2)).await;
    call.answer(bo().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    let both = |legs: &[Leg]| legs.iter().filter(|leg| leg.connected_at.is_some()).count() == 2;
    let mut legs = bench.legs_when(call.key(), "both were connected", both).await;
    legs.sort_by_key(|leg| leg.connected_at);
    assert_eq!(legs[0].attribution, Attribution::Ours(AgentId::new("ada")));
    assert_eq!(legs[0].end_reason, Some(EndReason::Transfer));
    assert_eq!(legs[1].attribution, Attribution::Ours(AgentId::new("bo")));
    assert!(legs[1].is_connected());
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s48_an_outbound_call_starts_when_the_customer_answers() {
    let bench = Bench::start(20.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    let mut call =
        Conversation::outbound(fresh_key(), caller(), Some(billing()), &ada(), clock.now());
    platform.publish(&call.snapshot(), Duration::ZERO);
    bench.legs_when(call.key(), "it rings", |it| it.first().is_some_and(Leg::is_ringing)).await;
    call.dial(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    clock.sleep(Duration::from_secs(5)).await;
    assert!(bench.legs(call.key()).await[0].is_ringing());
    let answered_at = clock.now();
    call.connected(ada().id, answered_at).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    let connected = |legs: &[Leg]| legs[0].is_connected();
    let legs = bench.legs_when(call.key(), "it is connected", connected).await;
    assert_eq!(legs[0].connected_at, Some(milliseconds(answered_at)));
    assert_eq!(legs[0].direction, Direction::Outbound);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s64_who_is_not_ours_is_on_a_leg_with_the_reason() {
    let clock = Clock::scaled(20.0);
    let twin = sim_user(6, "ANN@b.example");
    let users = vec![
        ada(),
        bo(),
        sim_user(3, "cy@customer.example"),
        sim_user(5, "ann@a.example"),
        twin.clone(),
    ];
    let agents = [
        provisioned("ada", Adaptor::GenesysCloud),
        provisioned("ann", Adaptor::GenesysCloud),
        provisioned("bo", Adaptor::Cisco),
    ];
    let bench = Bench::start_with(config(clock, users), &agents).await;
    bench.connected().await;
    assert_eq!(bench.status.borrow().collisions, 1);
    assert_eq!(bench.status.borrow().followed, 3);
    // Ada's topic tells of everybody on her call.
    let ghost = sim_user(77, "ghost@customer.example");
    for (user, expected) in [
        (bo(), NotOurs::OtherAdaptor),
        (sim_user(3, "cy@customer.example"), NotOurs::UnknownUser),
        (twin, NotOurs::Collision),
        (ghost, NotOurs::UnknownUser),
    ] {
        let mut call = inbound(clock);
        call.ring(&ada(), clock.now());
        call.answer(ada().id, clock.now()).unwrap();
        call.transfer_blind(ada().id, &user, clock.now()).unwrap();
        bench.platform.publish(&call.snapshot(), Duration::ZERO);
        let known = |legs: &[Leg]| {
            let theirs = legs.iter().find(|leg| leg.user == user.id);
            theirs.is_some_and(|leg| leg.attribution == Attribution::NotOurs(expected))
        };
        bench.legs_when(call.key(), "the reason is known", known).await;
    }
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s65_a_user_whom_genesys_does_not_know_is_looked_up_once() {
    let bench = Bench::start(20.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    // Genesys knows nobody of that id.
    let ghost = sim_user(77, "ghost@customer.example");
    let mut asked = 0;
    for round in 0..3 {
        let mut call = inbound(clock);
        call.ring(&ada(), clock.now());
        call.answer(ada().id, clock.now()).unwrap();
        call.transfer_blind(ada().id, &ghost, clock.now()).unwrap();
        platform.publish(&call.snapshot(), Duration::ZERO);
        let unknown = Attribution::NotOurs(NotOurs::UnknownUser);
        let known = |legs: &[Leg]| {
            legs.iter().any(|leg| leg.user == ghost.id && leg.attribution == unknown)
        };
        bench.legs_when(call.key(), "the stranger is known as such", known).await;
        if round == 0 {
            asked = platform.stats().requests;
        }
    }
    assert!(platform.stats().requests <= asked + 2, "asked again and again");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s65_an_agent_of_ours_whom_the_listing_lacked_is_known_once_genesys_was_asked() {
    let clock = Clock::scaled(20.0);
    let agents = ["ada", "eve"].map(|agent| provisioned(agent, Adaptor::GenesysCloud));
    let bench = Bench::start_with(config(clock, vec![ada()]), &agents).await;
    bench.connected().await;
    let eve = sim_user(9, "eve@customer.example");
    bench.platform.put_user(eve.clone());
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    call.answer(ada().id, clock.now()).unwrap();
    call.transfer_blind(ada().id, &eve, clock.now()).unwrap();
    bench.platform.publish(&call.snapshot(), Duration::ZERO);
    let ours = Attribution::Ours(AgentId::new("eve"));
    let known = |legs: &[Leg]| legs.iter().any(|leg| leg.attribution == ours);
    bench.legs_when(call.key(), "Eve is known", known).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_move_to_another_adaptor_takes_effect_in_mid_call() {
    let bench = Bench::start(50.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    call.answer(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    let of = |who: Attribution| move |legs: &[Leg]| legs.len() == 1 && legs[0].attribution == who;
    let ours = Attribution::Ours(AgentId::new("ada"));
    bench.legs_when(call.key(), "it is Ada's", of(ours.clone())).await;
    let begun = clock.now();
    let moved = [provisioned("ada", Adaptor::Avaya)];
    bench.store.put_users(organization(), &moved).await.unwrap();
    let theirs = Attribution::NotOurs(NotOurs::OtherAdaptor);
    bench.legs_when(call.key(), "it is nobody's", of(theirs)).await;
    assert!(seconds_since(clock, begun) <= 70.0);
    let back = [provisioned("ada", Adaptor::GenesysCloud)];
    bench.store.put_users(organization(), &back).await.unwrap();
    bench.legs_when(call.key(), "it is Ada's again", of(ours)).await;
    call.hang_up(Who::Customer, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    let stream = &bench.stream;
    until("it is told", async || !records(stream).await.is_empty()).await;
    let told = story(&records(stream).await);
    let told: Vec<_> = told.iter().map(|(_, kind, agent)| (*kind, agent.as_str())).collect();
    use CallEventKind::{Ended, Ringing, Started};
    let away = [(Started, ""), (Ended, "")];
    let again = [(Started, "ada"), (Ended, "ada")];
    assert_eq!(told[..3], [(Ringing, "ada"), (Started, "ada"), (Ended, "ada")]);
    assert_eq!((&told[3..5], &told[5..]), (&away[..], &again[..]));
    bench.end().await;
}

async fn put_session(bench: &Bench, key: ConversationKey, owner: &OwnerId, phase: SessionPhase) {
    let session = SessionItem {
        key,
        session: SessionId::new(Uuid::new_v4()),
        connection: ConnectionId::new(format!("door-{owner}")),
        participant: ParticipantId::new("p"),
        owner: owner.clone(),
        opened_at: bench.clock.now(),
        phase,
        door: DoorKind::Socket,
        media: None,
        unheard: None,
        end: None,
    };
    let item = Item {
        name: format!("session#{}", session.connection),
        bytes: serde_json::to_vec(&session).unwrap(),
        revision: 0,
    };
    let expires_at = bench.clock.now() + Duration::from_secs(3_600);
    bench.store.put(key, item, Some(owner.clone()), expires_at).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_change_is_told_to_the_owner_of_each_live_session() {
    let bench = Bench::start(20.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    let mut call = inbound(clock);
    let owners = ["live", "lingering", "ended"].map(OwnerId::new);
    for (owner, phase) in
        owners.iter().zip([SessionPhase::Live, SessionPhase::Lingering, SessionPhase::Ended])
    {
        put_session(&bench, call.key(), owner, phase).await;
    }
    for step in 0..3 {
        match step {
            0 => call.ring(&ada(), clock.now()),
            1 => call.answer(ada().id, clock.now()).unwrap(),
            _ => call.hang_up(Who::Customer, clock.now()).unwrap(),
        }
        platform.publish(&call.snapshot(), Duration::ZERO);
        for owner in &owners[..2] {
            let letters = bench.store.take(owner, Duration::from_secs(5)).await.unwrap();
            assert_eq!(letters, [call.key()], "step {step} to {owner}");
        }
    }
    clock.sleep(Duration::from_secs(15)).await;
    assert_eq!(bench.store.take(&owners[2], Duration::ZERO).await.unwrap(), []);
    assert_eq!(records(&bench.stream).await, [], "its sessions tell it");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_conversation_without_a_session_is_told_by_the_tracker_once_it_is_over() {
    let bench = Bench::start(20.0).await;
    let call = play(&bench).await;
    bench.legs_when(call.key(), "the leg is over", over).await;
    assert_eq!(records(&bench.stream).await, [], "a door may still come");
    let stream = bench.stream.clone();
    until("it is told", async || !records(&stream).await.is_empty()).await;
    let told = records(&bench.stream).await;
    use CallEventKind::{Ended, Held, Retrieved, Ringing, Started};
    let expected = (1..).zip([Ringing, Started, Held, Retrieved, Ended]);
    let expected: Vec<_> = expected.map(|(number, kind)| (number, kind, "ada".into())).collect();
    assert_eq!(story(&told), expected);
    let organization_bytes = organization().uuid();
    let name = Uuid::new_v5(&organization_bytes, call.key().conversation.uuid().as_bytes());
    for record in &told {
        assert_eq!(record.session_id, "");
        assert_eq!(record.connection_id, format!("tracker-{name}"));
        assert_eq!(record.conversation_id, call.key().conversation.to_string());
    }
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s51_the_work_after_a_call_is_told_once_whoever_told_of_the_call() {
    let bench = Bench::start(20.0).await;
    let mut call = play(&bench).await;
    let stream = bench.stream.clone();
    until("it is told", async || wrap_ups(&stream).await.len() == 1).await;
    bench.clock.sleep(Duration::from_secs(2)).await;
    call.wrap_up(ada().id, "resolved", bench.clock.now()).unwrap();
    bench.platform.publish_by(&call.snapshot(), Delivery::twice(Duration::from_millis(100)));
    until("it is done", async || story(&wrap_ups(&stream).await).len() == 2).await;
    let told = wrap_ups(&stream).await;
    use CallEventKind::{WrapUpEnded, WrapUpStarted};
    assert_eq!(story(&told), [(1, WrapUpStarted, "ada".into()), (2, WrapUpEnded, "ada".into())]);
    let connections: std::collections::BTreeSet<_> =
        told.iter().map(|record| (&record.session_id, &record.connection_id)).collect();
    assert_eq!(connections.len(), 1, "one key for each of the two");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_began_under_another_tracker_is_seen_to_end() {
    let bench = Bench::start(20.0).await;
    let (clock, store, stream) = (bench.clock, bench.store.clone(), bench.stream.clone());
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    call.answer(ada().id, clock.now()).unwrap();
    call.hold(ada().id, clock.now()).unwrap();
    bench.platform.publish(&call.snapshot(), Duration::ZERO);
    let held = |legs: &[Leg]| legs.iter().any(Leg::is_held);
    bench.legs_when(call.key(), "it is held", held).await;
    let platform = bench.end().await;
    let bench = Bench::start_with_store(platform, clock, store, stream).await;
    bench.connected().await;
    call.retrieve(ada().id, clock.now()).unwrap();
    bench.platform.publish(&call.snapshot(), Duration::ZERO);
    let legs = bench.legs_when(call.key(), "it is back", |legs| !held(legs)).await;
    assert_eq!(legs[0].holds.len(), 1);
    assert!(legs[0].is_connected());
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_comes_after_the_telling_is_told_under_the_next_numbers() {
    let bench = Bench::start(20.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    call.answer(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    clock.sleep(Duration::from_secs(2)).await;
    call.transfer_to_queue(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    let stream = bench.stream.clone();
    until("the first is told", async || !records(&stream).await.is_empty()).await;
    let first = story(&records(&bench.stream).await);
    call.ring(&bo(), clock.now());
    platform.publish(&call.snapshot(), Duration::ZERO);
    clock.sleep(Duration::from_secs(2)).await;
    call.answer(bo().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    clock.sleep(Duration::from_secs(15)).await;
    assert_eq!(story(&records(&bench.stream).await), first, "Bo still talks");
    call.hang_up(Who::Agent(bo().id), clock.now()).unwrap();
    platform.publish(&call.snapshot(), Duration::ZERO);
    until("the second is told", async || story(&records(&stream).await).len() > first.len()).await;
    let both = story(&records(&bench.stream).await);
    assert_eq!(both[..first.len()], first);
    assert!(both[first.len()..].iter().all(|(_, _, agent)| agent == "bo"));
    let numbers: Vec<_> = both.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=both.len() as u64).collect::<Vec<_>>());
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_learned_after_the_telling_shifts_no_number() {
    let bench = Bench::start(20.0).await;
    let call = play(&bench).await;
    bench.legs_when(call.key(), "the leg is over", over).await;
    let (store, stream, clock) = (&bench.store, &bench.stream, bench.clock);
    until("it is told", async || !records(stream).await.is_empty()).await;
    let before = story(&records(stream).await);
    // Another source knows of a hold before all that was known, and of a ringing long before.
    let mut leg = bench.legs(call.key()).await.remove(0);
    let rang = leg.ringing_at.unwrap() - Duration::from_secs(5);
    leg.holds.insert(0, Hold { from: rang, to: Some(rang + Duration::from_secs(1)) });
    leg.ringing_at = Some(rang);
    save(store, &clock, call.key(), &[leg], Tell::News).await.unwrap();
    assert_eq!(publish(store, stream, &clock, call.key()).await.unwrap(), 10);
    let after = story(&records(stream).await);
    assert_eq!(after[..before.len()], before);
    let news: Vec<_> =
        after[before.len()..].iter().map(|(number, kind, _)| (*number, *kind)).collect();
    use CallEventKind::{Held, Retrieved, Ringing};
    assert_eq!(news, [(6, Ringing), (7, Held), (8, Retrieved), (9, Held), (10, Retrieved)]);
    bench.end().await;
}

/// Starts a tracker on a store and a sink that can fail.
async fn start_flaky(speed: f64) -> (Bench, Flaky, FaultySink<Stream>) {
    let clock = Clock::scaled(speed);
    let platform = Platform::start(config(clock, vec![ada()])).await.unwrap();
    let store = Store::in_memory().unwrap();
    let agents = [provisioned("ada", Adaptor::GenesysCloud)];
    store.put_users(organization(), &agents).await.unwrap();
    let stream = Stream::in_memory(clock).unwrap();
    let (flaky, faulty) = (Flaky::new(store.clone()), FaultySink::new(stream.clone()));
    let settings = TrackerConfig::new(hosts(&platform), CLIENT_ID, Secret::new(CLIENT_SECRET));
    let tracker = Tracker::new(settings, clock, flaky.clone(), faulty.clone()).unwrap();
    let status = tracker.status();
    let stop = CancellationToken::new();
    let running = tokio::spawn(tracker.run(stop.clone()));
    let bench = Bench { clock, platform, store, stream, status, stop, running };
    bench.connected().await;
    (bench, flaky, faulty)
}

#[tokio::test(start_paused = true)]
async fn what_the_store_did_not_take_is_saved_later_without_another_event() {
    let (bench, store, _) = start_flaky(20.0).await;
    store.failures.store(3, Ordering::SeqCst);
    let mut call = inbound(bench.clock);
    call.ring(&ada(), bench.clock.now());
    bench.platform.publish(&call.snapshot(), Duration::ZERO);
    bench.legs_when(call.key(), "the leg is saved", |legs| legs.len() == 1).await;
    assert_eq!(store.failures.load(Ordering::SeqCst), 0);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_stream_did_not_take_is_told_again() {
    let (bench, _, sink) = start_flaky(50.0).await;
    sink.next(PutFault::Throttle);
    sink.next(PutFault::FailAfterCommit);
    sink.next(PutFault::Refuse);
    let call = play(&bench).await;
    let stream = bench.stream.clone();
    until("it is told for good", async || records(&stream).await.len() >= 10).await;
    assert_eq!(story(&records(&bench.stream).await).len(), 5);
    bench.legs_when(call.key(), "the leg is over", over).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ended_just_before_the_stop_is_told() {
    let bench = Bench::start(20.0).await;
    let call = play(&bench).await;
    bench.legs_when(call.key(), "the leg is over", over).await;
    let stream = bench.stream.clone();
    bench.end().await;
    assert_eq!(story(&records(&stream).await).len(), 5);
}
