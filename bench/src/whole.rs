//! All of `sidetone run` beside the bare sink: the same calls against both, from the first
//! `open` to the last recording.
//!
//! The door's figures leave out what every user also runs. Here the product itself runs, as its
//! users start it, and its processor time counts until the last recording is complete.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use sidetone_ports::StoredKey;
use sidetone_ports_embedded::{DataDir, KeyFile};
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use crate::Failure;
use crate::args::{Kind, WholePlan};
use crate::campaign::{data_directory, server_core};
use crate::figures::{Latencies, Latency, middle};
use crate::load::{FRAME_BYTES, Fleet, Peer};
use crate::places::{Cores, Machine, core_count, launch_on, move_to};
use crate::report::{self, say};
use crate::serve::{KEY_ID, ORGANIZATION, SECRET};
use crate::server::{Process, Server, data_directory_in};

const OPEN_PER_SECOND: u32 = 400;
/// Before the base is read, and before the calls: what a process does when it has started.
const SETTLE: Duration = Duration::from_secs(2);
const STARTED_WITHIN: Duration = Duration::from_secs(30);
/// How long the recordings are waited for; what is missing then is reported.
const RECORDED_WITHIN: Duration = Duration::from_secs(120);
/// How often the directory of recordings is read, so latencies are this much too long at most.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Seconds of audio in a frame.
const FRAME_S: f64 = 0.2;

/// One round of calls against one server.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    pub(crate) calls: usize,
    /// Both channels together count once.
    pub(crate) audio_hours: f64,
    pub(crate) cpu_s: f64,
    /// Resident memory before the first call, at the end of the calls, and at most until the
    /// last recording. Units: KiB.
    pub(crate) base_kib: u64,
    pub(crate) calls_kib: u64,
    pub(crate) peak_kib: u64,
    pub(crate) written_bytes: u64,
    pub(crate) audio_bytes: u64,
    /// From the end of each call to its recording; nothing for the sink.
    pub(crate) recorded: Option<Latency>,
    /// Recordings that say they are complete.
    pub(crate) complete: usize,
}

/// Rounds of both servers, in turns.
#[derive(Debug, Serialize)]
pub(crate) struct WholeOutcome {
    pub(crate) machine: Machine,
    pub(crate) command: String,
    pub(crate) sink: Vec<Round>,
    pub(crate) whole: Vec<Round>,
}

impl Round {
    pub(crate) fn per_session_hour(&self) -> f64 {
        self.cpu_s / self.audio_hours
    }

    /// Returns the memory of one session at a moment. Units: KiB.
    pub(crate) fn per_session_kib(&self, kib: u64) -> f64 {
        kib.saturating_sub(self.base_kib) as f64 / self.calls as f64
    }
}

impl WholeOutcome {
    /// Returns how many times the sink's processor time the whole needs, in the middle round.
    pub(crate) fn ratio(&self) -> f64 {
        let pairs = self.whole.iter().zip(&self.sink);
        middle(pairs.map(|(whole, sink)| whole.per_session_hour() / sink.per_session_hour()))
    }
}

/// Measures what was asked for and prints it.
pub(crate) fn whole(plan: &WholePlan) -> Result<(), Failure> {
    if !plan.placed {
        return Err(move_to(Cores::choose().client));
    }
    let cores = server_core();
    let data = data_directory(plan.data.as_deref())?;
    let machine = Machine::look(cores, core_count(), &data);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = LocalSet::new().block_on(&runtime, measure(plan, cores, &data, machine))?;
    match plan.json {
        true => report::print_whole_json(&outcome),
        false => report::print_whole(&outcome),
    }
}

async fn measure(
    plan: &WholePlan,
    cores: Cores,
    data: &Path,
    machine: Machine,
) -> Result<WholeOutcome, Failure> {
    let command = report::command();
    let (mut sink, mut whole) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        say(&format!("sink, round {round} of {}", plan.rounds));
        let server = Server::start(Kind::Sink, cores, data).await?;
        sink.push(play(plan, server.process(), server.address, None).await?);
        server.stop().await?;
        say(&format!("sidetone run, round {round} of {}", plan.rounds));
        let product = Product::start(plan, cores.server, data).await?;
        whole.push(play(plan, &product.process, product.address, Some(&product.recordings)).await?);
        product.process.stop().await?;
    }
    Ok(WholeOutcome { machine, command, sink, whole })
}

