//! Batches as Lambda sends them, over stores in memory.

use serde_json::{Value, json};
use sidetone_consumer::{Sidecar, recording_name};
use sidetone_delivery_wire::{
    Audio, AudioFormat, Body, EndCause, Heading, MediaChannel, SessionEnded, SessionStarted, encode,
};
use sidetone_model::{ConnectionId, ConversationKey, SessionId};
use sidetone_ports::{Claim, Clock, LeaseStore as _};
use sidetone_ports_embedded::{Recordings, Store};

use super::*;

/// Frames of 100 ms in the scripted call.
const FRAMES: u64 = 10;

struct Bench {
    handler: Handler<Recordings, Store>,
    recordings: Recordings,
    leases: Store,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recordings =
            Recordings::open(&folder.path().join("parts"), &folder.path().join("recordings"))
                .unwrap();
        let leases = Store::in_memory().unwrap();
        let scratch = folder.path().join("scratch");
        let handler = Handler::new(recordings.clone(), leases.clone(), scratch);
        Self { handler, recordings, leases, folder }
    }

    async fn handle(&self, event: Value, left: Duration) -> Result<Value, HandlerError> {
        let event = serde_json::from_value(event).unwrap();
        let clock = Clock::system();
        let request_id = "8f507cfc-0d5d-4d3e-9d8a-1a6ff4a0a0a1".into();
        let invocation = Invocation { request_id, clock, deadline: clock.now() + left };
        let answer = self.handler.handle(event, invocation).await?;
        Ok(serde_json::to_value(answer).unwrap())
    }

    async fn take(&self, entries: &[Value]) -> Value {
        self.handle(json!({"Records": entries}), Duration::from_secs(60)).await.unwrap()
    }

    async fn sidecar(&self) -> Option<Sidecar> {
        let name = recording_name(key(), session());
        let text = self.recordings.recording(&format!("{name}.json")).await.unwrap();
        text.map(|text| serde_json::from_slice(&text).unwrap())
    }
}

fn key() -> ConversationKey {
    ConversationKey {
        organization: "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap(),
        conversation: "c0ffee12-3456-4789-8abc-def012345678".parse().unwrap(),
    }
}

fn session() -> SessionId {
    "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071".parse().unwrap()
}

fn number(place: u64) -> String {
    format!("4959033827149025660855969253836157109592157598913{place:07}")
}

fn entry(place: u64, data: &[u8]) -> Value {
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key().conversation.to_string(),
            "sequenceNumber": number(place),
            "data": STANDARD.encode(data),
            "approximateArrivalTimestamp": 1_795_327_200.987,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": format!("shardId-000000000006:{}", number(place)),
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/recorder",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/sidetone",
    })
}

/// A call on a connection as API Gateway names it, in three stream records.
fn call() -> Vec<Vec<u8>> {
    let heading = Heading::new(key(), Some(session()), &ConnectionId::new("L0SM9c/FoAMC+g="));
    let started = Body::SessionStarted(SessionStarted {
        format: AudioFormat::Pcmu.into(),
        rate: 8_000,
        channels: vec![MediaChannel::External.into(), MediaChannel::Internal.into()],
        listen: "always".into(),
        ..SessionStarted::default()
    });
    let audio = (0..FRAMES).map(|frame| {
        let data = vec![0x55; 1_600].into();
        Body::Audio(Audio { position: frame * 800, samples: 800, data, ..Audio::default() })
    });
    let ended = Body::SessionEnded(SessionEnded {
        cause: EndCause::Closed.into(),
        position: FRAMES * 800,
        ..SessionEnded::default()
    });
    let bodies: Vec<Body> = std::iter::once(started).chain(audio).chain([ended]).collect();
    let now = Clock::system().now();
    let records: Vec<(u64, Timestamp, Body)> =
        (1..).zip(bodies).map(|(number, body)| (number, now, body)).collect();
    let encoded = |some: &[(u64, Timestamp, Body)]| encode(&heading, some.iter().cloned()).to_vec();
    records.chunks(4).map(encoded).collect()
}

fn entries(parts: &[Vec<u8>]) -> Vec<Value> {
    (1..).zip(parts).map(|(place, data)| entry(place, data)).collect()
}

