//! Many agents at once: every call known once, how soon after its event, and what it costs.
//!
//! Each call has an audio session whose door is the bench: an event counts as handled when its
//! letter is there, as a door would get it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use rand::RngExt;
use serde::Serialize;
use sidetone_genesys_sim::Platform;
use sidetone_model::{
    ConnectionId, ConversationId, ConversationKey, DoorKind, OwnerId, ParticipantId, SessionId,
    SessionItem, SessionPhase, Timestamp,
};
use sidetone_ports::{CallStore, Clock, Item, Mailbox, UserStore};
use sidetone_ports_embedded::{Store, Stream};
use sidetone_tracking::Tracker;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::town::{self, Calls, Habits};
use crate::Failure;
use crate::args::AgentsPlan;
use crate::report::say;

/// How long the tracker may take to listen to everybody.
const LISTENS_WITHIN: Duration = Duration::from_secs(300);

/// How long the last events may take.
const REST: Duration = Duration::from_secs(30);

/// Over how long the first calls are spread: nowhere do a thousand people dial at once.
const RAMP: Duration = Duration::from_secs(20);

/// The longest lag that is told from a longer one: ten minutes.
const LAG_MICROS_MAX: u64 = 600_000_000;

/// How long calls are at least and at most. Units: milliseconds.
const HABITS: Habits = Habits { rings: 1_000..4_000, talks: 8_000..25_000 };

/// What came of it.
#[derive(Debug, Serialize)]
struct Report {
    seed: u64,
    agents: u32,
    busy: u32,
    seconds: u64,
    calls: usize,
    calls_wrong: usize,
    events_published: u64,
    events_unheard: u64,
    events_measured: u64,
    lag_p50_ms: f64,
    lag_p99_ms: f64,
    lag_max_ms: f64,
    channels: usize,
    api_calls: u64,
    api_calls_in_a_minute_most: u32,
    api_calls_in_a_minute_allowed: u32,
    violations: Vec<String>,
}

/// When each call's last event was sent that has not been handled yet, and how long the others
/// took.
#[derive(Clone)]
struct Lags(Arc<Mutex<Measured>>);

struct Measured {
    sent: HashMap<ConversationId, Timestamp>,
    micros: Histogram<u64>,
}

impl Lags {
    fn new() -> Result<Self, Failure> {
        let measured = Measured {
            sent: HashMap::new(),
            micros: Histogram::new_with_bounds(1, LAG_MICROS_MAX, 3)?,
        };
        Ok(Self(Arc::new(Mutex::new(measured))))
    }

    fn sent(&self, conversation: ConversationId, now: Timestamp) {
        let mut lags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lags.sent.entry(conversation).or_insert(now);
    }

    fn handled(&self, conversation: ConversationId, now: Timestamp) {
        let mut lags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sent) = lags.sent.remove(&conversation) {
            let micros = u64::try_from(now.since(sent).as_micros()).unwrap_or(u64::MAX);
            lags.micros.saturating_record(micros);
        }
    }
}

