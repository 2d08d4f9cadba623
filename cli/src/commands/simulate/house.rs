//! A Sidetone of the simulation's own, with a stage before it and an ear behind it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sidetone_bootstrap::AudioHookConfig;
use sidetone_consumer::recording_name;
use sidetone_genesys_sim::{
    Administrator, CallerReport, Expected, Scenario, Script, Source, Stage,
};
use sidetone_listener::{Shares, SourceRules};
use sidetone_model::{ConversationId, ConversationKey, EventSource, Leg, Listen, OrganizationId};
use sidetone_ports::{
    CallStore, ChangeOrigin, ChangeWay, Clock, RecordSink, RecordingStore, chain,
};
use sidetone_ports_embedded::{DataDir, Store, Stream};
use sidetone_tracking::{Lags, PartnerEvents};
use sidetone_users::{Intent, Users};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::evidence::{Evidence, Of, Session};
use super::follow::Follower;
use super::weather::{WatchedSink, Weather};
use crate::args::Plant;
use crate::failure::Failure;
use crate::judge::PlantedSink;
use crate::organization::SIMULATED_ORGANIZATION;
use crate::simulated::Simulated;
use crate::system::{Settings, System, SystemError};

/// How long the tracker may take to listen to everybody. Units: real time.
const TRACKER_LIMIT: Duration = Duration::from_secs(30);

/// How long a session's end may take to be in the stream after its client has gone: late call
/// events are waited for, and then there is the stream.
const END_LIMIT: Duration = Duration::from_secs(20);

/// How long everything may take in real time at least, however fast the clock runs.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long after a probe it is looked whether it left something.
const PROBE_WAIT: Duration = Duration::from_secs(2);

/// How long after the first organization's half of a call the other's begins: while the first
/// one's agent rings.
const NEIGHBOUR_AFTER: Duration = Duration::from_secs(5);

/// How often it is looked whether something is there. Units: real time.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running system, and what surrounds it.
pub(super) struct House {
    clock: Clock,
    stage: Stage,
    home: Home,
    follower: Follower,
    /// Where another organization's half of a call is played, if there is one.
    neighbour: Option<Stage>,
    /// Its own platforms, if it shares none.
    own: Vec<Simulated>,
    _stop_following: DropGuard,
}

/// Where the system lives, and its recordings with it.
enum Home {
    Here(Box<System<PlantedSink<WatchedSink<Stream>>>>),
    #[cfg(feature = "aws")]
    Deployed(sidetone_ports_aws::BucketRecordings),
}

/// Moves agents in the system's store, and never looks back: the call must show what came of it.
fn administrator(clock: Clock, store: Store) -> Administrator {
    let users = Users::new(store);
    Arc::new(move |agent, adaptor| {
        let users = users.clone();
        Box::pin(async move {
            let by = "simulation".to_owned();
            let origin = ChangeOrigin { at: clock.now(), by, way: ChangeWay::Setup };
            let intent = Intent::Commit(&origin);
            let moved = users.move_to(SIMULATED_ORGANIZATION, &[agent], adaptor, intent).await;
            if let Err(error) = moved {
                tracing::error!(error = chain(&error), "the agent was not moved");
            }
        })
    })
}

/// What a house is built from.
pub(super) struct Plan<'a> {
    pub(super) clock: Clock,
    pub(super) simulated: &'a Simulated,
    /// Another organization that the same system serves.
    pub(super) neighbour: Option<&'a Simulated>,
    pub(super) weather: &'a Weather,
    pub(super) listen: Listen,
    pub(super) data: &'a Path,
    pub(super) sound: Option<Source>,
    pub(super) plant: Option<Plant>,
    pub(super) lags: &'a Lags,
}

impl House {
    /// Starts a system, provisions it, and waits until it hears the platform.
    pub(super) async fn start(plan: Plan<'_>) -> Result<Self, Failure> {
        let data = DataDir::open(plan.data)?;
        plan.simulated.provision(&data).await?;
        if let Some(neighbour) = plan.neighbour {
            neighbour.settle(&data).await?;
        }
        let settings = Settings {
            clock: plan.clock,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            sources: SourceRules::default(),
            shares: Shares::of(u64::MAX),
            audiohook: AudioHookConfig { listen: plan.listen, ..AudioHookConfig::default() },
            tracker: Some(plan.simulated.tracker()?),
            retention: Duration::from_secs(24 * 3_600),
            lags: plan.lags.clone(),
        };
        let sink = |stream| PlantedSink::new(plan.weather.on(stream), plan.plant);
        let system = System::start(settings, data, sink).await?;
        let stop = CancellationToken::new();
        let follower = Follower::start(system.stream().clone(), stop.clone()).await?;
        takes_partner_events(&plan, &system, stop.clone())?;
        let url = system.audiohook_url();
        let mut stage = plan.simulated.stage(&url, plan.sound.clone())?;
        stage.administrator = Some(administrator(plan.clock, system.store().clone()));
        hears_the_platform(&system).await?;
        let neighbour = match plan.neighbour {
            Some(neighbour) => {
                follows(&system, neighbour).await?;
                Some(neighbour.stage(&url, plan.sound)?)
            }
            None => None,
        };
        let home = Home::Here(Box::new(system));
        let (clock, _stop_following) = (plan.clock, stop.drop_guard());
        Ok(Self { clock, stage, home, follower, neighbour, own: Vec::new(), _stop_following })
    }

