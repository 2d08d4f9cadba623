//! The stream and its consumers' checkpoints: order, redelivery, limits.

use std::time::Duration;

use bytes::Bytes;
use sidetone_model::ConversationId;
use sidetone_ports::{
    Checkpoints, Delivered, PutOutcome, RecordSink, RecordSource, Sequence, StreamRecord,
};

use super::{RACERS, done};
use crate::fresh::{fresh_conversation, fresh_text};

const NO_WAIT: Duration = Duration::ZERO;
const WAIT: Duration = Duration::from_millis(500);
/// How often a reader looks for its records before the suite gives up.
const READS_MAX: usize = 200;

/// Checks a [`RecordSink`] and the [`RecordSource`] at its other end, which know a record's place
/// by the same number. Panics where they fall short.
pub async fn stream<S: RecordSink + RecordSource>(stream: S) {
    a_put_tells_where_its_records_lie(&stream).await;
    stream_counted_by_its_reader(stream).await;
}

/// Checks a [`RecordSink`] and the [`RecordSource`] at its other end, where each counts for
/// itself. Panics where they fall short.
pub async fn stream_counted_by_its_reader<S: RecordSink + RecordSource>(stream: S) {
    what_is_put_is_read_in_order(&stream).await;
    reading_again_delivers_the_same(&stream).await;
    a_read_keeps_to_its_limit(&stream).await;
    concurrent_puts_are_all_there_in_their_own_order(&stream).await;
    a_put_over_the_limits_leaves_nothing(&stream).await;
    the_largest_put_is_taken(&stream).await;
    a_reader_waits_and_gets_what_comes(&stream).await;
}

/// Checks [`Checkpoints`]. Panics where they fall short.
pub async fn checkpoints<S: Checkpoints>(store: S) {
    let (recorder, coach) = (fresh_text("recorder"), fresh_text("coach"));
    let at = async |consumer: &str| done("reading a checkpoint", store.checkpoint(consumer).await);
    let save = async |consumer: &str, sequence| {
        done("saving a checkpoint", store.save_checkpoint(consumer, sequence).await);
    };
    assert_eq!(at(&recorder).await, 0, "a consumer starts at the beginning");
    save(&recorder, 7).await;
    assert_eq!(at(&recorder).await, 7, "a checkpoint must be there once it is saved");
    assert_eq!(at(&coach).await, 0, "each consumer has its own");
    save(&recorder, 3).await;
    assert_eq!(at(&recorder).await, 7, "a checkpoint must never go back");
    save(&recorder, 7).await;
    save(&recorder, 8).await;
    save(&coach, 2).await;
    assert_eq!((at(&recorder).await, at(&coach).await), (8, 2), "and goes on from there");
}

fn record(key: ConversationId, data: impl Into<Bytes>) -> StreamRecord {
    StreamRecord { partition_key: key, data: data.into() }
}

async fn put<S: RecordSink>(stream: &S, records: Vec<StreamRecord>) -> Vec<Sequence> {
    let count = records.len();
    let outcomes = match stream.put(records).await {
        Ok(outcomes) => outcomes,
        Err(error) => panic!("a put must be answered, got: {error} ({error:?})"),
    };
    assert_eq!(outcomes.len(), count, "each record must have its outcome");
    let committed = outcomes.into_iter().map(|outcome| match outcome {
        PutOutcome::Committed(sequence) => sequence,
        PutOutcome::Throttled | PutOutcome::Failed => {
            panic!("a record of a small put must be committed, got {outcome:?}")
        }
    });
    committed.collect()
}

async fn read<S: RecordSource>(
    stream: &S,
    after: Sequence,
    limit: usize,
    wait: Duration,
) -> Vec<Delivered> {
    let delivered = match stream.read(after, limit, wait).await {
        Ok(delivered) => delivered,
        Err(error) => panic!("a read must be answered, got: {error} ({error:?})"),
    };
    assert!(delivered.len() <= limit, "a read must keep to its limit of {limit}");
    let mut last = after;
    for one in &delivered {
        assert!(one.sequence > last, "sequences must grow, got {} after {last}", one.sequence);
        last = one.sequence;
    }
    delivered
}

