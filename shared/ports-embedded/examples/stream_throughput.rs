//! Measures what the durable stream costs: puts and bytes per second flat out, then processor
//! time under the steady load of a full process, with and without a consumer that follows.
//!
//! `cargo run --release -p sidetone-ports-embedded --example stream_throughput [DIRECTORY]`
//! (default: the current directory; a file system in memory flatters).
//!
//! Source: processor time comes from `/proc/self/stat`, so this runs on Linux alone.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sidetone_model::ConversationId;
use sidetone_ports::{Clock, PutOutcome, RecordSink, RecordSource, StreamRecord};
use sidetone_ports_embedded::Stream;
use uuid::Uuid;

type Failure = Box<dyn Error + Send + Sync>;

/// Bytes of one frame: 200 ms of two channels.
const FRAME_BYTES: usize = 3_200;
/// Frames of one session in one hour.
const FRAMES_PER_HOUR: f64 = 18_000.0;
/// What `/proc/self/stat` counts in; fixed for programs on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// How many frames the run at full speed writes.
const FLAT_OUT_FRAMES: usize = 300_000;
/// Sessions of the steady run, how often they are put, and for how long.
const SESSIONS: usize = 3_000;
const STEADY_PUT_EVERY: Duration = Duration::from_millis(100);
const STEADY_SECONDS: usize = 15;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let parent = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let directory = tempfile::tempdir_in(parent)?;
    println!("flat out, {FLAT_OUT_FRAMES} frames of {FRAME_BYTES} bytes");
    for batch in [10, 100, 200, 300, 500] {
        for writers in [1, 4] {
            flat_out(directory.path(), batch, writers).await?;
        }
    }
    println!("steady, {SESSIONS} sessions of 5 frames a second, {STEADY_SECONDS} s");
    for readers in [0, 1] {
        steady(directory.path(), readers).await?;
    }
    Ok(())
}

async fn flat_out(directory: &Path, batch: usize, writers: usize) -> Result<(), Failure> {
    let stream = Stream::open(&directory.join("flat.db"), Clock::system())?;
    let puts = FLAT_OUT_FRAMES.min(batch * 2_000) / batch / writers;
    let (before, started) = (processor_seconds()?, Instant::now());
    let mut tasks = Vec::new();
    for _ in 0..writers {
        let (stream, records) = (stream.clone(), frames(batch));
        tasks.push(tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            for _ in 0..puts {
                let started = Instant::now();
                put(&stream, records.clone()).await?;
                slowest = slowest.max(started.elapsed());
            }
            Ok::<_, Failure>(slowest)
        }));
    }
    let mut slowest = Duration::ZERO;
    for task in tasks {
        slowest = slowest.max(task.await??);
    }
    let (took, used) = (started.elapsed().as_secs_f64(), processor_seconds()? - before);
    let puts = (puts * writers) as f64;
    let frames = puts * batch as f64;
    println!(
        "  {batch:3} records a put, {writers} at once: {:6.0} puts/s, {:4.0} MB/s, slowest put \
         {:3} ms, {:.3} CPU-s per session-hour",
        puts / took,
        frames * FRAME_BYTES as f64 / took / 1e6,
        slowest.as_millis(),
        used / frames * FRAMES_PER_HOUR,
    );
    drop(stream);
    remove(directory, "flat.db")
}

async fn steady(directory: &Path, readers: usize) -> Result<(), Failure> {
    let stream = Stream::open(&directory.join("steady.db"), Clock::system())?;
    let frames_per_put = SESSIONS * 5 / 10;
    let total = frames_per_put * 10 * STEADY_SECONDS;
    let followers: Vec<_> =
        (0..readers).map(|_| tokio::spawn(follow(stream.clone(), total))).collect();
    let (before, started) = (processor_seconds()?, tokio::time::Instant::now());
    let mut waits = Vec::new();
    for round in 0..(10 * STEADY_SECONDS as u32) {
        tokio::time::sleep_until(started + STEADY_PUT_EVERY * round).await;
        let round_started = Instant::now();
        let mut puts = Vec::new();
        for _ in 0..frames_per_put / 500 {
            let (stream, records) = (stream.clone(), frames(500));
            puts.push(tokio::spawn(async move { put(&stream, records).await }));
        }
        for one in puts {
            one.await??;
        }
        waits.push(round_started.elapsed());
    }
    for follower in followers {
        follower.await??;
    }
    let used = processor_seconds()? - before;
    waits.sort_unstable();
    println!(
        "  {readers} consumers: put p50 {} ms, p99 {} ms, slowest {} ms, {:.3} CPU-s per \
         session-hour",
        waits[waits.len() / 2].as_millis(),
        waits[waits.len() * 99 / 100].as_millis(),
        waits[waits.len() - 1].as_millis(),
        used / total as f64 * FRAMES_PER_HOUR,
    );
    drop(stream);
    remove(directory, "steady.db")
}

async fn follow(stream: Stream, total: usize) -> Result<(), Failure> {
    let (mut last, mut bytes) = (0, 0);
    while bytes < total * FRAME_BYTES {
        for one in stream.read(last, 1_000, Duration::from_secs(5)).await? {
            last = one.sequence;
            bytes += one.record.data.len();
        }
    }
    Ok(())
}

async fn put(stream: &Stream, records: Vec<StreamRecord>) -> Result<(), Failure> {
    let outcomes = stream.put(records).await?;
    if outcomes.iter().all(|outcome| matches!(outcome, PutOutcome::Committed(_))) {
        return Ok(());
    }
    Err("the stream throttled, which this load does not allow for".into())
}

fn frames(count: usize) -> Vec<StreamRecord> {
    let record = |number: usize| StreamRecord {
        partition_key: ConversationId::new(Uuid::new_v4()),
        data: Bytes::from(vec![number as u8; FRAME_BYTES]),
    };
    (0..count).map(record).collect()
}

/// Returns the processor time of this process, in the kernel and out of it.
fn processor_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is the name, in parentheses, and may hold anything.
    let fields = stat.rsplit_once(") ").ok_or("/proc/self/stat has no name")?.1;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
    let ticks: u32 = ticks.sum::<Result<u32, _>>()?;
    Ok(f64::from(ticks) / TICKS_PER_SECOND)
}

fn remove(directory: &Path, name: &str) -> Result<(), Failure> {
    for suffix in ["", "-wal", "-shm"] {
        let path = directory.join(format!("{name}{suffix}"));
        if path.exists() {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}