    /// Gives platforms to a house that nobody shares them with.
    pub(super) fn owning(self, own: Vec<Simulated>) -> Self {
        Self { own, ..self }
    }

    /// Returns whether it has a platform of its own.
    pub(super) fn stands_alone(&self) -> bool {
        !self.own.is_empty()
    }

    /// Takes a stack's door for the system, and listens behind it.
    #[cfg(feature = "aws")]
    pub(super) async fn deployed(
        clock: Clock,
        simulated: &Simulated,
        stack: &crate::stack::Stack,
        door: &str,
        relay: Option<sidetone_genesys_sim::Relay>,
    ) -> Result<Self, Failure> {
        let stop = CancellationToken::new();
        let source = stack.stream(crate::args::TailFrom::Now)?;
        let follower = Follower::start(source, stop.clone()).await?;
        let mut stage = simulated.stage(door, None)?;
        if let Some(relay) = relay {
            stage.target = stage.target.behind(relay);
        }
        let home = Home::Deployed(stack.recordings().clone());
        let _stop_following = stop.drop_guard();
        let (neighbour, own) = (None, Vec::new());
        Ok(Self { clock, stage, home, follower, neighbour, own, _stop_following })
    }

    /// Returns where finished recordings lie, if that is on this machine.
    pub(super) fn recordings(&self) -> Option<PathBuf> {
        match &self.home {
            Home::Here(system) => Some(system.recordings_directory().to_owned()),
            #[cfg(feature = "aws")]
            Home::Deployed(_) => None,
        }
    }

    /// Plays a call, and waits until everything of it is delivered and recorded.
    pub(super) async fn play(&self, script: Script) -> Vec<Evidence> {
        let conversation = ConversationId::new(Uuid::new_v4());
        let Some(neighbour) = &self.neighbour else {
            return self.play_on(&self.stage, conversation, script).await;
        };
        let later = async {
            self.clock.sleep(NEIGHBOUR_AFTER).await;
            self.play_on(neighbour, conversation, script.clone()).await
        };
        let own = self.play_on(&self.stage, conversation, script.clone());
        let (mut all, others) = tokio::join!(own, later);
        all.extend(others);
        all
    }

    async fn play_on(
        &self,
        stage: &Stage,
        conversation: ConversationId,
        script: Script,
    ) -> Vec<Evidence> {
        let played = stage.play_as(conversation, script, &CancellationToken::new()).await;
        let organization = stage.target.organization();
        let mut all = Vec::with_capacity(played.sessions.len());
        let evidence = |of: Of| Evidence {
            scenario: played.scenario,
            seed: played.script.seed,
            began_at: played.begun_at,
            ended_at: self.clock.now(),
            of,
        };
        for (truth, report) in played.truth.sessions.into_iter().zip(played.sessions) {
            if truth.expected == Expected::Probe {
                self.clock.sleep(PROBE_WAIT).await;
            } else {
                self.is_over(organization, &report).await;
            }
            let heard = self.follower.take(report.session);
            let doubled = played.scenario == Scenario::TwoSources;
            let unheard =
                if doubled { self.unheard_by_one(played.conversation).await } else { None };
            let session = Session { organization, truth, report, heard, unheard };
            all.push(evidence(Of::Session(Box::new(session))));
        }
        let (conversation, truth) = (played.conversation, played.truth.told);
        if !truth.is_empty() {
            self.is_told(conversation, truth.len()).await;
            let events = self.follower.take_told(conversation);
            all.push(evidence(Of::Call { conversation, truth, events }));
        }
        all
    }