async fn tip<S: RecordSource>(stream: &S) -> Sequence {
    match stream.tip().await {
        Ok(tip) => tip,
        Err(error) => panic!("the tip must be known, got: {error} ({error:?})"),
    }
}

/// Reads on until `count` records of the given conversations came.
async fn read_of<S: RecordSource>(
    stream: &S,
    after: Sequence,
    keys: &[ConversationId],
    count: usize,
) -> Vec<Delivered> {
    let mut found = Vec::new();
    let mut last = after;
    for _ in 0..READS_MAX {
        for one in read(stream, last, 100, WAIT).await {
            last = one.sequence;
            if keys.contains(&one.record.partition_key) {
                found.push(one);
            }
        }
        if found.len() >= count {
            return found;
        }
    }
    panic!("{count} records must come, only {} did", found.len());
}

async fn a_put_tells_where_its_records_lie<S: RecordSink + RecordSource>(stream: &S) {
    let (key, start) = (fresh_conversation(), tip(stream).await);
    let mut sequences = put(stream, vec![record(key, &b"one"[..]), record(key, &b"two"[..])]).await;
    sequences.extend(put(stream, vec![record(key, &b"three"[..])]).await);
    let found = read_of(stream, start, &[key], 3).await;
    let told: Vec<_> = found.iter().map(|one| one.sequence).collect();
    assert_eq!(told, sequences, "a record must lie where its put was told");
    let last = sequences.last().copied().unwrap_or_default();
    assert!(tip(stream).await >= last, "the tip must not be behind what was committed");
}

async fn what_is_put_is_read_in_order<S: RecordSink + RecordSource>(stream: &S) {
    let (one, two, start) = (fresh_conversation(), fresh_conversation(), tip(stream).await);
    assert!(put(stream, Vec::new()).await.is_empty(), "an empty put has no outcomes");
    for round in 0..5u8 {
        let records = vec![record(one, vec![1, round]), record(two, vec![2, round, 0, 255])];
        put(stream, records).await;
    }
    let committed = tip(stream).await;
    let found = read_of(stream, start, &[one, two], 10).await;
    assert_eq!(found.len(), 10, "each record must come once");
    for (key, first) in [(one, vec![1]), (two, vec![2])] {
        let own = found.iter().filter(|one| one.record.partition_key == key);
        let rounds: Vec<_> = own.map(|one| (one.record.data[0], one.record.data[1])).collect();
        let expected: Vec<_> = (0..5).map(|round| (first[0], round)).collect();
        assert_eq!(rounds, expected, "records of a conversation must stay in order");
    }
    let last = found.last().map(|one| one.sequence).unwrap_or_default();
    assert!(committed >= last, "the tip must not be behind what was committed");
}

async fn reading_again_delivers_the_same<S: RecordSink + RecordSource>(stream: &S) {
    let (key, start) = (fresh_conversation(), tip(stream).await);
    for round in 0..3u8 {
        put(stream, vec![record(key, vec![round])]).await;
    }
    let first = read_of(stream, start, &[key], 3).await;
    let again = read_of(stream, start, &[key], 3).await;
    assert_eq!(first, again, "who reads from the same place must get the same");
    let on = read_of(stream, first[0].sequence, &[key], 2).await;
    assert_eq!(on, first[1..], "who reads on must get what follows");
}

async fn a_read_keeps_to_its_limit<S: RecordSink + RecordSource>(stream: &S) {
    let start = tip(stream).await;
    let keys: Vec<_> = (0..11).map(|_| fresh_conversation()).collect();
    put(stream, keys.iter().map(|key| record(*key, &b"one of many"[..])).collect()).await;
    let (mut last, mut found) = (start, Vec::new());
    for _ in 0..READS_MAX {
        for one in read(stream, last, 3, WAIT).await {
            last = one.sequence;
            found.extend(Some(one.record.partition_key).filter(|key| keys.contains(key)));
        }
        if found.len() >= keys.len() {
            break;
        }
    }
    found.sort_unstable();
    let mut expected = keys;
    expected.sort_unstable();
    assert_eq!(found, expected, "reading by threes must miss nothing");
}

