//! Holders of the lease that die at random moments: what is known of the calls meanwhile.
//!
//! A tracker is sent every minute, as the scheduler does. Calls go on all the time. At the end
//! every call must be in the store once, with its true times, and be told once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use sidetone_consumer::{NoCheckpoints, Ordered, Start, Subscription, SubscriptionSettings};
use sidetone_delivery_wire::{Body, CallEventKind};
use sidetone_genesys_sim::Platform;
use sidetone_model::{ConversationId, Timestamp};
use sidetone_ports::{Clock, UserStore};
use sidetone_ports_embedded::{Store, Stream};
use sidetone_tracking::{Holding, Terms, Tracker, lease_name};
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::town::{self, Calls, Habits, truth_of};
use crate::Failure;
use crate::args::{HoldOrder, HoldersPlan};
use crate::report::say;

/// Agents of the small organization.
const AGENTS: u32 = 60;

/// How often a tracker is sent.
const SENT_EVERY: Duration = Duration::from_secs(60);

/// How long one stays: short, so that kills meet hand-overs, too.
const HOLD: Duration = Duration::from_secs(180);

/// Between two kills. Units: milliseconds of the clock.
const BETWEEN_KILLS: std::ops::Range<u64> = 5_000..100_000;

/// Between two calls, and how long they are. Units: milliseconds of the clock.
const BETWEEN_CALLS: std::ops::Range<u64> = 500..2_500;
const HABITS: Habits = Habits { rings: 1_000..4_000, talks: 2_000..40_000 };

/// How long after the last kill everything must be known. A successor, its gap and once more take
/// six minutes; the rest is for a machine that does not keep up with the clock.
const KNOWN_WITHIN: Duration = Duration::from_secs(3_600);

/// How often it is looked then whether it is.
const LOOK_EVERY: Duration = Duration::from_secs(240);

/// Real processes need real time to start.
const PROCESSES_SPEED_MAX: f64 = 15.0;

/// What came of the kills.
#[derive(Debug, Serialize)]
struct Report {
    seed: u64,
    kills: u32,
    calls: usize,
    calls_wrong: usize,
    calls_told_wrongly: usize,
    known_after_seconds: u64,
    events_unheard: u64,
    channels_made: u64,
    channels_alive_most: usize,
    channels_evicted: u64,
    process_kills: u32,
    process_calls: usize,
    process_calls_wrong: usize,
    violations: Vec<String>,
}

