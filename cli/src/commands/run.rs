//! `sidetone run`: everything in one process, until it is told to stop.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use sidetone_bootstrap::{Config, GenesysConfig, LimitsConfig, start_log, start_log_to};
use sidetone_consumer::Sidecar;
use sidetone_driver::SessionStatus;
use sidetone_genesys_sim::{Played, Town, Traffic};
use sidetone_listener::{Shares, SourceRules};
use sidetone_ports::{Clock, OrganizationStore, RecordingStore, chain};
use sidetone_ports_embedded::{DataDir, SecretFiles, SimulatedPlatform, Stream};
use sidetone_socket_door::Stop;
use sidetone_tracking::Lags;
use sidetone_tracking::{PlatformClient, Secret, TrackerConfig, TrackerStatus};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::announce::Finished;
use crate::args::{GlobalArgs, RunArgs};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::platforms::{hosts_of, local};
use crate::simulated::Simulated;
use crate::system::{Settings, System};
use crate::table::{Mode, Recorded, Screen, Started};
use crate::users_api::{Plan, UsersApi};

/// How often the table is drawn. Units: real time.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// How many files a process may open where that cannot be found out.
const OPEN_FILES_USUAL: u64 = 1_024;

/// Runs everything in one process.
pub(crate) async fn run(
    global: &GlobalArgs,
    args: &RunArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let mut config = global.config()?;
    if let Some(listen) = args.listen {
        config.listen = listen;
    } else if args.simulate {
        // Nobody needs to know the port beforehand, and another one may hold the usual.
        config.listen.set_port(0);
    }
    let looks = output.looks();
    let mut screen = Screen::new(Mode::fitting(looks), output.results());
    // A log that goes to a file does not get in the way of the table.
    match screen.log_lines().filter(|_| looks.error_terminal) {
        Some(lines) => {
            // What simulated calls do on purpose is no news to a person who looks at them.
            let filter = global.log_filter(if args.simulate { "error" } else { "warn" });
            start_log_to(global.log_format(), filter, move || lines.clone(), looks.colour);
        }
        None => {
            let usual = if looks.terminal && args.simulate { "error" } else { "info" };
            start_log(global.log_format(), global.log_filter(usual));
        }
    }
    let mut signals = Signals::new()?;
    // A session takes a file descriptor. Where the limit cannot be raised, it is divided as it is.
    let shares = Shares::of(rlimit::increase_nofile_limit(u64::MAX).unwrap_or(OPEN_FILES_USUAL));
    let sources = sources_of(&config.limits);
    let data = DataDir::open(&config.data)?;
    // A process that was killed leaves its file.
    SimulatedPlatform::withdraw(&data)?;
    // At the world's own speed, the clock is the machine's: it may be set while calls go on.
    let clock = if args.speed == 1.0 { Clock::system() } else { Clock::scaled(args.speed) };
    let simulated = match args.simulate {
        true => {
            let simulated = Simulated::start(clock).await?;
            simulated.provision(&data).await?;
            simulated.publish(&data)?;
            Some(simulated)
        }
        false => None,
    };
    let tracker = match (&simulated, &config.genesys) {
        (Some(simulated), _) => Some(simulated.tracker()?),
        (None, Some(genesys)) => Some(tracker_config(genesys)?),
        (None, None) => None,
    };
    let plan = |api| Plan::new(api, &data, sources.clone(), shares);
    let api = config.api.as_ref().map(plan).transpose()?;
    let started =
        Started { url: String::new(), data: config.data.clone(), recordings: data.recordings() };
    let secrets = SecretFiles::open(&data)?;
    let configured = tracker.as_ref().map(|tracker| platform_of(tracker, clock)).transpose()?;
    let asks_names = simulated.is_some() || screen.shows_talk();
    let names = configured.clone().filter(|_| asks_names).map(queue_names);
    let system =
        System::start(settings(&config, clock, tracker, shares), data, |stream| stream).await?;
    screen.started(&Started { url: system.audiohook_url(), ..started });
    let api = match api {
        Some(plan) => {
            let store = system.store().clone();
            let platforms = local(&store, secrets.clone(), configured, clock);
            Some(UsersApi::start(plan, store, platforms, secrets, clock).await?)
        }
        None => None,
    };
    if let Some(api) = &api {
        screen.note(&format!("users API at http://{}/v1/users", api.address));
    }
    if system.tracker().is_none() && system.store().organizations().await?.is_empty() {
        screen.note(
            "no [genesys] in the configuration and no organization set up (`sidetone org add`): \
             nobody tells of calls, so none will be matched",
        );
    }
    let town =
        simulated.as_ref().map(|simulated| populate(simulated, &system, args)).transpose()?;
    watch_over(system, town, names, &mut screen, &mut signals).await;
    if let Some(api) = api {
        api.stop().await;
    }
    if let Some(simulated) = &simulated {
        for violation in simulated.platform().violations() {
            screen.note(&format!("Genesys' rules were broken: {violation}"));
        }
        simulated.platform().stop().await;
        SimulatedPlatform::withdraw(&DataDir::peek(&config.data)?)?;
    }
    screen.finish(clock.now());
    Ok(Exit::Done)
}