async fn concurrent_puts_are_all_there_in_their_own_order<S>(stream: &S)
where
    S: RecordSink + RecordSource,
{
    let start = tip(stream).await;
    let keys: Vec<_> = (0..RACERS).map(|_| fresh_conversation()).collect();
    let mut writers = Vec::new();
    for key in keys.clone() {
        let stream = stream.clone();
        writers.push(tokio::spawn(async move {
            for number in 0..10u8 {
                put(&stream, vec![record(key, vec![number; 700])]).await;
            }
        }));
    }
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    let found = read_of(stream, start, &keys, RACERS * 10).await;
    assert_eq!(found.len(), RACERS * 10, "each record must come once");
    for key in keys {
        let own = found.iter().filter(|one| one.record.partition_key == key);
        let numbers: Vec<_> = own.map(|one| one.record.data[0]).collect();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "in the order in which they were put");
    }
}

async fn a_put_over_the_limits_leaves_nothing<S: RecordSink + RecordSource>(stream: &S) {
    let (key, start) = (fresh_conversation(), tip(stream).await);
    let large = Bytes::from(vec![0; StreamRecord::DATA_BYTES_MAX + 1]);
    let many = vec![record(key, &b"x"[..]); StreamRecord::PUT_RECORDS_MAX + 1];
    let most = Bytes::from(vec![0; StreamRecord::DATA_BYTES_MAX]);
    let pieces = StreamRecord::PUT_BYTES_MAX / most.len() + 1;
    for (records, limit) in [
        (vec![record(key, &b"x"[..]), record(key, large)], "a record's bytes"),
        (many, "a put's records"),
        (vec![record(key, most); pieces], "a put's bytes"),
    ] {
        let count = records.len();
        match stream.put(records).await {
            Err(error) => assert_eq!(error.records, count, "the error must say how many"),
            Ok(_) => panic!("a put over the limit of {limit} must be refused whole"),
        }
    }
    let marker = fresh_conversation();
    put(stream, vec![record(marker, &b"marker"[..])]).await;
    let found = read_of(stream, start, &[key, marker], 1).await;
    assert_eq!(found.len(), 1, "what was refused must not be in the stream");
    assert_eq!(found[0].record.partition_key, marker, "what was refused must not be there");
}

async fn the_largest_put_is_taken<S: RecordSink + RecordSource>(stream: &S) {
    let (key, start) = (fresh_conversation(), tip(stream).await);
    let most = Bytes::from(vec![0x5a; StreamRecord::DATA_BYTES_MAX]);
    let pieces = StreamRecord::PUT_BYTES_MAX / most.len();
    let rest = StreamRecord::PUT_BYTES_MAX - pieces * most.len();
    let mut records = vec![record(key, most.clone()); pieces];
    records.push(record(key, most.slice(..rest)));
    put(stream, records).await;
    let found = read_of(stream, start, &[key], pieces + 1).await;
    let total: usize = found.iter().map(|one| one.record.data.len()).sum();
    assert_eq!(total, StreamRecord::PUT_BYTES_MAX, "the largest put must come back whole");
    assert!(
        found.iter().all(|one| one.record.data.iter().all(|byte| *byte == 0x5a)),
        "bytes must come back as they were"
    );
}

async fn a_reader_waits_and_gets_what_comes<S: RecordSink + RecordSource>(stream: &S) {
    let (key, start) = (fresh_conversation(), tip(stream).await);
    assert!(read(stream, start, 10, NO_WAIT).await.is_empty(), "nothing follows the tip");
    let reader = tokio::spawn({
        let stream = stream.clone();
        async move { read_of(&stream, start, &[key], 1).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    put(stream, vec![record(key, &b"awaited"[..])]).await;
    let found = reader.await.expect("the reader does not panic");
    assert_eq!(found[0].record, record(key, &b"awaited"[..]), "who waits gets what comes");
}
