//! The stream's twins against the suite, and what only this twin promises.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sidetone_testkit::{conformance, fresh_conversation};
use tempfile::TempDir;

use super::*;

fn on_a_file() -> (TempDir, PathBuf, Stream) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream.db");
    let stream = Stream::open(&path, Clock::system()).unwrap();
    (directory, path, stream)
}

fn records(count: usize, data: &[u8]) -> Vec<StreamRecord> {
    let record = StreamRecord {
        partition_key: fresh_conversation(),
        data: bytes::Bytes::copy_from_slice(data),
    };
    vec![record; count]
}

fn committed(outcomes: Vec<PutOutcome>) -> Vec<Sequence> {
    let sequence = |outcome| match outcome {
        PutOutcome::Committed(sequence) => sequence,
        PutOutcome::Throttled | PutOutcome::Failed => panic!("not committed: {outcome:?}"),
    };
    outcomes.into_iter().map(sequence).collect()
}

async fn sequences(stream: &Stream, after: Sequence, limit: usize) -> Vec<Sequence> {
    let delivered = stream.read(after, limit, Duration::ZERO).await.unwrap();
    delivered.into_iter().map(|one| one.sequence).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_on_a_file() {
    let (_directory, _, stream) = on_a_file();
    conformance::stream(stream.clone()).await;
    conformance::checkpoints(stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_in_memory() {
    let stream = Stream::in_memory(Clock::system()).unwrap();
    conformance::stream(stream.clone()).await;
    conformance::checkpoints(stream).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_in_memory_while_the_clock_stands() {
    let stream = Stream::in_memory(Clock::system()).unwrap();
    conformance::stream(stream.clone()).await;
    conformance::checkpoints(stream).await;
}

#[tokio::test]
async fn a_read_returns_puts_whole_where_it_may() {
    let (_directory, path, writer) = on_a_file();
    for count in [4, 3, 5] {
        writer.put(records(count, b"x")).await.unwrap();
    }
    let stream = Stream::open_read_only(&path, Clock::system()).unwrap();
    assert_eq!(sequences(&stream, 0, 6).await, [1, 2, 3, 4], "the second put does not fit");
    assert_eq!(sequences(&stream, 0, 7).await, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(sequences(&stream, 0, 2).await, [1, 2], "the first put in pieces");
    assert_eq!(sequences(&stream, 2, 2).await, [3, 4]);
    assert_eq!(sequences(&stream, 3, 100).await, (4..=12).collect::<Vec<_>>());
    assert!(sequences(&stream, 12, 100).await.is_empty());
    assert!(sequences(&stream, Sequence::MAX, 100).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn records_are_dated_by_the_given_clock() {
    let clock = Clock::starting_at(Timestamp::from_millis(1_000), 10.0);
    let stream = Stream::in_memory(clock).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    stream.put(records(1, b"x")).await.unwrap();
    let delivered = stream.read(0, 1, Duration::ZERO).await.unwrap();
    assert_eq!(delivered[0].committed_at, Timestamp::from_millis(11_000));
}

#[tokio::test]
async fn puts_that_wait_are_committed_together() {
    let (_directory, path, stream) = on_a_file();
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = frames(&path);
    let puts: Vec<_> = (0..40)
        .map(|_| {
            let stream = stream.clone();
            tokio::spawn(async move { committed(stream.put(records(3, b"x")).await.unwrap()) })
        })
        .collect();
    // One thread runs every task up to its wait: all puts are handed over.
    tokio::time::sleep(Duration::from_millis(1)).await;
    blocker.execute_batch("ROLLBACK").unwrap();
    let mut all = Vec::new();
    for put in puts {
        let one = put.await.unwrap();
        assert_eq!(one, (one[0]..one[0] + 3).collect::<Vec<_>>(), "a put's records are adjacent");
        all.extend(one);
    }
    all.sort_unstable();
    assert_eq!(all, (1..=120).collect::<Vec<_>>());
    let pages = frames(&path) - before;
    assert!(pages <= 8, "40 puts one by one write 40 pages and more, these wrote {pages}");
}

/// Returns how many pages the log of a stream holds.
fn frames(path: &Path) -> u64 {
    let log = path.with_file_name("stream.db-wal").metadata().unwrap().len();
    log / (u64::from(SCHEMA.page_bytes) + 24)
}

#[tokio::test]
async fn a_full_queue_throttles_and_keeps_order() {
    let (_directory, path, stream) = on_a_file();
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let large = vec![0; 1_000_000];
    let puts: Vec<_> = (0..20)
        .map(|_| {
            let (stream, records) = (stream.clone(), records(4, &large));
            tokio::spawn(async move { stream.put(records).await.unwrap() })
        })
        .collect();
    // One thread runs every task up to its wait: all puts are handed over.
    tokio::time::sleep(Duration::from_millis(1)).await;
    blocker.execute_batch("ROLLBACK").unwrap();
    let mut throttled = 0;
    for put in puts {
        let outcomes = put.await.unwrap();
        throttled += usize::from(outcomes == [PutOutcome::Throttled; 4]);
    }
    assert!((1..20).contains(&throttled), "80 MB do not fit a queue of 32 MiB: {throttled}");
    let stored = 4 * (20 - throttled as Sequence);
    assert_eq!(stream.tip().await.unwrap(), stored, "what was throttled is not in the stream");
    committed(stream.put(records(1, b"x")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_reads_along() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream.db");
    let missing = Stream::open_read_only(&path, Clock::system()).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }));
    let writer = Stream::open(&path, Clock::system()).unwrap();
    let reader = Stream::open_read_only(&path, Clock::system()).unwrap();
    let read = tokio::spawn({
        let reader = reader.clone();
        async move { reader.read(0, 10, Duration::from_secs(3_600)).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    writer.put(records(2, b"x")).await.unwrap();
    // Long before the hour is over: a reader that only looked at its end would hang here.
    assert_eq!(read.await.unwrap().len(), 2);
    assert_eq!(reader.tip().await.unwrap(), 2);
    assert!(reader.put(records(1, b"x")).await.is_err());
    assert!(reader.save_checkpoint("tail", 1).await.is_err());
    assert_eq!(reader.checkpoint("tail").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_writes_is_read() {
    let (_directory, path, stream) = on_a_file();
    stream.put(records(2, b"x")).await.unwrap();
    drop(stream);
    let reader = Stream::open_read_only(&path, Clock::system()).unwrap();
    assert_eq!(sequences(&reader, 0, 10).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_follows_misses_nothing_of_two_processes() {
    let (_directory, path, stream) = on_a_file();
    let other = Stream::open(&path, Clock::system()).unwrap();
    let consumer = tokio::spawn({
        let stream = stream.clone();
        async move {
            let mut all = Vec::new();
            while all.len() < 300 {
                let after = all.last().copied().unwrap_or(0);
                let delivered = stream.read(after, 4, Duration::from_secs(5)).await.unwrap();
                all.extend(delivered.into_iter().map(|one| one.sequence));
            }
            all
        }
    });
    for round in 0..50 {
        let writers = if round % 3 == 0 { [&stream, &other] } else { [&stream, &stream] };
        for writer in writers {
            committed(writer.put(records(3, b"x")).await.unwrap());
        }
    }
    assert_eq!(consumer.await.unwrap(), (1..=300).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_trimmed_is_a_hole_and_sequences_go_on() {
    let clock = Clock::system();
    let stream = Stream::in_memory(clock).unwrap();
    assert_eq!(stream.trim(clock.now()).await.unwrap(), 0, "nothing is there to trim");
    for _ in 0..40 {
        stream.put(records(2, b"old")).await.unwrap();
    }
    let old = clock.now() + Duration::from_micros(1);
    while clock.now() <= old {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stream.put(records(2, b"new")).await.unwrap();
    assert_eq!(stream.trim(old).await.unwrap(), 40);
    assert_eq!(sequences(&stream, 0, 100).await, [81, 82]);
    assert_eq!(sequences(&stream, 7, 100).await, [81, 82], "who is behind sees a jump");
    let later = clock.now() + Duration::from_secs(1);
    stream.trim(later).await.unwrap();
    assert!(sequences(&stream, 0, 100).await.is_empty(), "the newest put goes too");
    assert_eq!(stream.tip().await.unwrap(), 82, "and its place stays");
    assert_eq!(committed(stream.put(records(1, b"next")).await.unwrap()), [83]);
    assert_eq!(sequences(&stream, 0, 100).await, [83]);
    for count in [16, 17, 33] {
        for _ in 0..count {
            stream.put(records(1, b"x")).await.unwrap();
        }
        let later = clock.now() + Duration::from_secs(1);
        stream.trim(later).await.unwrap();
        assert!(sequences(&stream, 0, 100).await.is_empty(), "all of {count} puts are gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing_that_was_committed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream.db");
    let mut expected = 0;
    for kill_after in [3, 40, 170] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stream::tests::puts_until_it_is_killed", "--ignored", "--nocapture"])
            .env("SIDETONE_TEST_STREAM", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.filter_map(|line| line.strip_prefix("committed ")?.parse().ok());
        let mut puts = 0;
        for last in told {
            expected = last;
            puts += 1;
            if puts == kill_after {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(puts >= kill_after, "the child must get that far");
        let stream = Stream::open(&path, Clock::system()).unwrap();
        let tip = stream.tip().await.unwrap();
        assert!(tip >= expected, "told {expected}, found {tip}");
        let mut next = 1;
        while next <= tip {
            for one in stream.read(next - 1, 500, Duration::ZERO).await.unwrap() {
                assert_eq!(one.sequence, next, "no hole");
                let fill = usize::from(one.record.data[0]);
                assert_eq!(one.record.data, vec![one.record.data[0]; fill * 100], "bytes whole");
                next += 1;
            }
        }
    }
}

/// The other half of the test above, run in a process of its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs until it is killed, for the test that kills it"]
async fn puts_until_it_is_killed() {
    let Ok(path) = std::env::var("SIDETONE_TEST_STREAM") else { return };
    let stream = Stream::open(Path::new(&path), Clock::system()).unwrap();
    for round in 0..100_000usize {
        let fill = round % 250 + 1;
        let put = records(7, &vec![fill as u8; fill * 100]);
        let last = committed(stream.put(put).await.unwrap())[6];
        println!("committed {last}");
    }
}
