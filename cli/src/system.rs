//! The whole of Sidetone in one process, on the embedded store and stream.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sidetone_bootstrap::AudioHookConfig;
use sidetone_consumer::{RECORDER_NAME, Recorder, RecorderHealth};
use sidetone_driver::{EngineConfig, Host, HostConfig};
use sidetone_listener::{Shares, SourceRules};
use sidetone_model::OwnerId;
use sidetone_ports::{
    Checkpoints, Clock, OrganizationStore, RecordSink, RecordSource, StoreError, chain,
};
use sidetone_ports_embedded::{
    DataDir, KeyFile, KeyFileError, OpenError, Recordings, SecretFiles, Store, Stream,
};
use sidetone_socket_door::{
    Door, DoorConfig, DoorError, DoorLimits, DoorPace, ReadinessCheck, Replays, Stop,
};
use sidetone_tracking::{
    Lags, StoredTenants, TenantStatuses, Tenants, Tracker, TrackerConfig, TrackerError,
    TrackerStatus, follow_genesys_time, problem_of,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announce::Announced;
use crate::retention::Retention;

/// How often old records are dropped from the stream. Units: the clock's time.
const TRIM_EVERY: Duration = Duration::from_secs(600);

/// How often the organizations' settings are read. Units: the clock's time.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long the recorder may take to catch up when the system stops. Units: real time.
const CATCH_UP_MAX: Duration = Duration::from_secs(20);

/// What a system must be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The clock of everything.
    pub clock: Clock,
    /// Where the door listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The door and what it listens to.
    pub audiohook: AudioHookConfig,
    /// What counts as one source of connections.
    pub sources: SourceRules,
    /// How file descriptors are divided.
    pub shares: Shares,
    /// Where call events come from; without it nobody is matched.
    pub tracker: Option<TrackerConfig>,
    /// How long the stream keeps records.
    pub retention: Duration,
    /// Where it is noted how late call events are.
    pub lags: Lags,
}