/// Plays the calls against a server, all of which end together.
async fn play(
    plan: &WholePlan,
    process: &Process,
    address: SocketAddr,
    recordings: Option<&Path>,
) -> Result<Round, Failure> {
    let peer = if recordings.is_some() { Peer::Door } else { Peer::Sink };
    let fleet = Fleet::new(peer, address);
    let pacer = fleet.clone();
    let pace = spawn_local(async move { pacer.run().await });
    sleep(SETTLE).await;
    let base_kib = process.rss_kib()?;
    let (cpu_s, written_bytes) = (process.cpu_s()?, process.written_bytes()?);
    let calls = plan.calls as usize;
    let opened = fleet.open(calls, OPEN_PER_SECOND).await;
    if let Some(failure) = opened.failure {
        return Err(format!("{} of {calls} calls failed: {failure}", opened.failed).into());
    }
    fleet.talk(true);
    sleep(Duration::from_secs(plan.seconds)).await;
    fleet.talk(false);
    let frames = fleet.frames();
    let tally = fleet.take_tally();
    if tally.sessions_lost > 0 || tally.frames_held_back > 0 {
        say(&format!(
            "{} sessions lost, {} frames not taken in time",
            tally.sessions_lost, tally.frames_held_back
        ));
    }
    let calls_kib = process.rss_kib()?;
    let closed = fleet.close().await?;
    pace.abort();
    let (recorded, complete) = match recordings {
        Some(directory) => {
            let (recorded, complete) = wait_for_recordings(directory, &closed).await?;
            (Some(recorded), complete)
        }
        None => (None, 0),
    };
    Ok(Round {
        calls,
        audio_hours: frames as f64 * FRAME_S / 3_600.0,
        cpu_s: process.cpu_s()? - cpu_s,
        base_kib,
        calls_kib,
        peak_kib: process.peak_rss_kib()?,
        written_bytes: process.written_bytes()? - written_bytes,
        audio_bytes: frames * FRAME_BYTES as u64,
        recorded,
        complete,
    })
}

/// Waits for the recording of each session; returns how long each took since its call ended,
/// and how many are complete.
async fn wait_for_recordings(
    directory: &Path,
    closed: &[(String, Instant)],
) -> Result<(Latency, usize), Failure> {
    let mut waiting: HashMap<&str, Instant> =
        closed.iter().map(|(id, at)| (id.as_str(), *at)).collect();
    let (mut latencies, mut complete) = (Latencies::default(), 0);
    let begun = Instant::now();
    while !waiting.is_empty() && begun.elapsed() < RECORDED_WITHIN {
        sleep(LOOK_EVERY).await;
        for entry in std::fs::read_dir(directory)? {
            let name = entry?.file_name();
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".json")) else {
                continue;
            };
            let session = stem.rsplit('_').next().unwrap_or_default();
            if let Some(at) = waiting.remove(session) {
                latencies.record(at.elapsed());
            }
        }
    }
    // The product's own time is over: what is read now is in nobody's figures.
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let sidecar: Value = serde_json::from_slice(&std::fs::read(path)?)?;
            complete += usize::from(sidecar["complete"] == true);
        }
    }
    Ok((latencies.figure(), complete))
}

/// `sidetone run` on a core of its own.
struct Product {
    process: Process,
    address: SocketAddr,
    recordings: PathBuf,
}

impl Product {
    async fn start(plan: &WholePlan, core: usize, data: &Path) -> Result<Self, Failure> {
        let directory = data_directory_in(data)?;
        let place = directory.path().join("data");
        let recordings = provision(&place)?;
        let config = directory.path().join("sidetone.toml");
        std::fs::write(&config, "[audiohook]\nlisten = \"always\"\n")?;
        let program = sidetone(plan)?;
        let mut command = Command::from(launch_on(core, &program));
        command.args(["run", "--json", "--listen", "127.0.0.1:0"]).stderr(Stdio::null());
        command.arg("--config").arg(config).arg("--data").arg(&place);
        let (process, input, mut lines) = Process::start(command, directory)?;
        let started = async {
            while let Some(line) = lines.next_line().await? {
                let value: Value = serde_json::from_str(&line)?;
                if value["type"] == "started" {
                    let url = value["url"].as_str().unwrap_or_default();
                    let authority = url.strip_prefix("ws://").and_then(|url| url.split('/').next());
                    return Ok(authority.unwrap_or_default().parse()?);
                }
            }
            Err::<SocketAddr, Failure>("sidetone run ended before it had started".into())
        };
        let address = timeout(STARTED_WITHIN, started).await??;
        // Its lines are read as long as it runs: a full pipe would hold it up.
        spawn_local(async move {
            let _input = input;
            while let Ok(Some(_)) = lines.next_line().await {}
        });
        Ok(Self { process, address, recordings })
    }
}

/// Puts the load's key into a data directory; returns where its recordings will be.
fn provision(place: &Path) -> Result<PathBuf, Failure> {
    let data = DataDir::open(place)?;
    KeyFile::open(&data.keys())?.add(StoredKey {
        key_id: KEY_ID.to_owned(),
        secrets: vec![SECRET.to_owned()],
        organizations: vec![ORGANIZATION.parse()?],
        api_key_only: false,
    })?;
    Ok(data.recordings())
}

/// Returns the product: named, or beside this program.
fn sidetone(plan: &WholePlan) -> Result<PathBuf, Failure> {
    let program = match &plan.sidetone {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("sidetone"),
    };
    if program.is_file() {
        return Ok(program);
    }
    let program = program.display();
    Err(format!(
        "{program} is not there: build it with cargo build --release --bin sidetone, or name it \
         with --sidetone"
    )
    .into())
}
