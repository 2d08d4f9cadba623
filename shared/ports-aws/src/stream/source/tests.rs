//! What no local AWS does: shards that end, throttles, iterators that expire.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sidetone_testkit::fresh_conversation;

use super::*;
use crate::testing::{Answer, Asked, Fake};

/// A stream in memory: shard `a` is split into `b` and `c`, which are merged into `d`; each holds
/// its name and a number, and has ended but the last.
struct FakeStream {
    key: String,
    throttles: AtomicUsize,
    expiries: AtomicUsize,
}

impl FakeStream {
    fn new(throttles: usize, expiries: usize) -> Self {
        Self {
            key: fresh_conversation().to_string(),
            throttles: AtomicUsize::new(throttles),
            expiries: AtomicUsize::new(expiries),
        }
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match asked.operation.as_str() {
            // The second page is asked for by token alone.
            "ListShards" if body["NextToken"].is_null() => Answer::Done(
                json!({"Shards": [
                    shard("d", Some("b"), Some("c"), false),
                    shard("c", Some("a"), None, true),
                ], "NextToken": "more"})
                .to_string(),
            ),
            "ListShards" if body["StreamName"].is_null() => Answer::Done(
                json!({"Shards": [
                    shard("b", Some("a"), None, true),
                    shard("a", None, None, true),
                ]})
                .to_string(),
            ),
            "GetShardIterator" => {
                let after = match text("ShardIteratorType").as_str() {
                    "AFTER_SEQUENCE_NUMBER" => text("StartingSequenceNumber"),
                    "LATEST" => "2".to_owned(),
                    _ => "0".to_owned(),
                };
                let iterator = format!("{} {after}", text("ShardId"));
                Answer::Done(json!({"ShardIterator": iterator}).to_string())
            }
            "GetRecords" => self.records(&text("ShardIterator")),
            other => panic!("nobody asks for {other}"),
        }
    }

    fn records(&self, iterator: &str) -> Answer {
        let take = |left: &AtomicUsize| {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
        };
        if take(&self.throttles) {
            return Answer::Error(400, "ProvisionedThroughputExceededException");
        }
        let (shard, after) = iterator.split_once(' ').unwrap();
        let after: usize = after.parse().unwrap();
        if after == 1 && take(&self.expiries) {
            return Answer::Error(400, "ExpiredIteratorException");
        }
        if after == 2 {
            let next = (shard == "d").then(|| iterator.to_owned());
            let end = json!({"Records": [], "MillisBehindLatest": 0, "NextShardIterator": next});
            return Answer::Done(end.to_string());
        }
        use_one(shard, after + 1, &self.key)
    }
}

fn use_one(shard: &str, number: usize, key: &str) -> Answer {
    let data = aws_smithy_types::base64::encode(format!("{shard}{number}"));
    let one = json!({
        "SequenceNumber": number.to_string(),
        "ApproximateArrivalTimestamp": 1_795_000_000.5,
        "Data": data,
        "PartitionKey": key,
    });
    let next = format!("{shard} {number}");
    let answer = json!({
        "Records": [one],
        "MillisBehindLatest": 2 - number,
        "NextShardIterator": next,
    });
    Answer::Done(answer.to_string())
}

fn shard(id: &str, parent: Option<&str>, other: Option<&str>, ended: bool) -> Value {
    let end = ended.then_some("2");
    let mut shard = json!({
        "ShardId": id,
        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
        "SequenceNumberRange": {"StartingSequenceNumber": "0"},
    });
    for (name, value) in [("ParentShardId", parent), ("AdjacentParentShardId", other)] {
        if let Some(value) = value {
            shard[name] = json!(value);
        }
    }
    if let Some(end) = end {
        shard["SequenceNumberRange"]["EndingSequenceNumber"] = json!(end);
    }
    shard
}

async fn read_all(source: &KinesisSource, count: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), 0);
    while found.len() < count {
        let batch = source.read(after, 10, Duration::from_secs(20)).await.unwrap();
        assert!(!batch.is_empty(), "there is more after {found:?}");
        for one in batch {
            assert!(one.sequence > after);
            assert_eq!(one.committed_at, Timestamp::from_millis(1_795_000_000_500));
            after = one.sequence;
            found.push(String::from_utf8(one.record.data.to_vec()).unwrap());
        }
    }
    found
}

async fn source(stream: FakeStream, begin: Begin) -> (Fake, KinesisSource) {
    let fake = Fake::start(move |asked, _| stream.answer(asked)).await;
    let source = KinesisSource::new(&fake.config, "calls".into(), begin);
    (fake, source)
}

#[tokio::test]
async fn children_come_after_their_parents() {
    let (_fake, source) = source(FakeStream::new(0, 0), Begin::Horizon).await;
    let found = read_all(&source, 8).await;
    assert_eq!(found[..2], ["a1", "a2"]);
    let mut middle = found[2..6].to_vec();
    middle.sort_unstable();
    assert_eq!(middle, ["b1", "b2", "c1", "c2"]);
    assert_eq!(found[6..], ["d1", "d2"]);
    assert_eq!(source.tip().await.unwrap(), 8);
}

#[tokio::test]
async fn throttles_and_expired_iterators_lose_nothing() {
    let (_fake, source) = source(FakeStream::new(1, 2), Begin::Horizon).await;
    assert_eq!(read_all(&source, 8).await.len(), 8);
}

#[tokio::test]
async fn a_tip_passes_over_what_has_ended() {
    let (fake, source) = source(FakeStream::new(0, 0), Begin::Tip).await;
    assert_eq!(source.tip().await.unwrap(), 0);
    assert!(source.read(0, 10, Duration::ZERO).await.unwrap().is_empty());
    let asked = fake.asked();
    assert!(asked.iter().all(|asked| !asked.body.contains("\"a\"")), "{asked:?}");
}

#[tokio::test]
async fn a_shard_is_not_asked_more_often_than_it_may_be() {
    let (fake, source) = source(FakeStream::new(0, 0), Begin::Tip).await;
    let began = std::time::Instant::now();
    let (one, two) = tokio::join!(
        source.read(0, 10, Duration::from_millis(1_200)),
        source.read(0, 10, Duration::from_millis(1_200)),
    );
    assert!(one.unwrap().is_empty() && two.unwrap().is_empty());
    let gets = fake.asked().iter().filter(|asked| asked.operation == "GetRecords").count();
    let most = began.elapsed().as_millis() / POLL_INTERVAL.as_millis() + 1;
    assert!(gets as u128 <= most, "{gets} gets are more than {most}");
}

#[tokio::test]
async fn a_fault_is_told_and_borne() {
    let fake = Fake::start(|_, _| Answer::Error(400, "AccessDeniedException")).await;
    let source = KinesisSource::new(&fake.config, "calls".into(), Begin::Tip);
    let error = source.read(0, 1, Duration::ZERO).await.unwrap_err();
    let error = sidetone_ports::chain(&error);
    assert!(error.contains("kinesis:ListShards answered AccessDeniedException"), "{error}");
}