fn nothing_failed() -> Value {
    json!({"batchItemFailures": []})
}

fn failed_from(place: u64) -> Value {
    json!({"batchItemFailures": [{"itemIdentifier": number(place)}]})
}

#[tokio::test]
async fn a_batch_with_a_whole_call_is_a_recording() {
    let bench = Bench::new();
    assert_eq!(bench.take(&entries(&call())).await, nothing_failed());
    let sidecar = bench.sidecar().await.unwrap();
    assert!(sidecar.complete);
    assert_eq!(sidecar.end_position, Some(FRAMES * 800));
    assert!(bench.recordings.sessions_with_parts().await.unwrap().is_empty());
    // Lambda may deliver it again.
    assert_eq!(bench.take(&entries(&call())).await, nothing_failed());
    assert!(bench.recordings.sessions_with_parts().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_lambda_sends_is_a_recording() {
    let bench = Bench::new();
    let event = serde_json::from_str(include_str!("../../events/batch.json")).unwrap();
    let answer = bench.handle(event, Duration::from_secs(60)).await.unwrap();
    assert_eq!(answer, nothing_failed());
    assert!(bench.sidecar().await.unwrap().complete);
}

#[tokio::test]
async fn poison_is_named_and_keeps_nothing_back() {
    for poison in ["/////w==", "not base64!"] {
        let bench = Bench::new();
        let mut entries = entries(&call());
        let mut bad = entry(9, &[]);
        bad["kinesis"]["data"] = poison.into();
        entries.insert(1, bad.clone());
        assert_eq!(bench.take(&entries).await, failed_from(9), "{poison}");
        assert!(bench.sidecar().await.unwrap().complete);
        // As Lambda gives it again, from there on.
        assert_eq!(bench.take(&entries[1..]).await, failed_from(9));
        assert_eq!(bench.take(&entries[2..]).await, nothing_failed());
    }
}

#[tokio::test]
async fn without_time_the_rest_is_given_again() {
    let bench = Bench::new();
    let entries = entries(&call());
    let event = json!({"Records": entries});
    assert_ne!(bench.handle(event, Duration::ZERO).await.unwrap(), nothing_failed());
    assert_eq!(bench.sidecar().await, None);
    assert_eq!(bench.take(&entries).await, nothing_failed());
    assert!(bench.sidecar().await.unwrap().complete);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_somebody_else_is_at_is_finished_by_the_schedule() {
    let bench = Bench::new();
    let lease = format!("recording#{}_{}", key().organization, session());
    let life = Duration::from_secs(30);
    let claim = bench.leases.acquire(&lease, "another", life, None).await.unwrap();
    let Claim::Granted(fence) = claim else { panic!("it is free") };
    let renewing = tokio::spawn({
        let (leases, lease) = (bench.leases.clone(), lease.clone());
        async move {
            loop {
                tokio::time::sleep(Duration::from_secs(8)).await;
                leases.renew(&lease, "another", fence, life, false).await.unwrap();
            }
        }
    });
    assert_eq!(bench.take(&entries(&call())).await, nothing_failed());
    let tidy = || bench.handle(json!({"tidy": true}), Duration::from_secs(60));
    assert_eq!(tidy().await.unwrap(), nothing_failed());
    assert_eq!(bench.sidecar().await, None);
    renewing.abort();
    bench.leases.release(&lease, "another", fence).await.unwrap();
    assert_eq!(tidy().await.unwrap(), nothing_failed());
    assert!(bench.sidecar().await.unwrap().complete);
    assert!(bench.recordings.sessions_with_parts().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_does_not_answer_fails_the_batch_and_not_the_function() {
    let bench = Bench::new();
    let entries = entries(&call());
    // The folder of the recordings is gone, and a file is in its place.
    let place = bench.folder.path().join("recordings");
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, b"").unwrap();
    assert_eq!(bench.take(&entries).await, failed_from(1));
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    assert_eq!(bench.take(&entries).await, nothing_failed());
    assert!(bench.sidecar().await.unwrap().complete);
}

#[tokio::test]
async fn an_event_of_another_kind_is_an_error() {
    let bench = Bench::new();
    let answer = bench.handle(json!({"Event": "s3:TestEvent"}), Duration::from_secs(60)).await;
    assert!(answer.is_err());
}
