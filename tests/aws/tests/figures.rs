//! Figures of what is deployed, printed; nothing here fails for being slow on a busy machine.
//!
//! It runs alone, as what others do would be counted too.

#![allow(clippy::print_stdout, reason = "figures are for whoever looks")]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;
use sidetone_audiohook_proto::ClientConfig;
use sidetone_genesys_sim::{CallerReport, Target, call};
use sidetone_model::{ConversationId, ParticipantId, SessionId};
use sidetone_tests_aws::{Callers, Requests};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::client::Knock;
use crate::world::{World, deployed};

/// Sessions that are opened at each door, one after another.
const OPENINGS: usize = 100;

/// Sessions at once while audio and requests are counted, and how long they last.
const SESSIONS: u32 = 40;
const CALL: Duration = Duration::from_secs(40);

/// The functions: the output that names each, and its log.
const FUNCTIONS: [(&str, &str); 9] = [
    ("ConnectFunction", "connect"),
    ("MessageFunction", "message"),
    ("DisconnectFunction", "disconnect"),
    ("SweepFunction", "sweep"),
    ("TrackerFunction", "tracker"),
    ("RecorderFunction", "recorder"),
    ("GenesysEventsFunction", "genesys-events"),
    ("UsersImportFunction", "users-import"),
    ("UsersApiFunction", "users-api"),
];

/// Values, smallest first.
struct Sorted(Vec<f64>);

impl Sorted {
    fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    fn at(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(place).copied().unwrap_or(f64::NAN)
    }

    fn words(&self) -> String {
        let (p50, p99, count) = (self.at(50), self.at(99), self.0.len());
        if count == 0 {
            return "not logged".to_owned();
        }
        format!("p50 {p50:.1} ms, p99 {p99:.1} ms, of {count}")
    }
}

/// Returns how long each of some sessions waited for `opened`, in the order in which they came.
async fn openings(world: &World, door: &str) -> Vec<f64> {
    let mut waits = Vec::new();
    for _ in 0..OPENINGS {
        let mut client = Knock::at(world, door).connect().await.expect("let in");
        let begun = Instant::now();
        client.open(world, ConversationId::new(Uuid::new_v4())).await;
        waits.push(begun.elapsed().as_secs_f64() * 1_000.0);
        client.close().await;
    }
    waits
}

/// Has sessions take place at once, as Genesys plays them.
async fn play(world: &World, target: &Target) -> Vec<CallerReport> {
    let begins = world.clock.now();
    let sessions = (0..SESSIONS).map(|_| {
        let session = SessionId::new(Uuid::new_v4());
        let conversation = ConversationId::new(Uuid::new_v4());
        let participant = ParticipantId::new(Uuid::new_v4().to_string());
        let organization = world.at.genesys.organization;
        let plan = World::plan(
            ClientConfig::call(session, organization, conversation, participant),
            begins,
            CALL,
        );
        call(world.clock, target, plan, CancellationToken::new())
    });
    join_all(sessions).await
}

/// Returns the processor time that a process has had so far, its system's share included.
fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // Behind the name, which may hold anything, in ticks of 10 ms.
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let ticks: u64 =
        rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Returns all values of a metric in a function's log.
async fn metric(world: &World, function: &str, name: &str) -> Vec<f64> {
    let lines = world.log_of(world.stack(), function).await;
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let numbers = lines.flat_map(|line| {
        // One value stands for itself.
        let values = line[name].as_array().cloned().unwrap_or_else(|| vec![line[name].clone()]);
        values.into_iter().filter_map(|value| value.as_f64())
    });
    numbers.collect()
}

fn print_requests(at: &str, asked: &BTreeMap<(String, String), u64>) {
    let hours = f64::from(SESSIONS) * CALL.as_secs_f64() / 3_600.0;
    for ((caller, service), count) in asked {
        let hourly = *count as f64 / hours;
        println!("figure: {at}: {caller} asks {service} {hourly:.0} times a session-hour");
    }
}

async fn sizes_and_durations(world: &World) {
    for (function, log) in FUNCTIONS {
        let name = world.stack().output(function).expect("an output");
        let size = world.cloud.function_bytes(name).await.expect("it is there");
        println!("figure: {function}: zip of {:.2} MB", size as f64 / 1e6);
        let starts = metric(world, log, "sidetone_start_milliseconds").await;
        println!("figure: {function}: init {}", Sorted::new(starts).words());
        let handled = metric(world, log, "sidetone_handling_milliseconds").await;
        println!("figure: {function}: handling {}", Sorted::new(handled).words());
    }
}

async fn audio(world: &World) {
    let door = "door-always";
    let process = world.at.processes[door];
    let url = world.stack().always_door.as_deref().expect("it runs");
    let target = world.at.genesys.target(url).expect("an address");
    let callers = Callers::find(&world.at.processes);
    let (before, begun) = (Requests::count(&world.at.run).expect("a log"), processor_time(process));
    let reports = play(world, &target).await;
    let used = processor_time(process) - begun;
    let after = Requests::count(&world.at.run).expect("a log");
    let frames: u64 = reports.iter().map(|report| report.frames_sent).sum();
    let hours = f64::from(SESSIONS) * CALL.as_secs_f64() / 3_600.0;
    println!(
        "figure: ALB door, {SESSIONS} sessions through Kinesis: {:.0} frames a second, \
         {:.2} CPU-seconds a session-hour",
        frames as f64 / CALL.as_secs_f64(),
        used.as_secs_f64() / hours,
    );
    let mut asked = after.since(&before, &callers);
    asked.retain(|(caller, _), _| caller == door || caller.contains("recorder"));
    print_requests("ALB door", &asked);
}

async fn text(world: &World) {
    let before = Requests::count(&world.at.run).expect("a log");
    play(world, &world.api_target()).await;
    let callers = Callers::find(&world.at.processes);
    let after = Requests::count(&world.at.run).expect("a log");
    let mut asked = after.since(&before, &callers);
    asked.retain(|(caller, _), _| !caller.starts_with("door"));
    print_requests("API Gateway door", &asked);
}

#[test]
fn figures() {
    deployed(async |world| {
        for (name, door) in [("API Gateway", &*world.stack().api_door), ("ALB", world.audio_url())]
        {
            let waits = openings(world, door).await;
            let first = waits[0];
            let words = Sorted::new(waits[1..].to_vec()).words();
            println!("figure: {name} door: open to opened {words}; the first {first:.1} ms");
        }
        audio(world).await;
        text(world).await;
        sizes_and_durations(world).await;
    });
}