fn settings(
    config: &Config,
    clock: Clock,
    tracker: Option<TrackerConfig>,
    shares: Shares,
) -> Settings {
    Settings {
        sources: sources_of(&config.limits),
        shares,
        clock,
        listen: config.listen,
        audiohook: config.audiohook.clone(),
        tracker,
        retention: Duration::from_secs(u64::from(config.stream.retention_hours) * 3_600),
        lags: Lags::default(),
    }
}

fn sources_of(limits: &LimitsConfig) -> SourceRules {
    let LimitsConfig { ipv4_prefix, ipv6_prefix, trusted_proxies } = limits.clone();
    SourceRules { ipv4_prefix, ipv6_prefix, trusted_proxies, limited: true }
}

fn tracker_config(genesys: &GenesysConfig) -> Result<TrackerConfig, Failure> {
    let secret = Secret::new(genesys.secret()?.reveal());
    let mut config = TrackerConfig::new(hosts_of(genesys)?, genesys.client_id.clone(), secret);
    for client in &genesys.more_clients {
        let secret = Secret::new(client.secret()?.reveal());
        config = config.with_client(client.client_id.clone(), secret);
    }
    Ok(config)
}

/// Returns a client beside the tracker's own, for those who ask about users.
fn platform_of(tracker: &TrackerConfig, clock: Clock) -> Result<PlatformClient, Failure> {
    let (hosts, id) = (tracker.hosts.clone(), tracker.client_id.as_str());
    Ok(PlatformClient::new(hosts, id, tracker.client_secret.clone(), clock)?)
}

/// Asks for the queues' names; without an answer their ids are shown.
fn queue_names(platform: PlatformClient) -> JoinHandle<BTreeMap<String, String>> {
    tokio::spawn(async move {
        match platform.queues().await {
            Ok(queues) => queues.into_iter().map(|queue| (queue.id, queue.name)).collect(),
            Err(error) => {
                tracing::info!(error = chain(&error), "queues have no names, showing their ids");
                BTreeMap::new()
            }
        }
    })
}

/// Simulated people who call until they are told to stop.
struct Population {
    stop: CancellationToken,
    calls: JoinHandle<()>,
}

fn populate(
    simulated: &Simulated,
    system: &System<Stream>,
    args: &RunArgs,
) -> Result<Population, Failure> {
    let stage = simulated.stage(&system.audiohook_url(), None)?;
    let traffic = Traffic {
        seed: args.seed.unwrap_or_else(rand::random),
        calls_max: usize::try_from(args.calls_max).unwrap_or(usize::MAX),
        ..Traffic::default()
    };
    let stop = CancellationToken::new();
    let (stopped, tracker) = (stop.clone(), system.tracker());
    let calls = tokio::spawn(async move {
        if let Some(mut tracker) = tracker {
            tokio::select! {
                () = stopped.cancelled() => return,
                // An error means that the tracker is gone, and calls come all the same.
                _ = tracker.wait_for(follows_somebody) => {}
            }
        }
        Town::new(stage, traffic).live(stopped, |played: Played| log_faults(&played)).await;
    });
    Ok(Population { stop, calls })
}

fn follows_somebody(status: &TrackerStatus) -> bool {
    status.is_connected() && status.followed > 0
}

fn log_faults(played: &Played) {
    for fault in played.sessions.iter().flat_map(|session| &session.faults) {
        tracing::error!(scenario = %played.scenario, ?fault, "the protocol was broken by us");
    }
}

