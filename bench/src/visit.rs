//! One server from its start to the last step of its ramp.

use std::path::Path;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

use crate::Failure;
use crate::args::{Kind, Plan};
use crate::figures::{Client, Figures, Latency, Memory, Ramp, RampEnd, Window, Work};
use crate::load::{Fleet, Opened, Peer};
use crate::places::Cores;
use crate::report::say;
use crate::server::{Server, own_cpu};

/// Sessions that come first, so that what the process builds once is in its base.
const WARM_UP: usize = 50;
/// The burst that design.md names.
const BURST: usize = 400;
/// What the figures of connecting need: the sessions of the warm-up and of a burst.
pub(crate) const SESSIONS_MIN: usize = WARM_UP + BURST;
const BURST_PER_SECOND: u32 = 800;
const STEADY_PER_SECOND: u32 = 80;
/// Connections measured at the steady rate, if the load has room for them: 8 s.
const STEADY_MAX: usize = 640;
/// How fast sessions come where that is not what is measured.
const FILL_PER_SECOND: u32 = 800;
/// Until connections and buffers have come to rest.
const SETTLE: Duration = Duration::from_secs(2);
/// The first pings and frames of a load.
const WARM_UP_LOAD: Duration = Duration::from_secs(5);
/// The first frames of a turn, and after it what is still on its way into the stream.
const WARM_UP_TURN: Duration = Duration::from_millis(400);
/// A window of the ramp: every session pings once in 5 s.
const RAMP_WINDOW: Duration = Duration::from_secs(6);
/// What pongs may take.
pub(crate) const PONG_P99_MAX_MS: f64 = 50.0;
/// Steps of the ramp, each for servers that are less busy than that: the nearer the end, the
/// shorter.
const STEPS: [(f64, usize); 3] = [(0.35, 2_000), (0.65, 1_000), (f64::INFINITY, STEP_MIN)];
const STEP_MIN: usize = 500;

/// A server with its load.
pub(crate) struct Visit<'p> {
    kind: Kind,
    plan: &'p Plan,
    server: Server,
    fleet: Fleet,
    pace: JoinHandle<()>,
}

/// Measures everything of one server.
pub(crate) async fn visit(
    kind: Kind,
    plan: &Plan,
    cores: Cores,
    data: &Path,
) -> Result<Figures, Failure> {
    let mut visit = Visit::begin(kind, plan, cores, data).await?;
    let figures = visit.measure().await?;
    visit.end().await?;
    Ok(figures)
}

impl<'p> Visit<'p> {
    /// Starts a server, and nothing that talks to it yet.
    pub(crate) async fn begin(
        kind: Kind,
        plan: &'p Plan,
        cores: Cores,
        data: &Path,
    ) -> Result<Self, Failure> {
        say(&format!("{}: starting", kind.label()));
        let server = Server::start(kind, cores, data).await?;
        let peer = if kind == Kind::Sink { Peer::Sink } else { Peer::Door };
        let fleet = Fleet::new(peer, server.address);
        let pacer = fleet.clone();
        let pace = spawn_local(async move { pacer.run().await });
        Ok(Self { kind, plan, server, fleet, pace })
    }

