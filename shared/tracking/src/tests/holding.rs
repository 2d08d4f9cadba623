//! Channels that expire, sockets that break, users who come and go.

use std::collections::BTreeSet;

use sidetone_genesys_sim::{Conversation, Customer, Failure, Queue, UserState};

use super::*;

fn call() -> Conversation {
    let customer = Customer {
        name: "Springfield".to_owned(),
        ani: "+15555550100".to_owned(),
        dnis: "+15555550199".to_owned(),
    };
    let queue =
        Queue { id: Uuid::from_u128(0xe01), name: "Billing".to_owned(), auto_answer: false };
    Conversation::inbound(fresh_key(), customer, queue, Timestamp::from_millis(1_000))
}

/// Rings Ada and waits until that is in the store.
async fn assert_follows_ada(bench: &Bench) {
    let mut call = call();
    call.ring(&ada(), bench.clock.now());
    bench.platform.publish(&call.snapshot(), Duration::ZERO);
    let legs = bench.legs_when(call.key(), "the ringing leg is stored", |it| !it.is_empty()).await;
    assert_eq!(legs[0].attribution.agent(), Some(&AgentId::new("ada")));
}

async fn sockets_opened(bench: &Bench, count: u64) {
    let platform = bench.platform.clone();
    until("another socket is open with its topics", async || {
        let stats = platform.stats();
        stats.sockets_opened >= count && stats.sockets_open >= 1
    })
    .await;
    bench.connected().await;
    // The topics may be on their way.
    bench.clock.sleep(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn s17_s18_a_thousand_and_one_agents_are_followed_on_two_channels() {
    let clock = Clock::scaled(20.0);
    let users: Vec<_> =
        (0..1_001).map(|number| sim_user(number, &format!("u{number}@customer.example"))).collect();
    let agents: Vec<_> = (0..1_001)
        .map(|number| provisioned(&format!("u{number}"), Adaptor::GenesysCloud))
        .collect();
    let bench = Bench::start_with(config(clock, users), &agents).await;
    let platform = bench.platform.clone();
    until("all topics are set", async || platform.stats().topics == 1_001).await;
    assert_eq!(platform.stats().channels_alive, 2);
    until("both are open", async || bench.status.borrow().channels.len() == 2).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s19_users_of_a_forbidden_division_are_reported_and_the_others_followed() {
    let clock = Clock::scaled(20.0);
    let mut apart = bo();
    apart.division = Uuid::from_u128(7);
    let config = PlatformConfig {
        forbidden_divisions: BTreeSet::from([apart.division]),
        ..config(clock, vec![ada(), apart])
    };
    let agents = ["ada", "bo"].map(|agent| provisioned(agent, Adaptor::GenesysCloud));
    let bench = Bench::start_with(config, &agents).await;
    bench.connected().await;
    assert_eq!(bench.status.borrow().rejected.get(&0), Some(&1));
    assert_follows_ada(&bench).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s21_s31_a_channel_that_is_gone_is_replaced() {
    let bench = Bench::start(20.0).await;
    bench.platform.expire_channels();
    sockets_opened(&bench, 2).await;
    assert_follows_ada(&bench).await;
    assert_eq!(bench.platform.stats().channels_created, 2);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s21_topics_that_find_no_channel_make_a_new_one() {
    let clock = Clock::scaled(20.0);
    let agents = [provisioned("ada", Adaptor::GenesysCloud)];
    let sim = config(clock, vec![ada()]);
    let bench = Bench::start_with(sim, &agents).await;
    bench.platform.fail_next_at(
        "subscriptions",
        1,
        Failure::Status { status: 404, retry_after: None },
    );
    bench.connected().await;
    bench.platform.kill_sockets();
    sockets_opened(&bench, 2).await;
    assert_follows_ada(&bench).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s22_s23_a_broken_socket_is_opened_again_on_the_same_channel() {
    let bench = Bench::start(20.0).await;
    bench.clock.sleep(Duration::from_secs(15)).await;
    bench.platform.kill_sockets();
    sockets_opened(&bench, 2).await;
    assert_follows_ada(&bench).await;
    bench.platform.close_sockets();
    sockets_opened(&bench, 3).await;
    assert_follows_ada(&bench).await;
    assert_eq!(bench.platform.stats().channels_created, 1);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn topics_that_genesys_loses_in_silence_are_set_again_and_their_gap_is_mended() {
    let bench = Bench::start(100.0).await;
    let (clock, platform) = (bench.clock, bench.platform.clone());
    clock.sleep(Duration::from_secs(60)).await;
    platform.forget_topic(ada().id);
    let mut missed = super::repair::inbound(clock);
    missed.ring(&ada(), clock.now());
    platform.publish(&missed.snapshot(), Duration::ZERO);
    until("both topics are there", async || platform.stats().topics == 2).await;
    bench.legs_when(missed.key(), "what was missed is found", |legs| legs.len() == 1).await;
    assert_follows_ada(&bench).await;
    assert_eq!(platform.stats().sockets_opened, 1);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s24_s26_a_silent_socket_is_asked_then_left() {
    let bench = Bench::start(20.0).await;
    bench.platform.stall_sockets();
    let begun = bench.clock.now();
    sockets_opened(&bench, 2).await;
    let waited = seconds_since(bench.clock, begun);
    assert!((30.0..70.0).contains(&waited), "{waited}");
    assert_follows_ada(&bench).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s25_heartbeats_keep_a_quiet_socket_and_are_no_calls() {
    let bench = Bench::start(40.0).await;
    bench.clock.sleep(Duration::from_secs(130)).await;
    assert!(bench.platform.stats().heartbeats >= 3);
    assert_eq!(bench.platform.stats().sockets_opened, 1);
    assert_eq!(bench.status.borrow().last_event_at, None);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s27_a_closing_socket_is_replaced_in_time_and_nothing_is_lost() {
    let bench = Bench::start(40.0).await;
    bench.clock.sleep(Duration::from_secs(15)).await;
    bench.platform.announce_closing();
    let mut calls = Vec::new();
    for _ in 0..40 {
        let mut call = call();
        call.ring(&ada(), bench.clock.now());
        bench.platform.publish(&call.snapshot(), Duration::ZERO);
        calls.push(call.key());
        bench.clock.sleep(Duration::from_secs(2)).await;
    }
    for key in calls {
        bench.legs_when(key, "the call is known", |legs| legs.len() == 1).await;
    }
    assert_eq!(bench.platform.stats().sockets_opened, 2);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s28_void_tokens_lead_to_another_token_and_channel() {
    let bench = Bench::start(20.0).await;
    bench.clock.sleep(Duration::from_secs(15)).await;
    bench.platform.revoke_tokens();
    let platform = bench.platform.clone();
    until("there is another token", async || platform.stats().tokens_issued >= 2).await;
    until("there is another channel", async || platform.stats().channels_created >= 2).await;
    bench.clock.sleep(Duration::from_secs(10)).await;
    assert_follows_ada(&bench).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s29_a_channel_is_replaced_before_it_expires_and_nothing_is_lost_or_doubled() {
    let clock = Clock::scaled(25.0);
    let limits = Limits { channel_life: Duration::from_secs(100), ..limits() };
    let sim = PlatformConfig { limits, ..config(clock, vec![ada()]) };
    let bench = Bench::start_with(sim, &[provisioned("ada", Adaptor::GenesysCloud)]).await;
    bench.connected().await;
    let mut calls = Vec::new();
    while bench.platform.stats().channels_created < 3 {
        let mut call = call();
        call.ring(&ada(), bench.clock.now());
        bench.platform.publish(&call.snapshot(), Duration::ZERO);
        calls.push(call.key());
        bench.clock.sleep(Duration::from_secs(5)).await;
    }
    for key in calls {
        bench.legs_when(key, "the call is known once", |legs| legs.len() == 1).await;
    }
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s31_refused_upgrades_are_met_with_new_channels_and_patience() {
    let clock = Clock::scaled(20.0);
    let sim = config(clock, vec![ada()]);
    let bench = Bench::start_with(sim, &[provisioned("ada", Adaptor::GenesysCloud)]).await;
    bench.platform.refuse_upgrades(4, 403);
    bench.connected().await;
    assert_follows_ada(&bench).await;
    let stats = bench.platform.stats();
    assert!(stats.channels_created <= 5, "{stats:?}");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn s66_imported_users_are_followed_at_the_next_refresh_and_moved_ones_are_not() {
    let clock = Clock::scaled(50.0);
    let eve = sim_user(5, "eve@customer.example");
    let sim = config(clock, vec![ada(), bo()]);
    let bench = Bench::start_with(sim, &[provisioned("ada", Adaptor::GenesysCloud)]).await;
    bench.connected().await;
    let topics = |count| {
        let platform = bench.platform.clone();
        async move {
            until("the topics are as wanted", async || platform.stats().topics == count).await;
        }
    };
    topics(1).await;
    // Bo is known to Genesys; Eve is new there, too.
    bench.platform.put_user(eve);
    let more = ["bo", "eve"].map(|agent| provisioned(agent, Adaptor::GenesysCloud));
    bench.store.put_users(organization(), &more).await.unwrap();
    let begun = clock.now();
    topics(3).await;
    assert!(seconds_since(clock, begun) <= 90.0);

    let moved = [provisioned("bo", Adaptor::Avaya)];
    bench.store.put_users(organization(), &moved).await.unwrap();
    topics(2).await;

    let mut gone = ada();
    gone.state = UserState::Inactive;
    bench.platform.put_user(gone);
    topics(1).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn with_nobody_to_follow_no_channel_is_made() {
    let clock = Clock::scaled(20.0);
    let bench = Bench::start_with(config(clock, vec![ada()]), &[]).await;
    let mut status = bench.status.clone();
    status.wait_for(TrackerStatus::is_connected).await.unwrap();
    clock.sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.platform.stats().channels_created, 0);
    assert!(bench.status.borrow().is_connected());
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_is_down_at_first_is_waited_for() {
    let clock = Clock::scaled(40.0);
    let sim = config(clock, vec![ada()]);
    let bench = Bench::start_with(sim, &[provisioned("ada", Adaptor::GenesysCloud)]).await;
    bench.platform.fail_next(7, Failure::Status { status: 503, retry_after: None });
    bench.connected().await;
    assert_follows_ada(&bench).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_tracker_leaves_its_channel_empty() {
    // An orderly farewell has two seconds; they are to be enough on a machine that others use.
    let bench = Bench::start(2.0).await;
    let platform = bench.end().await;
    assert_eq!(platform.stats().topics, 0);
    until("the sockets are closed", async || platform.stats().sockets_open == 0).await;
}