/// Shows what happens until everything has stopped.
async fn watch_over<W: Write>(
    system: System<Stream>,
    mut town: Option<Population>,
    mut names: Option<JoinHandle<BTreeMap<String, String>>>,
    screen: &mut Screen<W>,
    signals: &mut Signals,
) {
    let clock = system.clock();
    let host = system.host().clone();
    let mut news = host.news();
    if screen.shows_talk() {
        host.show_talk();
    }
    let mut finished = system.recordings().finished();
    let recordings = system.recordings().clone();
    let mut tracker = system.tracker();
    let stopper = system.stopper();
    let mut draw = tokio::time::interval(DRAW_EVERY);
    let mut ending: Option<JoinHandle<()>> = None;
    let mut system = Some(system);
    loop {
        tokio::select! {
            status = news.recv() => show(screen, clock, status),
            file = finished.recv() => {
                if let Ok(file) = file
                    && let Some(recorded) = recorded(&recordings, &file).await
                {
                    screen.recording(clock.now(), &recorded);
                }
            }
            () = changed(&mut tracker) => {
                if let Some(tracker) = &tracker {
                    screen.platform(&platform_line(&tracker.borrow()));
                }
            }
            _ = draw.tick() => {
                if let Some(asked) = names.take_if(|asked| asked.is_finished())
                    && let Ok(names) = asked.await
                {
                    screen.queues(names);
                }
                if screen.shows_talk() {
                    screen.talk(clock.now(), &host.talking());
                }
                screen.draw(clock.now());
            }
            () = signals.next() => match system.take() {
                Some(system) => {
                    screen.note("stopping: no new calls; once more to end running ones at once");
                    ending = Some(tokio::spawn(end(system, town.take())));
                }
                None => at_once(screen, &stopper),
            },
            () = ended(&mut ending) => break,
        }
    }
    while let Ok(status) = news.try_recv() {
        screen.session(clock.now(), &status);
    }
    while let Ok(file) = finished.try_recv() {
        if let Some(recorded) = recorded(&recordings, &file).await {
            screen.recording(clock.now(), &recorded);
        }
    }
    screen.draw(clock.now());
}

async fn end(system: System<Stream>, town: Option<Population>) {
    if let Some(town) = town {
        town.stop.cancel();
        // A panic there has been logged; the system stops all the same.
        let _ = town.calls.await;
    }
    system.stop().await;
}

fn at_once<W: Write>(screen: &mut Screen<W>, stopper: &Stop) {
    screen.note("ending running calls at once");
    stopper.now();
}

fn show<W: Write>(
    screen: &mut Screen<W>,
    clock: Clock,
    status: Result<SessionStatus, broadcast::error::RecvError>,
) {
    match status {
        Ok(status) => screen.session(clock.now(), &status),
        Err(broadcast::error::RecvError::Lagged(missed)) => {
            screen.note(&format!("{missed} changes came too fast to be shown"));
        }
        // The host lives until the system has stopped, and then the loop ends.
        Err(broadcast::error::RecvError::Closed) => {}
    }
}

/// Reads the sidecar of a finished recording; nothing for its WAV, or for one without audio.
async fn recorded<R: RecordingStore>(recordings: &R, file: &Finished) -> Option<Recorded> {
    if !file.name.ends_with(".json") {
        return None;
    }
    let bytes = recordings.recording(&file.name).await.ok()??;
    let sidecar: Sidecar = serde_json::from_slice(&bytes).ok()?;
    sidecar.wav.as_ref()?;
    let length = sidecar.end_ms?.saturating_sub(sidecar.start_ms?);
    let mut agents: Vec<String> =
        sidecar.agents.iter().map(|agent| agent.agent.to_string()).collect();
    agents.dedup();
    let place = file.place.strip_suffix("json").map_or(file.place.clone(), |s| format!("{s}wav"));
    Some(Recorded { place, agents, length: Duration::from_millis(length) })
}

fn platform_line(status: &TrackerStatus) -> String {
    match (&status.problem, status.is_connected()) {
        (Some(problem), _) => format!("Genesys: {problem}"),
        (None, true) if status.followed > 0 => {
            let collisions = match status.collisions {
                0 => String::new(),
                1 => ", 1 agent id shared by several users".to_owned(),
                several => format!(", {several} agent ids shared by several users"),
            };
            format!("Genesys: connected, {} agents followed{collisions}", status.followed)
        }
        (None, _) => "Genesys: connecting".to_owned(),
    }
}

async fn changed(tracker: &mut Option<watch::Receiver<TrackerStatus>>) {
    let gone = match tracker {
        Some(status) => status.changed().await.is_err(),
        None => std::future::pending().await,
    };
    if gone {
        *tracker = None;
    }
}

async fn ended(ending: &mut Option<JoinHandle<()>>) {
    match ending {
        // A panic there has been logged by the runtime.
        Some(ending) => {
            let _ = ending.await;
        }
        None => std::future::pending().await,
    }
}

/// Ctrl-C and the service manager's request.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// A write beyond a limit of file sizes would end the process; taken over, it fails instead.
    _file_too_large: Signal,
}

/// `SIGXFSZ` of Linux.
const FILE_TOO_LARGE: i32 = 25;

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::fault("cannot listen to signals").because(error))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            _file_too_large: listen(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