/// Kills holders and prints what is known of the calls.
pub(crate) fn holders(plan: &HoldersPlan) -> Result<(), Failure> {
    if !(plan.speed.is_finite() && plan.speed > 0.0) {
        return Err("--speed must be above 0".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(measure(plan))?;
    let ok = report.calls_wrong + report.calls_told_wrongly + report.process_calls_wrong == 0
        && report.violations.is_empty();
    super::tell(&report, plan.json, ok)
}

async fn measure(plan: &HoldersPlan) -> Result<Report, Failure> {
    let seed = plan.seed.unwrap_or_else(rand::random);
    say(&format!("seed {seed}: {} kills at {} times the world's speed", plan.kills, plan.speed));
    let clock = Clock::scaled(plan.speed);
    let (store, stream) = (Store::in_memory()?, Stream::in_memory(clock)?);
    let site = Site::open(clock, store, seed).await?;
    let within = Within { store: site.store.clone(), stream: stream.clone() };
    let wrong =
        async |calls: &Calls| Ok((site.wrong(calls).await?, told_wrongly(&stream, calls).await?));
    let killed = site.killing(within, plan.kills, wrong).await?;
    let calls = killed.calls;
    let (calls_wrong, calls_told_wrongly) = (said(killed.wrong.0), said(killed.wrong.1));
    let stats = site.platform.stats();
    let mut violations = site.violations();
    let (mut process_calls, mut process_calls_wrong) = (0, 0);
    if plan.processes > 0 {
        say(&format!("{} kills of real processes", plan.processes));
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store.sqlite");
        let clock = Clock::scaled(plan.speed.min(PROCESSES_SPEED_MAX));
        let site = Site::open(clock, Store::open(&path)?, seed).await?;
        let wrong = async |calls: &Calls| Ok((site.wrong(calls).await?, Vec::new()));
        let killed = site.killing(Processes { store: &path }, plan.processes, wrong).await?;
        process_calls_wrong = said(killed.wrong.0);
        process_calls = killed.calls.len();
        violations.extend(site.violations());
    }
    Ok(Report {
        seed,
        kills: plan.kills,
        calls: calls.len(),
        calls_wrong,
        calls_told_wrongly,
        known_after_seconds: killed.known_after.as_secs(),
        events_unheard: stats.unheard,
        channels_made: stats.channels_created,
        channels_alive_most: stats.channels_alive_most,
        channels_evicted: stats.channels_evicted,
        process_kills: plan.processes,
        process_calls,
        process_calls_wrong,
        violations,
    })
}

/// One platform and one store, to which trackers come.
struct Site {
    clock: Clock,
    platform: Platform,
    store: Store,
    seed: u64,
}

/// How trackers are sent and killed.
trait Scheduler {
    type Sent;

    async fn send(&self, site: &Site) -> Result<Self::Sent, Failure>;

    /// Forgets who has left; returns whether this one has.
    fn has_left(sent: &mut Self::Sent) -> bool;

    async fn kill(sent: Self::Sent);
}

impl Site {
    async fn open(clock: Clock, store: Store, seed: u64) -> Result<Self, Failure> {
        let platform = town::platform(clock, AGENTS).await?;
        store.put_users(town::organization(), &town::provisioned(AGENTS)).await?;
        Ok(Self { clock, platform, store, seed })
    }

    fn violations(&self) -> Vec<String> {
        self.platform.violations().iter().map(ToString::to_string).collect()
    }

    /// Lets calls go on and kills whoever tracks, so often; then lets successors go on until
    /// nothing is wrong with what is known of the calls, or it is too late.
    async fn killing<S: Scheduler>(
        &self,
        scheduler: S,
        kills: u32,
        wrong: impl AsyncFn(&Calls) -> Result<Wrong, Failure>,
    ) -> Result<Killed, Failure> {
        let mut random = town::seeded(self.seed, 0);
        let (calls, stop) = (Calls::default(), CancellationToken::new());
        let calling = tokio::spawn(call_all_day(
            self.clock,
            self.platform.clone(),
            town::seeded(self.seed, 1),
            calls.clone(),
            stop.clone(),
        ));
        let mut alive: Vec<S::Sent> = Vec::new();
        let mut killed = 0;
        let mut send_at = self.clock.now();
        let mut kill_at = self.clock.now() + next_kill(&mut random);
        let mut last_kill: Option<Timestamp> = None;
        let mut look_at = Timestamp::default();
        let (wrong, known_after) = loop {
            let next = send_at.min(if last_kill.is_some() { look_at } else { kill_at });
            self.clock.sleep_until(next).await;
            let now = self.clock.now();
            alive.retain_mut(|sent| !S::has_left(sent));
            if let Some(last_kill) = last_kill.filter(|_| now >= look_at) {
                look_at = now + LOOK_EVERY;
                let (since, wrong) = (now.since(last_kill), wrong(&calls).await?);
                if wrong.0.is_empty() && wrong.1.is_empty() || since >= KNOWN_WITHIN {
                    break (wrong, since);
                }
            }
            if now >= send_at {
                send_at = send_at + SENT_EVERY;
                alive.push(scheduler.send(self).await?);
            }
            if last_kill.is_none() && now >= kill_at {
                kill_at = now + next_kill(&mut random);
                if alive.is_empty() {
                    // Nobody is there to be killed.
                    continue;
                }
                S::kill(alive.swap_remove(random.random_range(0..alive.len()))).await;
                killed += 1;
                if killed % 10 == 0 {
                    say(&format!("{now}: {killed} killed, {} calls", calls.len()));
                }
                if killed >= kills {
                    stop.cancel();
                    (last_kill, look_at) = (Some(now), now + LOOK_EVERY);
                }
            }
        };
        calling.await??;
        for sent in alive {
            S::kill(sent).await;
        }
        Ok(Killed { calls, wrong, known_after })
    }

    async fn wrong(&self, calls: &Calls) -> Result<Vec<String>, Failure> {
        calls.wrong_in(&self.store, self.clock.now()).await
    }
}

/// The calls that are stored wrongly, and those that are told wrongly.
type Wrong = (Vec<String>, Vec<String>);

/// What came of some kills.
struct Killed {
    calls: Calls,
    wrong: Wrong,
    /// How long after the last one everything was known.
    known_after: Duration,
}

/// Says what is wrong with the first calls; returns how many there are.
fn said(wrong: Vec<String>) -> usize {
    wrong.iter().take(super::TOLD_MAX).for_each(|call| say(call));
    wrong.len()
}

fn next_kill(random: &mut ChaCha8Rng) -> Duration {
    Duration::from_millis(random.random_range(BETWEEN_KILLS))
}

async fn call_all_day(
    clock: Clock,
    platform: Platform,
    mut random: ChaCha8Rng,
    calls: Calls,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let mut going = JoinSet::new();
    let mut number = 0_u64;
    while !stop.is_cancelled() {
        number += 1;
        let agent = town::person(u32::try_from(number % u64::from(AGENTS))?);
        let mut random_of_call = town::seeded(random.random(), number);
        let (platform, calls) = (platform.clone(), calls.clone());
        let call = town::begin(clock, &agent, &mut random_of_call);
        going.spawn(async move {
            let tell = |call: &sidetone_genesys_sim::Conversation| {
                platform.publish(&call.snapshot(), Duration::from_millis(50));
            };
            let random = &mut random_of_call;
            let call = town::go_on(clock, call, agent.id, &HABITS, random, tell).await?;
            calls.add(call);
            Ok::<_, Failure>(())
        });
        clock.sleep(Duration::from_millis(random.random_range(BETWEEN_CALLS))).await;
    }
    while let Some(ended) = going.join_next().await {
        ended??;
    }
    Ok(())
}

/// Trackers within this process; killing one drops it with all it has.
struct Within {
    store: Store,
    stream: Stream,
}

impl Scheduler for Within {
    type Sent = JoinHandle<()>;

    async fn send(&self, site: &Site) -> Result<Self::Sent, Failure> {
        let (login, api) = site.platform.base_urls();
        let stay = stay(&login, &api, site.clock, self.store.clone(), self.stream.clone())?;
        Ok(tokio::spawn(stay))
    }

    fn has_left(sent: &mut Self::Sent) -> bool {
        sent.is_finished()
    }

    async fn kill(sent: Self::Sent) {
        sent.abort();
        drop(sent.await);
    }
}

/// Trackers in processes of their own, killed by SIGKILL. They tell their events to nobody.
struct Processes<'a> {
    store: &'a Path,
}

impl Scheduler for Processes<'_> {
    type Sent = Child;

    async fn send(&self, site: &Site) -> Result<Self::Sent, Failure> {
        let (login, api) = site.platform.base_urls();
        let child = Command::new(std::env::current_exe()?)
            .args(["hold", "--login", &login, "--api", &api])
            .args(["--now", &site.clock.now().as_micros().to_string()])
            .args(["--speed", &site.clock.speed().to_string()])
            .arg("--store")
            .arg(self.store)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(child)
    }

    fn has_left(sent: &mut Self::Sent) -> bool {
        sent.try_wait().is_ok_and(|status| status.is_some())
    }

    async fn kill(mut sent: Self::Sent) {
        // One that has just left by itself cannot be killed, which is as good.
        drop(sent.kill().await);
    }
}

