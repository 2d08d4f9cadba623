//! More agents than one OAuth client can follow.

use sidetone_genesys_sim::SimClient;

use super::repair::inbound;
use super::*;

const SECOND_ID: &str = "b0a1c2d3-0000-4000-8000-0000000c1e48";
const SECOND_SECRET: &str = "another+not/real=secret";

/// As many as ten channels take, and one more.
const AGENTS: u32 = 10_001;

fn second(organization: OrganizationId, secret: &str) -> SimClient {
    SimClient { id: SECOND_ID.to_owned(), secret: secret.to_owned(), organization }
}

/// Starts a tracker with two clients, where the second is as the platform has it.
async fn start(clock: Clock, known: SimClient) -> Bench {
    let users: Vec<_> = (0..AGENTS)
        .map(|number| sim_user(number, &format!("u{number}@customer.example")))
        .collect();
    let agents: Vec<_> = (0..AGENTS)
        .map(|number| provisioned(&format!("u{number}"), Adaptor::GenesysCloud))
        .collect();
    let sim = PlatformConfig { more_clients: vec![known], ..config(clock, users) };
    let platform = Platform::start(sim).await.unwrap();
    let store = Store::in_memory().unwrap();
    store.put_users(organization(), &agents).await.unwrap();
    let stream = Stream::in_memory(clock).unwrap();
    let config = TrackerConfig::new(hosts(&platform), CLIENT_ID, Secret::new(CLIENT_SECRET))
        .with_client(SECOND_ID, Secret::new(SECOND_SECRET));
    let tracker = Tracker::new(config, clock, store.clone(), stream.clone()).unwrap();
    let (status, stop) = (tracker.status(), CancellationToken::new());
    let running = tokio::spawn(tracker.run(stop.clone()));
    Bench { clock, platform, store, stream, status, stop, running }
}

#[tokio::test(start_paused = true)]
async fn s16_s17_more_than_ten_channels_are_shared_by_two_clients() {
    let clock = Clock::scaled(10.0);
    let bench = start(clock, second(organization(), SECOND_SECRET)).await;
    bench.connected().await;
    let platform = bench.platform.clone();
    assert_eq!(platform.stats().topics, AGENTS as usize);
    assert_eq!((platform.channels_of(CLIENT_ID), platform.channels_of(SECOND_ID)), (10, 1));
    let last = sim_user(AGENTS - 1, "u10000@customer.example");
    let mut call = inbound(clock);
    call.ring(&last, clock.now());
    platform.publish(&call.snapshot(), Duration::ZERO);
    bench.legs_when(call.key(), "the last agent is followed", |legs| legs.len() == 1).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_organization_follows_nobody() {
    let clock = Clock::scaled(10.0);
    let other = OrganizationId::new(Uuid::from_u128(99));
    let bench = start(clock, second(other, SECOND_SECRET)).await;
    let platform = bench.platform.clone();
    until("the first client follows whom it can", async || platform.stats().topics == 10_000).await;
    clock.sleep(Duration::from_secs(20)).await;
    assert_eq!((platform.channels_of(CLIENT_ID), platform.channels_of(SECOND_ID)), (10, 0));
    assert!(!bench.status.borrow().is_connected(), "somebody is not followed");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_keeps_nobody_else_from_being_followed() {
    let clock = Clock::scaled(10.0);
    let bench = start(clock, second(organization(), "yet another secret")).await;
    let platform = bench.platform.clone();
    until("the first client follows whom it can", async || platform.stats().topics == 10_000).await;
    assert_eq!(platform.channels_of(SECOND_ID), 0);
    bench.end().await;
}