    /// Waits until both sources have told of every leg of a call; says if one has not.
    async fn unheard_by_one(&self, conversation: ConversationId) -> Option<String> {
        self.store()?;
        let both = BTreeSet::from([EventSource::Socket, EventSource::EventBus]);
        let until = self.clock.now() + END_LIMIT;
        let patience = Instant::now() + PATIENCE;
        loop {
            let legs = self.sources(conversation).await;
            if !legs.is_empty() && legs.iter().all(|leg| leg.is_superset(&both)) {
                return None;
            }
            if self.clock.now() >= until && Instant::now() >= patience {
                return Some(format!("not every leg was heard by both sources: {legs:?}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Returns where legs are kept, if that is on this machine.
    fn store(&self) -> Option<&Store> {
        match &self.home {
            Home::Here(system) => Some(system.store()),
            #[cfg(feature = "aws")]
            Home::Deployed(_) => None,
        }
    }

    /// Returns by which ways each of our agents' legs of a call was heard.
    async fn sources(&self, conversation: ConversationId) -> Vec<BTreeSet<EventSource>> {
        let Some(store) = self.store() else { return Vec::new() };
        let key = ConversationKey { organization: SIMULATED_ORGANIZATION, conversation };
        let items = store.query(key, self.clock.now()).await.unwrap_or_default();
        let legs = items.iter().filter(|item| item.name.starts_with("leg#"));
        let legs = legs.filter_map(|item| serde_json::from_slice::<Leg>(&item.bytes).ok());
        legs.filter(|leg| leg.attribution.agent().is_some()).map(|leg| leg.sources).collect()
    }

    /// Waits for the ends of a call's legs in the stream.
    async fn is_told(&self, conversation: ConversationId, legs: usize) {
        let until = self.clock.now() + END_LIMIT;
        let patience = Instant::now() + PATIENCE;
        while self.clock.now() < until || Instant::now() < patience {
            if self.follower.legs_over(conversation) >= legs {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for a session's end in the stream, and for its recording.
    async fn is_over(&self, organization: OrganizationId, report: &CallerReport) {
        let until = self.clock.now() + END_LIMIT;
        let patience = Instant::now() + PATIENCE;
        while self.clock.now() < until || Instant::now() < patience {
            if self.follower.is_over(report.session)
                && self.sidecar(organization, report).await.is_some()
            {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Reads the sidecar of a session, if its recording is finished.
    pub(super) async fn sidecar(
        &self,
        organization: OrganizationId,
        report: &CallerReport,
    ) -> Option<bytes::Bytes> {
        self.recording(&format!("{}.json", name(organization, report))).await
    }

    /// Reads the sound of a session, if it has any.
    pub(super) async fn wav(
        &self,
        organization: OrganizationId,
        report: &CallerReport,
    ) -> Option<bytes::Bytes> {
        self.recording(&format!("{}.wav", name(organization, report))).await
    }

    async fn recording(&self, name: &str) -> Option<bytes::Bytes> {
        let found = match &self.home {
            Home::Here(system) => system.recordings().recording(name).await,
            #[cfg(feature = "aws")]
            Home::Deployed(recordings) => recordings.recording(name).await,
        };
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, "a recording cannot be read");
            None
        })
    }

    /// Stops the system in order, if it is ours, and its own platform; returns the rules of the
    /// latter that were broken.
    pub(super) async fn stop(self) -> Vec<String> {
        match self.home {
            Home::Here(system) => system.stop().await,
            #[cfg(feature = "aws")]
            Home::Deployed(_) => {}
        }
        let mut violations = Vec::new();
        for simulated in self.own {
            violations.extend(simulated.close().await);
        }
        violations
    }
}

/// Hands what the platform puts on its event bus to the code of the deployed function, each
/// event twice, until `stop`.
fn takes_partner_events<R: RecordSink>(
    plan: &Plan<'_>,
    system: &System<R>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let (clock, lags) = (plan.clock, plan.lags.clone());
    let (store, stream) = (system.store().clone(), system.stream().clone());
    let events = PartnerEvents::new(plan.simulated.tracker()?, clock, store, stream, lags)
        .map_err(SystemError::from)?;
    let mut bus = plan.simulated.platform().event_bus();
    let taking = async move {
        while let Ok(event) = bus.recv().await {
            for _ in 0..2 {
                if let Err(error) = events.take(clock, &event).await {
                    tracing::warn!(error = chain(&error), "partner event not taken");
                }
            }
        }
    };
    tokio::spawn(async move { stop.run_until_cancelled(taking).await });
    Ok(())
}

async fn hears_the_platform<S: RecordSink>(system: &System<S>) -> Result<(), Failure> {
    let Some(mut status) = system.tracker() else { return Ok(()) };
    let connected =
        tokio::time::timeout(TRACKER_LIMIT, status.wait_for(|status| status.is_connected()));
    if connected.await.is_ok_and(|heard| heard.is_ok()) {
        return Ok(());
    }
    let problem = status.borrow().problem.clone();
    let failure = Failure::fault("the tracker does not hear the simulated platform");
    Err(match problem {
        Some(problem) => failure.because(problem),
        None => failure,
    })
}

/// Waits until the system follows another organization too.
async fn follows<S: RecordSink>(system: &System<S>, neighbour: &Simulated) -> Result<(), Failure> {
    let mut tenants = system.tenants();
    let id = neighbour.organization();
    let follows = async {
        let known = tenants.wait_for(|statuses| statuses.contains_key(&id)).await.ok()?;
        let mut status = known.get(&id).cloned()?;
        drop(known);
        status.wait_for(|status| status.is_connected()).await.ok().map(drop)
    };
    let followed = tokio::time::timeout(TRACKER_LIMIT, follows).await.ok().flatten();
    followed.ok_or_else(|| Failure::fault("the second organization is not followed"))
}

fn name(organization: OrganizationId, report: &CallerReport) -> String {
    let key = ConversationKey { organization, conversation: report.conversation };
    recording_name(key, report.session)
}
