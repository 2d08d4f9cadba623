//! Calls that began, changed or ended while nobody listened.

use sidetone_genesys_sim::{Conversation, Customer, Delivery, Failure, Queue, Who};
use sidetone_model::{EndReason, Hold};

use super::*;

pub(super) fn inbound(clock: Clock) -> Conversation {
    let customer = Customer {
        name: "Springfield".to_owned(),
        ani: "+15555550100".to_owned(),
        dnis: "+15555550199".to_owned(),
    };
    let queue =
        Queue { id: Uuid::from_u128(0xe01), name: "Billing".to_owned(), auto_answer: false };
    Conversation::inbound(fresh_key(), customer, queue, clock.now())
}

pub(super) fn milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis())
}

/// Has the store say what it should, which the call itself knows.
fn assert_true(leg: &Leg, call: &Conversation) {
    let truth = &call.legs()[0];
    assert_eq!(leg.ringing_at, truth.rang_at.map(milliseconds), "it rang");
    assert_eq!(leg.connected_at, truth.connected_at.map(milliseconds), "it was answered");
    assert_eq!(leg.ended_at, truth.ended_at.map(milliseconds), "it ended");
    let held = truth
        .holds
        .iter()
        .map(|(from, to)| Hold { from: milliseconds(*from), to: to.map(milliseconds) });
    assert_eq!(leg.holds, held.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn s59_a_call_that_went_on_before_the_start_is_found_with_its_true_times() {
    let clock = Clock::scaled(20.0);
    let platform = Platform::start(config(clock, vec![ada(), bo()])).await.unwrap();
    let mut call = inbound(clock);
    let second = Duration::from_secs(1);
    call.ring(&ada(), clock.now());
    clock.sleep(second * 2).await;
    call.answer(ada().id, clock.now()).unwrap();
    clock.sleep(second * 2).await;
    call.hold(ada().id, clock.now()).unwrap();
    clock.sleep(second * 2).await;
    call.retrieve(ada().id, clock.now()).unwrap();
    platform.publish_by(&call.snapshot(), Delivery::lost());
    let mut stranger = inbound(clock);
    stranger.ring(&sim_user(9, "nobody@customer.example"), clock.now());
    platform.publish_by(&stranger.snapshot(), Delivery::lost());
    let agents = ["ada", "bo"].map(|agent| provisioned(agent, Adaptor::GenesysCloud));
    let bench = Bench::start_on(platform, clock, &agents).await;
    let held = |legs: &[Leg]| legs.iter().any(|leg| !leg.holds.is_empty());
    let legs = bench.legs_when(call.key(), "the call is found", held).await;
    assert_true(&legs[0], &call);
    assert_eq!(legs[0].attribution.agent(), Some(&AgentId::new("ada")));
    assert_eq!(bench.legs(stranger.key()).await, [], "nobody of ours is on it");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s59_s63_what_happened_while_the_socket_was_gone_is_found() {
    let bench = Bench::start(20.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    let second = Duration::from_secs(1);
    clock.sleep(second * 40).await;
    let (mut begins, mut ends, mut short) = (inbound(clock), inbound(clock), inbound(clock));
    ends.ring(&bo(), clock.now());
    ends.answer(bo().id, clock.now()).unwrap();
    platform.publish(&ends.snapshot(), Duration::ZERO);
    bench.legs_when(ends.key(), "one goes on", |legs| legs.len() == 1).await;
    platform.refuse_upgrades(2, 503);
    platform.kill_sockets();
    short.ring(&ada(), clock.now());
    clock.sleep(second).await;
    short.answer(ada().id, clock.now()).unwrap();
    clock.sleep(second).await;
    short.hang_up(Who::Customer, clock.now()).unwrap();
    short.terminate();
    platform.publish_by(&short.snapshot(), Delivery::lost());
    ends.hang_up(Who::Agent(bo().id), clock.now()).unwrap();
    ends.terminate();
    platform.publish_by(&ends.snapshot(), Delivery::lost());
    begins.ring(&ada(), clock.now());
    begins.answer(ada().id, clock.now()).unwrap();
    platform.publish_by(&begins.snapshot(), Delivery::lost());
    for (call, over) in [(&begins, false), (&ends, true), (&short, true)] {
        let found = |legs: &[Leg]| legs.iter().any(|leg| leg.ended_at.is_some() == over);
        let legs = bench.legs_when(call.key(), "it is found", found).await;
        assert_true(&legs[0], call);
        assert_eq!(legs.len(), 1);
    }
    assert_eq!(bench.legs(ends.key()).await[0].end_reason, Some(EndReason::Client));
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s59_analytics_that_lags_is_asked_once_more() {
    let clock = Clock::scaled(20.0);
    let lag = Duration::from_secs(25);
    let sim = PlatformConfig { analytics_lag: lag, ..config(clock, vec![ada(), bo()]) };
    let platform = Platform::start(sim).await.unwrap();
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    call.answer(ada().id, clock.now()).unwrap();
    platform.publish_by(&call.snapshot(), Delivery::lost());
    let agents = [provisioned("ada", Adaptor::GenesysCloud)];
    let bench = Bench::start_on(platform, clock, &agents).await;
    let legs = bench.legs_when(call.key(), "it is found late", |legs| legs.len() == 1).await;
    assert_true(&legs[0], &call);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s59_events_and_records_of_one_call_make_one_story() {
    let bench = Bench::start(20.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    let second = Duration::from_secs(1);
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    platform.publish(&call.snapshot(), second / 2);
    clock.sleep(second * 2).await;
    call.answer(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), second / 2);
    clock.sleep(second * 2).await;
    call.hold(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), second / 2);
    clock.sleep(second * 2).await;
    platform.kill_sockets();
    call.retrieve(ada().id, clock.now()).unwrap();
    platform.publish_by(&call.snapshot(), Delivery::lost());
    let back = |legs: &[Leg]| legs.iter().any(|leg| leg.holds.iter().any(|it| it.to.is_some()));
    bench.legs_when(call.key(), "the return is found", back).await;
    clock.sleep(second * 5).await;
    call.hold(ada().id, clock.now()).unwrap();
    platform.publish(&call.snapshot(), second / 2);
    let twice = |legs: &[Leg]| legs[0].holds.len() == 2;
    bench.legs_when(call.key(), "it is held again", twice).await;
    call.hang_up(Who::Customer, clock.now()).unwrap();
    call.terminate();
    platform.publish(&call.snapshot(), second / 2);
    let over = |legs: &[Leg]| legs[0].ended_at.is_some();
    let legs = bench.legs_when(call.key(), "it is over", over).await;
    assert_true(&legs[0], &call);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s16_s61_many_calls_are_found_page_by_page_within_the_rate_limit() {
    let clock = Clock::scaled(40.0);
    let limits = Limits { requests_per_minute: 12, ..limits() };
    let sim = PlatformConfig { limits, ..config(clock, vec![ada(), bo()]) };
    let platform = Platform::start(sim).await.unwrap();
    let mut calls = Vec::new();
    for number in 0..730 {
        let mut call = inbound(clock);
        let agent = if number % 2 == 0 { ada() } else { bo() };
        call.ring(&agent, clock.now());
        if number % 10 == 0 {
            call.hang_up(Who::Customer, clock.now()).unwrap();
            call.terminate();
        }
        platform.publish_by(&call.snapshot(), Delivery::lost());
        calls.push(call);
    }
    let agents = ["ada", "bo"].map(|agent| provisioned(agent, Adaptor::GenesysCloud));
    let bench = Bench::start_on(platform, clock, &agents).await;
    for call in &calls {
        let legs = bench.legs_when(call.key(), "it is found", |legs| legs.len() == 1).await;
        assert_true(&legs[0], call);
    }
    let stats = bench.platform.stats();
    assert!(stats.details_pages >= 8, "{stats:?}");
    assert!(stats.requests_per_minute_most <= 11, "{stats:?}");
    assert_eq!(stats.throttled, 0);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_fails_is_tried_again() {
    let clock = Clock::scaled(40.0);
    let platform = Platform::start(config(clock, vec![ada()])).await.unwrap();
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    platform.publish_by(&call.snapshot(), Delivery::lost());
    platform.fail_next_at("details", 5, Failure::Status { status: 503, retry_after: None });
    platform.fail_next_at("details", 1, Failure::HalfJson);
    let bench =
        Bench::start_on(platform, clock, &[provisioned("ada", Adaptor::GenesysCloud)]).await;
    bench.legs_when(call.key(), "it is found", |legs| legs.len() == 1).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_events_still_come_and_nobody_asks_on_and_on() {
    let clock = Clock::scaled(40.0);
    let missing = ["analytics:conversationDetail:view".to_owned()].into();
    let sim = PlatformConfig { missing_permissions: missing, ..config(clock, vec![ada()]) };
    let platform = Platform::start(sim).await.unwrap();
    let bench =
        Bench::start_on(platform, clock, &[provisioned("ada", Adaptor::GenesysCloud)]).await;
    bench.connected().await;
    clock.sleep(Duration::from_secs(60)).await;
    let asked = bench.platform.stats().requests;
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    bench.platform.publish(&call.snapshot(), Duration::ZERO);
    bench.legs_when(call.key(), "it rings", |legs| legs.len() == 1).await;
    clock.sleep(Duration::from_secs(60)).await;
    // A listing of users, at most.
    assert!(bench.platform.stats().requests <= asked + 1);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_tracker_begins_where_the_last_one_heard_everything() {
    let bench = Bench::start(100.0).await;
    let (clock, platform, store) = (bench.clock, bench.platform.clone(), bench.store.clone());
    clock.sleep(Duration::from_secs(90)).await;
    let stream = bench.stream.clone();
    bench.end().await;
    // Longer than a first tracker would look back.
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    call.answer(ada().id, clock.now()).unwrap();
    clock.sleep(Duration::from_secs(5)).await;
    call.hang_up(Who::Customer, clock.now()).unwrap();
    call.terminate();
    platform.publish_by(&call.snapshot(), Delivery::lost());
    clock.sleep(Duration::from_secs(700)).await;
    let next = Bench::start_with_store(platform, clock, store, stream).await;
    let legs = next.legs_when(call.key(), "it is found", |legs| legs.len() == 1).await;
    assert_true(&legs[0], &call);
    next.end().await;
}
