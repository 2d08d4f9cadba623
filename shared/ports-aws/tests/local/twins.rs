//! The stream, secrets, recordings and stacks.

use std::time::Duration;

use aws_sdk_kinesis::types::StreamStatus;
use sidetone_model::{ConversationId, Timestamp};
use sidetone_ports::{
    Clock, Delivered, PutOutcome, RecordSink, RecordSource, SecretSource, Sequence, SinkError,
    SourceError, StoreError, StoredKey, StreamRecord,
};
use sidetone_ports_aws::{Begin, KinesisSink, KinesisSource, StackError};
use sidetone_testkit::{conformance, fresh_conversation, fresh_organization, fresh_text};

use crate::common::{aws, local};

/// Both ends of a stream.
#[derive(Debug, Clone)]
struct Ends {
    sink: KinesisSink,
    source: KinesisSource,
}

impl RecordSink for Ends {
    async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
        self.sink.put(records).await
    }
}

impl RecordSource for Ends {
    async fn read(
        &self,
        after: Sequence,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Delivered>, SourceError> {
        self.source.read(after, limit, wait).await
    }

    async fn tip(&self) -> Result<Sequence, SourceError> {
        self.source.tip().await
    }
}

/// Makes a stream of its own.
async fn stream(shards: i32) -> (aws_sdk_kinesis::Client, String) {
    let client = aws_sdk_kinesis::Client::new(&aws().await);
    let name = fresh_text("stream");
    client.create_stream().stream_name(&name).shard_count(shards).send().await.expect("made");
    for _ in 0..100 {
        let described = client.describe_stream_summary().stream_name(&name).send().await;
        let described = described.expect("described").stream_description_summary.expect("there");
        if *described.stream_status() == StreamStatus::Active {
            return (client, name);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the stream does not become active");
}

fn record(key: ConversationId, number: u8) -> StreamRecord {
    StreamRecord { partition_key: key, data: vec![number].into() }
}

async fn numbers(source: &KinesisSource, key: ConversationId, count: usize) -> Vec<u8> {
    let (mut found, mut after) = (Vec::new(), 0);
    for _ in 0..100 {
        let batch = source.read(after, 100, Duration::from_millis(500)).await.expect("read");
        after = batch.last().map_or(after, |last| last.sequence);
        let ours = batch.iter().filter(|one| one.record.partition_key == key);
        found.extend(ours.map(|one| one.record.data[0]));
        if found.len() >= count {
            return found;
        }
    }
    panic!("{count} records must come, got {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_conforms() {
    for begin in [Begin::Tip, Begin::Horizon] {
        let (_, name) = stream(3).await;
        let aws = local().await;
        let ends = Ends { sink: aws.sink(&name), source: aws.source(&name, begin) };
        conformance::stream_counted_by_its_reader(ends).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_begins_where_it_is_told() {
    let (_, name) = stream(1).await;
    let aws = local().await;
    let (sink, key) = (aws.sink(&name), fresh_conversation());
    sink.put(vec![record(key, 1)]).await.expect("put");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let between = Clock::system().now();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    sink.put(vec![record(key, 2)]).await.expect("put");
    let tip = aws.source(&name, Begin::Tip);
    assert_eq!(tip.tip().await.expect("known"), 0, "nothing was read before the tip");
    sink.put(vec![record(key, 3)]).await.expect("put");
    assert_eq!(numbers(&tip, key, 1).await, [3]);
    assert_eq!(numbers(&aws.source(&name, Begin::At(between)), key, 2).await, [2, 3]);
    assert_eq!(numbers(&aws.source(&name, Begin::Horizon), key, 3).await, [1, 2, 3]);
    let later = between + Duration::from_secs(3_600);
    let none = aws.source(&name, Begin::At(later)).read(0, 10, Duration::ZERO).await;
    assert!(none.expect("read").is_empty());
    assert_ne!(between, Timestamp::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_goes_on_when_a_shard_is_split() {
    let (client, name) = stream(1).await;
    let aws = local().await;
    let (sink, key) = (aws.sink(&name), fresh_conversation());
    let source = aws.source(&name, Begin::Horizon);
    sink.put(vec![record(key, 1)]).await.expect("put");
    assert_eq!(numbers(&source, key, 1).await, [1]);
    let shards = client.list_shards().stream_name(&name).send().await.expect("listed");
    let split = client
        .split_shard()
        .stream_name(&name)
        .shard_to_split(shards.shards()[0].shard_id())
        .new_starting_hash_key((u128::MAX / 2).to_string());
    split.send().await.expect("split");
    for number in 2..6 {
        let other = fresh_conversation();
        sink.put(vec![record(key, number), record(other, 0)]).await.expect("put");
    }
    assert_eq!(numbers(&source, key, 5).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_there_is_named() {
    let aws = local().await;
    let put = aws.sink("nowhere").put(vec![record(fresh_conversation(), 1)]).await;
    let error = sidetone_ports::chain(&put.expect_err("there is no such stream"));
    assert!(error.contains("kinesis:PutRecords answered ResourceNotFound"), "{error}");
    let read = aws.source("nowhere", Begin::Tip).tip().await;
    let error = sidetone_ports::chain(&read.expect_err("there is no such stream"));
    assert!(error.contains("kinesis:ListShards answered ResourceNotFound"), "{error}");
}

fn key(secret: &str) -> StoredKey {
    StoredKey {
        key_id: "the-key".into(),
        secrets: vec![secret.into()],
        organizations: vec![fresh_organization()],
        api_key_only: false,
    }
}

fn document(key: &StoredKey) -> String {
    serde_json::json!({ "keys": [key] }).to_string()
}

async fn secret(text: &str) -> (aws_sdk_secretsmanager::Client, String) {
    let client = aws_sdk_secretsmanager::Client::new(&aws().await);
    let made = client.create_secret().name(fresh_text("secret")).secret_string(text).send().await;
    (client, made.expect("made").arn.expect("named"))
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_conform() {
    let stored = key("c2VjcmV0");
    let (_, arn) = secret(&document(&stored)).await;
    let keys = local().await.keys(arn);
    conformance::secret_source(keys, stored).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secrets_of_organizations_conform() {
    let (_, keys) = secret(r#"{"keys":[]}"#).await;
    let (_, clients) = secret(r#"{"client_id":"","client_secret":""}"#).await;
    let secrets = local().await.secrets(keys, clients);
    conformance::organization_secrets(secrets).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_seen_at_once_and_both_secrets_are_good() {
    let first = key("b25l");
    let (client, arn) = secret(&document(&first)).await;
    let keys = local().await.keys(&arn);
    let known = keys.key("the-key").await.expect("read").expect("there");
    assert!(known == first);
    let second = StoredKey { secrets: vec!["dHdv".into()], ..first };
    let put = client.put_secret_value().secret_id(&arn).secret_string(document(&second));
    put.send().await.expect("rotated");
    let known = keys.key("the-key").await.expect("read").expect("there");
    assert_eq!(known.secrets, ["b25l"], "what was read is believed for a while");
    let (one, two) = tokio::join!(keys.fresh_key("the-key"), keys.fresh_key("the-key"));
    for found in [one, two, keys.key("the-key").await] {
        let found = found.expect("read").expect("there");
        assert_eq!(found.secrets, ["dHdv", "b25l"], "the current one stands first");
    }
    client.delete_secret().secret_id(&arn).send().await.expect("deleted");
    let gone = keys.fresh_key("the-key").await;
    assert!(matches!(gone, Err(StoreError::Unavailable { .. })), "no secret, no keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oauth_client_is_read() {
    let (_, arn) = secret(r#"{"client_id": "id", "client_secret": "hush"}"#).await;
    let client = local().await.genesys_secret(arn);
    let found = client.clients().await.expect("read").configured.expect("entered");
    assert_eq!((found.client_id.as_str(), found.client_secret.reveal()), ("id", "hush"));
    let nowhere = local().await.genesys_secret("nowhere").clients().await;
    assert!(matches!(nowhere, Err(StoreError::Unavailable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_conform() {
    let client = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&aws().await).force_path_style(true).build(),
    );
    let bucket = fresh_text("bucket");
    client.create_bucket().bucket(&bucket).send().await.expect("made");
    let directory = tempfile::tempdir().expect("a directory");
    let recordings = local().await.recordings(bucket);
    conformance::recording_store(recordings, directory.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_tells_its_outputs_or_what_is_missing() {
    let client = aws_sdk_cloudformation::Client::new(&aws().await);
    let name = fresh_text("stack");
    let template = r#"{
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"StreamName": {"Value": "calls"}, "AudioUri": {"Value": ""}}
    }"#;
    client.create_stack().stack_name(&name).template_body(template).send().await.expect("made");
    let aws = local().await;
    let mut outputs = aws.outputs(&name).await.expect("described");
    for _ in 0..50 {
        if outputs.optional("StreamName").is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        outputs = aws.outputs(&name).await.expect("described");
    }
    assert_eq!(outputs.output("StreamName").expect("there"), "calls");
    let missing = outputs.output("AudioUri").expect_err("an empty one is none").to_string();
    let expected = format!("stack {name} has no output AudioUri; is it a deployment of Sidetone?");
    assert_eq!(missing, expected);
    let nowhere = aws.outputs("nowhere").await;
    assert!(matches!(nowhere, Err(StackError::NoStack { .. })), "{nowhere:?}");
}