    /// Ends the server.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.pace.abort();
        self.server.stop().await
    }

    /// Returns which server it is.
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Measures a short time of load, and is silent before and after it.
    pub(crate) async fn turn(&mut self, duration: Duration) -> Result<Work, Failure> {
        self.fleet.talk(true);
        sleep(WARM_UP_TURN).await;
        let window = self.window(duration).await?;
        self.fleet.talk(false);
        // What was accepted last is put before the next server's turn.
        sleep(WARM_UP_TURN).await;
        Ok(window.work)
    }

    async fn measure(&mut self) -> Result<Figures, Failure> {
        self.open(WARM_UP, FILL_PER_SECOND).await?;
        sleep(SETTLE).await;
        let base_kib = self.server.process().rss_kib()?;
        let opened_in_burst = self.open(BURST, BURST_PER_SECOND).await?;
        sleep(SETTLE).await;
        let room = self.plan.steady_sessions().saturating_sub(self.fleet.len());
        let opened_steadily = self.open(room.min(STEADY_MAX), STEADY_PER_SECOND).await?;
        self.fill(self.plan.steady_sessions()).await?;
        sleep(SETTLE).await;
        let memory_idle = self.memory(base_kib)?;
        let steady = self.steady().await?;
        let opened_in_burst_under_load = self.open(BURST, BURST_PER_SECOND).await?;
        self.fleet.talk(false);
        sleep(SETTLE).await;
        let memory_rested = self.memory(base_kib)?;
        let ramp = if self.plan.no_ramp { None } else { Some(self.ramp().await?) };
        Ok(Figures {
            kind: self.kind,
            opened_in_burst,
            opened_steadily,
            opened_in_burst_under_load,
            memory_idle,
            memory_rested,
            steady,
            ramp,
        })
    }

    /// Opens sessions; all of them have to open.
    async fn open(&self, count: usize, per_second: u32) -> Result<Latency, Failure> {
        let Opened { latency, failed, failure } = self.fleet.open(count, per_second).await;
        match failure {
            Some(failure) => Err(format!("{failed} of {count} sessions failed: {failure}").into()),
            None => Ok(latency),
        }
    }

    /// Opens sessions until there are so many.
    pub(crate) async fn fill(&self, sessions: usize) -> Result<(), Failure> {
        self.open(sessions.saturating_sub(self.fleet.len()), FILL_PER_SECOND).await.map(drop)
    }

    fn memory(&self, base_kib: u64) -> Result<Memory, Failure> {
        let sessions = self.fleet.len() - WARM_UP;
        Ok(Memory { sessions, base_kib, kib: self.server.process().rss_kib()? })
    }

    async fn steady(&mut self) -> Result<Window, Failure> {
        say(&format!("{}: {} sessions talk", self.kind.label(), self.fleet.len()));
        self.fleet.talk(true);
        sleep(WARM_UP_LOAD).await;
        self.window(self.plan.steady_window()).await
    }

    /// Measures for a while.
    async fn window(&mut self, duration: Duration) -> Result<Window, Failure> {
        self.server.extract().await?;
        let puts = self.server.puts().await?;
        self.fleet.take_tally();
        let (server, client, begun) = (self.server.cpu()?, own_cpu()?, Instant::now());
        sleep(duration).await;
        let (server_end, client_end) = (self.server.cpu()?, own_cpu()?);
        let window_s = begun.elapsed().as_secs_f64();
        let tally = self.fleet.take_tally();
        let extract = self.server.extract().await?;
        let puts_end = self.server.puts().await?;
        let committed = extract.latencies.get("sidetone_accepted_to_committed_seconds").copied();
        Ok(Window {
            work: Work {
                sessions: self.fleet.len(),
                window_s,
                cpu_s: server_end.seconds - server.seconds,
                system_s: server_end.system_s - server.system_s,
                puts: puts_end.zip(puts).map(|(end, begin)| end.since(begin)),
            },
            ping_to_pong: tally.pongs.figure(),
            accepted_to_committed: committed,
            client: Client {
                busy: (client_end.seconds - client.seconds) / window_s,
                lateness: tally.lateness.figure(),
                frames_held_back: tally.frames_held_back,
                sessions_lost: tally.sessions_lost,
            },
        })
    }

    /// Adds sessions until pongs take too long, twice in a row: one slow window may be the
    /// machine's.
    async fn ramp(&mut self) -> Result<Ramp, Failure> {
        self.fleet.talk(true);
        let mut ramp = Ramp { most: 0, end: RampEnd::LimitReached, steps: Vec::new() };
        let mut sessions = self.next_step(self.fleet.len(), 0.0);
        loop {
            if let Err(failure) = self.fill(sessions).await {
                say(&format!("{}: {failure}", self.kind.label()));
                ramp.end = RampEnd::ConnectionsFailed;
                return Ok(ramp);
            }
            let window = self.try_step().await?;
            let busy = window.work.busy();
            ramp.steps.push(window);
            if !in_time(&window) {
                ramp.end = match window.client.is_saturated() {
                    true => RampEnd::ClientSaturated,
                    false => RampEnd::PongTooSlow,
                };
                return Ok(ramp);
            }
            ramp.most = self.fleet.len();
            if window.client.has_no_time_left() {
                ramp.end = RampEnd::ClientSaturated;
                return Ok(ramp);
            }
            if self.plan.quick || ramp.most >= self.plan.sessions_max as usize {
                return Ok(ramp);
            }
            sessions = self.next_step(ramp.most, busy);
        }
    }

    async fn try_step(&mut self) -> Result<Window, Failure> {
        sleep(SETTLE).await;
        let mut window = self.window(RAMP_WINDOW).await?;
        if !in_time(&window) {
            window = self.window(RAMP_WINDOW).await?;
        }
        let Window { work, ping_to_pong, client, .. } = &window;
        say(&format!(
            "{}: {} sessions, pong p99 {:.1} ms, server {:.0} % busy, client {:.0} %",
            self.kind.label(),
            work.sessions,
            ping_to_pong.p99_ms,
            work.busy() * 100.0,
            client.busy * 100.0
        ));
        Ok(window)
    }

    /// Returns the next number of sessions to try; in a quick run the one aimed for.
    fn next_step(&self, sessions: usize, busy: f64) -> usize {
        if self.plan.quick {
            let target = Kind::sessions_target(self.kind).or(Kind::sessions_target(Kind::Null));
            return target.unwrap_or(sessions);
        }
        let step =
            STEPS.iter().find(|(below, _)| busy < *below).map_or(STEP_MIN, |(_, step)| *step);
        // On round numbers, whatever came before.
        ((sessions + step) / STEP_MIN * STEP_MIN).min(self.plan.sessions_max as usize)
    }
}

fn in_time(window: &Window) -> bool {
    let Window { ping_to_pong, client, .. } = window;
    ping_to_pong.p99_ms <= PONG_P99_MAX_MS && client.sessions_lost == 0 && ping_to_pong.count > 0
}