/// Runs the tracker with many agents and prints what came of it.
pub(crate) fn agents(plan: &AgentsPlan) -> Result<(), Failure> {
    if plan.busy > plan.agents {
        return Err("--busy is more than --agents".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(measure(plan))?;
    let ok = report.calls_wrong == 0 && report.violations.is_empty() && report.calls > 0;
    super::tell(&report, plan.json, ok)
}

async fn measure(plan: &AgentsPlan) -> Result<Report, Failure> {
    let seed = plan.seed.unwrap_or_else(rand::random);
    let clock = Clock::system();
    let platform = town::platform(clock, plan.agents).await?;
    let (login, api) = platform.base_urls();
    let store = Store::in_memory()?;
    store.put_users(town::organization(), &town::provisioned(plan.agents)).await?;
    let config = town::tracker_config(town::hosts(&login, &api)?, plan.agents);
    let tracker = Tracker::new(config, clock, store.clone(), Stream::in_memory(clock)?)?;
    let (mut status, stop) = (tracker.status(), CancellationToken::new());
    let tracking = tokio::spawn(tracker.run(stop.clone()));
    say(&format!("seed {seed}: waiting until {} agents are followed", plan.agents));
    tokio::time::timeout(LISTENS_WITHIN, status.wait_for(|it| it.is_connected())).await??;
    say(&format!("{} of them talk for {} s", plan.busy, plan.seconds));

    let owner = OwnerId::new("bench");
    let lags = Lags::new()?;
    let (letters, all) =
        (read_letters(store.clone(), owner.clone(), clock, lags.clone()), Calls::default());
    let letters = tokio::spawn(letters);
    let until = clock.now() + RAMP + Duration::from_secs(plan.seconds);
    let mut lines = JoinSet::new();
    for number in 0..plan.busy {
        let line = Line {
            // Spread over the channels.
            agent: u32::try_from(
                u64::from(number) * u64::from(plan.agents) / u64::from(plan.busy),
            )?,
            seed,
            clock,
            until,
            platform: platform.clone(),
            store: store.clone(),
            owner: owner.clone(),
            lags: lags.clone(),
            calls: all.clone(),
        };
        lines.spawn(line.live());
    }
    while let Some(ended) = lines.join_next().await {
        ended??;
    }
    let rest = clock.now() + REST;
    let mut wrong = all.wrong_in(&store, clock.now()).await?;
    while !wrong.is_empty() && clock.now() < rest {
        clock.sleep(Duration::from_secs(1)).await;
        wrong = all.wrong_in(&store, clock.now()).await?;
    }
    letters.abort();
    stop.cancel();
    tracking.await??;
    wrong.iter().take(super::TOLD_MAX).for_each(|call| say(call));
    Ok(report(plan, seed, &platform, &all, wrong.len(), &lags))
}

fn report(
    plan: &AgentsPlan,
    seed: u64,
    platform: &Platform,
    calls: &Calls,
    calls_wrong: usize,
    lags: &Lags,
) -> Report {
    let stats = platform.stats();
    let lags = lags.0.lock().unwrap_or_else(PoisonError::into_inner);
    let millis = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1_000.0;
    let at = |quantile: f64| millis(lags.micros.value_at_quantile(quantile));
    Report {
        seed,
        agents: plan.agents,
        busy: plan.busy,
        seconds: plan.seconds,
        calls: calls.len(),
        calls_wrong,
        events_published: stats.published,
        events_unheard: stats.unheard,
        events_measured: lags.micros.len(),
        lag_p50_ms: at(0.5),
        lag_p99_ms: at(0.99),
        lag_max_ms: millis(lags.micros.max()),
        channels: stats.channels_alive_most,
        api_calls: stats.requests,
        api_calls_in_a_minute_most: stats.requests_per_minute_most,
        api_calls_in_a_minute_allowed: sidetone_genesys_sim::Limits::default().requests_per_minute,
        violations: platform.violations().iter().map(ToString::to_string).collect(),
    }
}

async fn read_letters(store: Store, owner: OwnerId, clock: Clock, lags: Lags) {
    loop {
        match store.take(&owner, Duration::from_secs(1)).await {
            Ok(letters) => {
                let now = clock.now();
                letters.into_iter().for_each(|key| lags.handled(key.conversation, now));
            }
            Err(error) => say(&format!("letters cannot be read: {error}")),
        }
    }
}

/// An agent who is on the phone all the time.
struct Line {
    agent: u32,
    seed: u64,
    clock: Clock,
    until: Timestamp,
    platform: Platform,
    store: Store,
    owner: OwnerId,
    lags: Lags,
    calls: Calls,
}

impl Line {
    async fn live(self) -> Result<(), Failure> {
        let mut random = town::seeded(self.seed, u64::from(self.agent));
        let agent = town::person(self.agent);
        self.clock.sleep(RAMP.mul_f64(random.random())).await;
        while self.clock.now() < self.until {
            let call = town::begin(self.clock, &agent, &mut random);
            self.open_session(call.key()).await?;
            let tell = |call: &sidetone_genesys_sim::Conversation| {
                self.lags.sent(call.key().conversation, self.clock.now());
                self.platform.publish(&call.snapshot(), Duration::ZERO);
            };
            let call = town::go_on(self.clock, call, agent.id, &HABITS, &mut random, tell).await?;
            self.calls.add(call);
        }
        Ok(())
    }

    /// Writes the session whose door wants to know of the call.
    async fn open_session(&self, key: ConversationKey) -> Result<(), Failure> {
        let connection = ConnectionId::new(Uuid::new_v4().to_string());
        let session = SessionItem {
            key,
            session: SessionId::new(Uuid::new_v4()),
            connection: connection.clone(),
            participant: ParticipantId::new("customer"),
            owner: self.owner.clone(),
            opened_at: self.clock.now(),
            phase: SessionPhase::Live,
            door: DoorKind::Socket,
            media: None,
            unheard: None,
            end: None,
        };
        let name = format!("session#{connection}");
        let item = Item { name, bytes: serde_json::to_vec(&session)?, revision: 0 };
        let expires_at = self.clock.now() + Duration::from_secs(24 * 3_600);
        self.store.put(key, item, Some(self.owner.clone()), expires_at).await?;
        Ok(())
    }
}
