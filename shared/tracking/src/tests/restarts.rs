//! Trackers that come and go, and what Genesys is asked for and what not.

use std::collections::BTreeSet;

use sidetone_genesys_sim::{Delivery, Failure, Limits};

use super::repair::inbound;
use super::*;
use crate::{NeededTopic, Transport};

/// More than Genesys keeps channels.
const RESTARTS: usize = 24;

/// Rings Ada and waits until that is in the store.
async fn follows_ada(bench: &Bench) {
    let mut call = inbound(bench.clock);
    call.ring(&ada(), bench.clock.now());
    bench.platform.publish(&call.snapshot(), Duration::ZERO);
    bench.legs_when(call.key(), "the ringing leg is stored", |legs| legs.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn s30_however_often_it_restarts_its_own_channel_is_never_the_one_to_go() {
    let clock = Clock::scaled(50.0);
    let agents = [provisioned("ada", Adaptor::GenesysCloud)];
    let mut platform = Platform::start(config(clock, vec![ada()])).await.unwrap();
    for restart in 0..RESTARTS {
        let bench = Bench::start_on(platform, clock, &agents).await;
        bench.connected().await;
        follows_ada(&bench).await;
        platform = bench.platform.clone();
        assert_no_violations(&platform);
        // As a process that is killed: it clears nothing up.
        bench.running.abort();
        drop(bench);
        until("its sockets are gone", async || platform.stats().sockets_open == 0).await;
        assert_eq!(platform.stats().channels_created, restart as u64 + 1);
        // Somebody starts it anew; at the rate that Genesys' other limits allow.
        clock.sleep(Duration::from_secs(12)).await;
    }
    let stats = platform.stats();
    assert_eq!(stats.channels_alive, Limits::default().channels_max);
    assert_eq!(stats.channels_evicted, (RESTARTS - Limits::default().channels_max) as u64);
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s60_the_list_of_conversations_is_not_asked_for() {
    let clock = Clock::scaled(20.0);
    let platform = Platform::start(config(clock, vec![ada()])).await.unwrap();
    let silent = Failure::Status { status: 500, retry_after: None };
    platform.fail_next_at("/api/v2/conversations", usize::MAX, silent);
    let mut call = inbound(clock);
    call.ring(&ada(), clock.now());
    call.answer(ada().id, clock.now()).unwrap();
    platform.publish_by(&call.snapshot(), Delivery::lost());
    let agents = [provisioned("ada", Adaptor::GenesysCloud)];
    let bench = Bench::start_on(platform, clock, &agents).await;
    let found = |legs: &[Leg]| legs.iter().any(|leg| leg.connected_at.is_some());
    bench.legs_when(call.key(), "the call is found without it", found).await;
    bench.platform.kill_sockets();
    follows_ada_again(&bench).await;
    bench.end().await;
}

/// As [`follows_ada`], once the socket is open again.
async fn follows_ada_again(bench: &Bench) {
    let platform = bench.platform.clone();
    until("a socket is open again", async || platform.stats().sockets_opened >= 2).await;
    bench.connected().await;
    bench.clock.sleep(Duration::from_secs(5)).await;
    follows_ada(bench).await;
}

#[tokio::test(start_paused = true)]
async fn s72_the_preflight_names_transports_and_what_is_missing() {
    let clock = Clock::scaled(20.0);
    let needed = [
        NeededTopic::CONVERSATIONS,
        NeededTopic { template: "v2.users.{id}.telepathy", transport: Transport::WebSocket },
    ];
    let permission = "conversation:communication:view";
    for missing in [&[][..], &[permission]] {
        let missing_permissions: BTreeSet<String> =
            missing.iter().map(|it| (*it).to_owned()).collect();
        let sim = PlatformConfig { missing_permissions, ..config(clock, vec![ada()]) };
        let platform = Platform::start(sim).await.unwrap();
        let client = client(&platform, clock);
        let found = client.preflight(&needed, Some(ada().id)).await.unwrap();
        let [conversations, other] = &found[..] else { panic!("{found:?}") };
        assert_eq!(conversations.transports, ["All"]);
        assert_eq!(conversations.required_permissions, [permission]);
        assert_eq!(conversations.missing_permissions, missing);
        assert_eq!(conversations.is_fine(), missing.is_empty());
        assert!(!other.is_known && !other.is_fine());
        assert_eq!(platform.stats().topics, 0, "the trial leaves no topic");
        assert_no_violations(&platform);
    }
}
