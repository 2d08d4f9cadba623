//! The whole crate against the simulated platform, in fast time, over real sockets. All people
//! are invented.

mod bus;
mod calls;
mod clients;
mod holding;
mod killed;
mod lease;
mod logs;
mod people;
mod platform;
mod repair;
mod restarts;
mod store;
mod tenants;

use std::future::Future;
use std::time::Duration;

use sidetone_genesys_sim::{Limits, Platform, PlatformConfig, SimUser};
use sidetone_model::{
    Adaptor, AgentId, ConversationId, ConversationKey, Leg, OrganizationId, Pii, Timestamp, User,
    UserId, UserStatus,
};
use sidetone_ports::{CallStore, Clock, UserStore};
use sidetone_ports_embedded::{Store, Stream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Hosts, PlatformClient, PlatformError, Secret, Tracker, TrackerConfig, TrackerError,
    TrackerStatus, follow_genesys_time,
};

const CLIENT_ID: &str = "b0a1c2d3-0000-4000-8000-0000000c1e47";
const CLIENT_SECRET: &str = "not+a/real=secret";

/// How long a condition is waited for, of the paused clock, which moves on only while every task waits.
const PATIENCE: Duration = Duration::from_secs(3_600);

fn organization() -> OrganizationId {
    "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap()
}

fn user_id(number: u32) -> UserId {
    format!("6b1e0c52-5a5e-4f0b-9a57-{number:012x}").parse().unwrap()
}

fn sim_user(number: u32, username: &str) -> SimUser {
    SimUser::new(user_id(number), username, "Invented Person")
}

fn ada() -> SimUser {
    sim_user(1, "Ada@customer.example")
}

fn bo() -> SimUser {
    sim_user(2, "bo@customer.example")
}

fn provisioned(agent: &str, adaptor: Adaptor) -> User {
    User {
        agent: AgentId::new(agent),
        name: Pii::new("Invented Person".to_owned()),
        username: Pii::new(format!("{agent}@customer.example")),
        adaptor,
        team: String::new(),
        supervisor: String::new(),
        site: String::new(),
        status: UserStatus::Active,
    }
}

/// Waits for a condition, with a limit.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let limit = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < limit, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn assert_no_violations(platform: &Platform) {
    let violations: Vec<_> = platform.violations().iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}

fn config(clock: Clock, users: Vec<SimUser>) -> PlatformConfig {
    PlatformConfig::new(clock, organization(), CLIENT_ID, CLIENT_SECRET, users)
}

fn hosts(platform: &Platform) -> Hosts {
    let (login, api) = platform.base_urls();
    Hosts::loopback(&login, &api).unwrap()
}

fn client(platform: &Platform, clock: Clock) -> PlatformClient {
    PlatformClient::new(hosts(platform), CLIENT_ID, Secret::new(CLIENT_SECRET), clock).unwrap()
}

fn tracker(
    platform: &Platform,
    clock: Clock,
    store: Store,
    stream: Stream,
) -> Tracker<Store, Stream> {
    let config = TrackerConfig {
        relist: Duration::from_secs(120),
        ..TrackerConfig::new(hosts(platform), CLIENT_ID, Secret::new(CLIENT_SECRET))
    };
    Tracker::new(config, clock, store, stream).unwrap()
}

/// A tracker that runs against a simulated platform.
struct Bench {
    clock: Clock,
    platform: Platform,
    store: Store,
    stream: Stream,
    status: watch::Receiver<TrackerStatus>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), TrackerError>>,
}

impl Bench {
    /// Starts with Ada and Bo, both agents of ours, and waits until both are followed.
    async fn start(speed: f64) -> Self {
        let clock = Clock::scaled(speed);
        let agents = ["ada", "bo"].map(|agent| provisioned(agent, Adaptor::GenesysCloud));
        let bench = Self::start_with(config(clock, vec![ada(), bo()]), &agents).await;
        bench.connected().await;
        bench
    }

    async fn start_with(config: PlatformConfig, agents: &[User]) -> Self {
        let clock = config.clock;
        let platform = Platform::start(config).await.unwrap();
        Self::start_on(platform, clock, agents).await
    }

    async fn start_on(platform: Platform, clock: Clock, agents: &[User]) -> Self {
        let store = Store::in_memory().unwrap();
        store.put_users(organization(), agents).await.unwrap();
        let stream = Stream::in_memory(clock).unwrap();
        Self::start_with_store(platform, clock, store, stream).await
    }

    async fn start_with_store(
        platform: Platform,
        clock: Clock,
        store: Store,
        stream: Stream,
    ) -> Self {
        let tracker = tracker(&platform, clock, store.clone(), stream.clone());
        let status = tracker.status();
        let stop = CancellationToken::new();
        let running = tokio::spawn(tracker.run(stop.clone()));
        Self { clock, platform, store, stream, status, stop, running }
    }

    async fn connected(&self) {
        let mut status = self.status.clone();
        let connected = status.wait_for(|it| it.is_connected());
        tokio::time::timeout(PATIENCE, connected).await.expect("connects in time").unwrap();
    }

    async fn legs(&self, key: ConversationKey) -> Vec<Leg> {
        let items = self.store.query(key, self.clock.now()).await.unwrap();
        items
            .iter()
            .filter(|item| item.name.starts_with("leg#"))
            .map(|item| serde_json::from_slice(&item.bytes).unwrap())
            .collect()
    }

    /// Waits until a conversation's legs are as wanted, and returns them.
    async fn legs_when(
        &self,
        key: ConversationKey,
        what: &str,
        is_so: impl Fn(&[Leg]) -> bool,
    ) -> Vec<Leg> {
        until(what, async || is_so(&self.legs(key).await)).await;
        self.legs(key).await
    }

    /// Stops the tracker and checks that it did nothing that Genesys forbids.
    async fn end(self) -> Platform {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.expect("ends").unwrap().unwrap();
        assert_no_violations(&self.platform);
        self.platform
    }
}

fn fresh_key() -> ConversationKey {
    let conversation = ConversationId::new(Uuid::new_v4());
    ConversationKey { organization: organization(), conversation }
}

fn seconds_since(clock: Clock, begun: Timestamp) -> f64 {
    clock.now().since(begun).as_secs_f64()
}

fn limits() -> Limits {
    Limits::default()
}