/// Why a system does not start.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A file of the data directory cannot be used.
    #[error("the data directory cannot be used")]
    Data(#[from] OpenError),
    /// The key file cannot be used.
    #[error("the key file cannot be used")]
    Keys(#[from] KeyFileError),
    /// The organizations' settings cannot be read.
    #[error("the organizations cannot be read")]
    Organizations(#[from] StoreError),
    /// The door cannot open.
    #[error("the door cannot open on {listen}")]
    Door {
        /// The address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: DoorError,
    },
    /// The tracker cannot start.
    #[error("the tracker cannot start")]
    Tracker(#[from] TrackerError),
}

/// A running Sidetone.
#[derive(Debug)]
pub struct System<R> {
    clock: Clock,
    address: SocketAddr,
    host: Host<Store, R>,
    store: Store,
    stream: Stream,
    recordings: Announced<Recordings>,
    recordings_directory: PathBuf,
    recorder: RecorderHealth,
    tracker: Option<watch::Receiver<TrackerStatus>>,
    tenants: watch::Receiver<TenantStatuses>,
    stop_door: Stop,
    /// Ends what feeds sessions, then what empties them.
    stop_tracker: CancellationToken,
    stop_rest: CancellationToken,
    door: JoinSet<()>,
    tasks: TaskTracker,
    _data: DataDir,
}

impl<R: RecordSink> System<R> {
    /// Starts everything on a data directory; `sink` may put something between the door and
    /// the stream.
    ///
    /// Errors: [`SystemError`], and nothing runs.
    pub async fn start(
        settings: Settings,
        data: DataDir,
        sink: impl FnOnce(Stream) -> R,
    ) -> Result<Self, SystemError> {
        let Settings { clock, listen, audiohook, sources, shares, tracker, retention, lags } =
            settings;
        let store = Store::open(&data.store())?;
        let stream = Stream::open(&data.stream(), clock)?;
        let files = Recordings::open(&data.parts(), &data.recordings())?;
        let recordings = Announced::new(files.clone());
        let keys = KeyFile::open(&data.keys())?;
        let sink = sink(stream.clone());
        let tasks = TaskTracker::new();
        let (stop_tracker, stop_rest) = (CancellationToken::new(), CancellationToken::new());

        let owner = OwnerId::new(format!("door-{}", uuid::Uuid::new_v4()));
        let engine = EngineConfig {
            listen: audiohook.listen,
            on_hold: audiohook.on_hold,
            ..EngineConfig::default()
        };
        let host_config = HostConfig { engine, ..HostConfig::default() };
        let host = Host::new(clock, host_config, owner, store.clone(), sink.clone());

        let recorder = Recorder::new(recordings.clone(), data.path().join("scratch"));
        let recorder_health = recorder.health();
        let mut checks = vec![
            store_check(&store),
            stream_check(&stream),
            recorder_check(&files, recorder.health()),
        ];
        let tracker = match tracker {
            None => None,
            Some(config) => {
                let hosts = config.hosts.clone();
                tasks.spawn(follow_genesys_time(hosts, clock, stop_tracker.clone()));
                let tracker = Tracker::new(config, clock, store.clone(), sink.clone())?;
                let tracker = tracker.measured_by(lags);
                let status = tracker.status();
                tasks.spawn(track(tracker, stop_tracker.clone()));
                Some(status)
            }
        };
        let has_tenants = store.organizations().await.is_ok_and(|all| !all.is_empty());
        let source = StoredTenants {
            store: store.clone(),
            clients: SecretFiles::open(&data)?,
            configured: None,
            elsewhere: tracker.clone(),
        };
        let followed = Tenants::new(clock, store.clone(), sink, source, None);
        let tenants = followed.statuses();
        if tracker.is_some() || has_tenants {
            checks.push(tracker_check(tracker.clone(), tenants.clone()));
        }
        host.look_at_organizations().await?;
        tasks.spawn(host.clone().follow_organizations(LOOK_EVERY, stop_tracker.clone()));
        let stop = stop_tracker.clone();
        tasks.spawn(async move {
            if let Err(error) = followed.run(stop).await {
                tracing::error!(error = chain(&error), "organizations are not followed");
            }
        });
        let door = Door::bind(
            door_config(listen, &audiohook, sources, shares),
            host.clone(),
            keys,
            checks,
        )
        .map_err(|source| SystemError::Door { listen, source })?;
        let address = door.local_addr();

        let (host_task, stop) = (host.clone(), stop_rest.clone());
        tasks.spawn(async move { host_task.run(stop).await });
        // The directory's lock says that whoever else held sessions here is dead.
        host.sweep_all().await;
        tasks.spawn(recorder.run(
            stream.clone(),
            stream.clone(),
            clock,
            stop_rest.clone().cancelled_owned(),
        ));
        let kept = Retention { clock, store: store.clone(), recordings: files };
        tasks.spawn(kept.run(stop_rest.clone()));
        tasks.spawn(trim(stream.clone(), clock, retention, stop_rest.clone()));
        let stop_door = Stop::new();
        let mut door_task = JoinSet::new();
        let stop = stop_door.clone();
        door_task.spawn(async move {
            let drained = door.serve(stop).await;
            if drained.unflushed > 0 {
                tracing::error!(sessions = drained.unflushed, "left for the next start to declare");
            }
        });
        Ok(Self {
            clock,
            address,
            host,
            store,
            stream,
            recordings,
            recordings_directory: data.recordings(),
            recorder: recorder_health,
            tracker,
            tenants,
            stop_door,
            stop_tracker,
            stop_rest,
            door: door_task,
            tasks,
            _data: data,
        })
    }

    /// Returns where the door listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address to give to an AudioHook client on this machine.
    pub fn audiohook_url(&self) -> String {
        format!("ws://{}/audiohook/ws", self.address)
    }

    /// Returns the clock of everything.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Returns what the sessions share.
    pub const fn host(&self) -> &Host<Store, R> {
        &self.host
    }

    /// Returns the store.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the stream.
    pub const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Returns the recordings.
    pub const fn recordings(&self) -> &Announced<Recordings> {
        &self.recordings
    }

    /// Returns where finished recordings lie.
    pub fn recordings_directory(&self) -> &std::path::Path {
        &self.recordings_directory
    }

    /// Returns how the tracker is doing, if there is one.
    pub fn tracker(&self) -> Option<watch::Receiver<TrackerStatus>> {
        self.tracker.clone()
    }

    /// Returns how the trackers of the organizations do that are set up in the store.
    pub fn tenants(&self) -> watch::Receiver<TenantStatuses> {
        self.tenants.clone()
    }

    /// Returns the handle that ends running calls at once while [`System::stop`] waits.
    pub fn stopper(&self) -> Stop {
        self.stop_door.clone()
    }

    /// Waits until the recorder has read everything that is in the stream now, and has finished
    /// the recordings of the sessions that ended; returns whether it did in time.
    pub async fn recorded(&self, limit: Duration) -> bool {
        let caught_up = async {
            loop {
                let tip = self.stream.tip().await.unwrap_or(0);
                let done = self.stream.checkpoint(RECORDER_NAME).await.unwrap_or(0);
                // In this order: what was read is counted before its checkpoint is saved.
                if done >= tip && self.recorder.unfinished() == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, caught_up).await.is_ok()
    }

    /// Stops in order: no new sessions, running calls go on for a while, everything is
    /// flushed and recorded.
    pub async fn stop(mut self) {
        self.stop_door.drain();
        while self.door.join_next().await.is_some() {}
        self.stop_tracker.cancel();
        if !self.recorded(CATCH_UP_MAX).await {
            tracing::warn!("the recorder goes on with the rest at the next start");
        }
        self.host.leave().await;
        self.stop_rest.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn door_config(
    listen: SocketAddr,
    audiohook: &AudioHookConfig,
    sources: SourceRules,
    shares: Shares,
) -> DoorConfig {
    let limits = DoorLimits { sessions_max: audiohook.sessions_max, ..DoorLimits::default() };
    DoorConfig {
        listen,
        public_authority: audiohook.public_authority.clone(),
        public_path_prefix: audiohook.public_path_prefix.clone(),
        replays: if audiohook.shared_nonces { Replays::Shared } else { Replays::Local },
        limits: limits.within(shares),
        sources,
        pace: DoorPace {
            drain_limit: Duration::from_secs(audiohook.drain_seconds),
            ..DoorPace::default()
        },
        ..DoorConfig::default()
    }
}

async fn track<R: RecordSink>(tracker: Tracker<Store, R>, stop: CancellationToken) {
    if let Err(error) = tracker.run(stop).await {
        tracing::error!(%error, "the tracker died; calls are no longer matched");
    }
}

async fn trim(stream: Stream, clock: Clock, retention: Duration, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = clock.sleep(TRIM_EVERY) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = stream.trim(clock.now() - retention).await {
            tracing::warn!(%error, "old records stay for now");
        }
    }
}

fn store_check(store: &Store) -> ReadinessCheck {
    let store = store.clone();
    ReadinessCheck::new("store", move || {
        let store = store.clone();
        async move { store.probe().await }
    })
}

fn stream_check(stream: &Stream) -> ReadinessCheck {
    let stream = stream.clone();
    ReadinessCheck::new("stream", move || {
        let stream = stream.clone();
        async move { stream.probe().await }
    })
}

/// The recorder writes what it records to its database and to the disk, and says why it waits.
fn recorder_check(recordings: &Recordings, health: RecorderHealth) -> ReadinessCheck {
    let recordings = recordings.clone();
    ReadinessCheck::new("recorder", move || {
        let (recordings, problem) = (recordings.clone(), health.problem());
        async move {
            recordings.probe().await.map_err(|error| chain(&error))?;
            problem.map_or(Ok(()), Err)
        }
    })
}

fn tracker_check(
    configured: Option<watch::Receiver<TrackerStatus>>,
    tenants: watch::Receiver<TenantStatuses>,
) -> ReadinessCheck {
    ReadinessCheck::new("tracker", move || {
        let own = configured.as_ref().and_then(|status| {
            let status = status.borrow();
            let problem = || status.problem.clone().unwrap_or_else(|| "not connected yet".into());
            (!status.is_connected()).then(problem)
        });
        let problem = own.or_else(|| problem_of(&tenants.borrow()));
        async move { problem.map_or(Ok(()), Err) }
    })
}