/// Is a tracker for one stay; the process may be killed meanwhile.
pub(crate) fn hold(order: &HoldOrder) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock = Clock::starting_at(Timestamp::from_micros(order.now), order.speed);
        let store = Store::open(&order.store)?;
        stay(&order.login, &order.api, clock, store, Stream::in_memory(clock)?)?.await;
        Ok(())
    })
}

/// Returns one stay of a tracker.
fn stay(
    login: &str,
    api: &str,
    clock: Clock,
    store: Store,
    stream: Stream,
) -> Result<impl Future<Output = ()> + Send + use<>, Failure> {
    let config = town::tracker_config(town::hosts(login, api)?, AGENTS);
    let tracker = Tracker::new(config, clock, store.clone(), stream)?;
    let terms = Terms::new(lease_name(&town::client_id(0)), Uuid::new_v4().to_string(), HOLD);
    let holding = Holding::new(store, clock, terms);
    Ok(async move {
        let never = CancellationToken::new();
        // What came of it shows in the store.
        drop(holding.keep(never, |tenure| tracker.run_under(tenure)).await);
    })
}

/// Returns which calls the stream does not tell once that they started and ended, each in words.
async fn told_wrongly(stream: &Stream, calls: &Calls) -> Result<Vec<String>, Failure> {
    let settings = SubscriptionSettings {
        wait: Duration::ZERO,
        ..SubscriptionSettings::new("bench").starting(Start::Beginning)
    };
    let mut subscription = Subscription::new(stream.clone(), NoCheckpoints, settings);
    let mut told: BTreeMap<ConversationId, Vec<CallEventKind>> = BTreeMap::new();
    let mut note = |item: &Ordered| {
        let Ordered::Record(record) = item else { return };
        let Some(Body::CallEvent(event)) = &record.body else { return };
        told.entry(item.origin().session.key.conversation).or_default().push(event.kind());
    };
    loop {
        let batch = subscription.next().await?;
        batch.items.iter().for_each(&mut note);
        if batch.read == 0 {
            subscription.drain().iter().for_each(&mut note);
            break;
        }
    }
    let calls = calls.all();
    let wrong = calls.iter().filter_map(|call| {
        let told = told.get(&call.key().conversation).map_or(&[][..], Vec::as_slice);
        let count = |kind| told.iter().filter(|one| **one == kind).count();
        let once = count(CallEventKind::Started) == 1 && count(CallEventKind::Ended) == 1;
        (!once).then(|| format!("a call that {} is told as {told:?}", truth_of(call)))
    });
    Ok(wrong.collect())
}
