//! Records into a stream, by `PutRecords`.
//!
//! Refuses: repeating anything. A put without an answer is in doubt, and only the producer knows
//! what that means for its sessions; so the SDK makes one attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder;
use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use sidetone_ports::{PutOutcome, RecordSink, SinkError, StreamRecord};

use crate::connect::timeouts;
use crate::failure::AwsFailure;

/// Below the producer's own limit of 5 s, so that the SDK's reason reaches the log.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// The codes by which a record was refused because its shard is busy.
const THROTTLED: [&str; 2] = ["ProvisionedThroughputExceededException", "ThrottlingException"];

/// Puts records into a Kinesis stream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KinesisSink {
    client: Client,
    stream: String,
    committed: Arc<AtomicU64>,
}

/// Why a put never left.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("a put has at most {} records", StreamRecord::PUT_RECORDS_MAX)]
    Records,
    #[error("a put has at most {} bytes", StreamRecord::PUT_BYTES_MAX)]
    Bytes,
    #[error("a record has at most {} bytes", StreamRecord::DATA_BYTES_MAX)]
    RecordBytes,
    #[error("a record was not accepted by the SDK")]
    Entry(#[from] BuildError),
    #[error("the stream answered for {got} records")]
    Answers { got: usize },
}

impl KinesisSink {
    pub(crate) fn new(config: &SdkConfig, stream: String) -> Self {
        let config = Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(ATTEMPT_TIMEOUT, ATTEMPT_TIMEOUT))
            .build();
        Self { client: Client::from_conf(config), stream, committed: Arc::default() }
    }

    fn outcome(&self, entry: &PutRecordsResultEntry) -> PutOutcome {
        match entry.error_code() {
            None => {
                let before = self.committed.fetch_add(1, Ordering::Relaxed);
                PutOutcome::Committed(before + 1)
            }
            Some(code) if THROTTLED.contains(&code) => PutOutcome::Throttled,
            Some(code) => {
                tracing::warn!(code, "the stream failed to take a record");
                PutOutcome::Failed
            }
        }
    }
}

impl RecordSink for KinesisSink {
    async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
        let count = records.len();
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| SinkError { records: count, source };
        if count == 0 {
            return Ok(Vec::new());
        }
        check(&records).map_err(|refused| failed(refused.into()))?;
        let entries = records.into_iter().map(entry).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|error| failed(Refused::from(error).into()))?;
        let put = self.client.put_records().stream_name(&self.stream).set_records(Some(entries));
        let answer = put
            .send()
            .await
            .map_err(|error| failed(AwsFailure::new("kinesis:PutRecords", &error).into()))?;
        if answer.records().len() != count {
            return Err(failed(Refused::Answers { got: answer.records().len() }.into()));
        }
        Ok(answer.records().iter().map(|entry| self.outcome(entry)).collect())
    }
}

fn check(records: &[StreamRecord]) -> Result<(), Refused> {
    if records.len() > StreamRecord::PUT_RECORDS_MAX {
        return Err(Refused::Records);
    }
    if records.iter().any(|record| record.data.len() > StreamRecord::DATA_BYTES_MAX) {
        return Err(Refused::RecordBytes);
    }
    let bytes: usize = records.iter().map(|record| record.data.len()).sum();
    if bytes > StreamRecord::PUT_BYTES_MAX {
        return Err(Refused::Bytes);
    }
    Ok(())
}

fn entry(record: StreamRecord) -> Result<PutRecordsRequestEntry, BuildError> {
    PutRecordsRequestEntry::builder()
        .partition_key(record.partition_key.to_string())
        .data(Blob::new(record.data))
        .build()
}

#[cfg(test)]
mod tests {
    use sidetone_ports::chain;
    use sidetone_testkit::fresh_conversation;

    use super::*;
    use crate::testing::{Answer, Fake};

    fn records(count: usize, bytes: usize) -> Vec<StreamRecord> {
        let record =
            StreamRecord { partition_key: fresh_conversation(), data: vec![7; bytes].into() };
        vec![record; count]
    }

    #[tokio::test]
    async fn each_record_has_its_own_outcome() {
        let fake = Fake::start(|_, _| {
            Answer::Done(
                r#"{"FailedRecordCount": 2, "Records": [
                    {"SequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                     "ShardId": "shardId-000000000000"},
                    {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "x"},
                    {"ErrorCode": "InternalFailure", "ErrorMessage": "x"},
                    {"SequenceNumber": "49590338271490256608559692538361571095921575989136588899",
                     "ShardId": "shardId-000000000000"}
                ]}"#
                .into(),
            )
        })
        .await;
        let sink = KinesisSink::new(&fake.config, "calls".into());
        let outcomes = sink.put(records(4, 1)).await.unwrap();
        let expected = [
            PutOutcome::Committed(1),
            PutOutcome::Throttled,
            PutOutcome::Failed,
            PutOutcome::Committed(2),
        ];
        assert_eq!(outcomes, expected);
        let asked = &fake.asked()[0];
        assert_eq!(asked.operation, "PutRecords");
        assert!(asked.body.contains("\"StreamName\":\"calls\""), "{}", asked.body);
    }

    #[tokio::test]
    async fn a_put_that_failed_whole_is_in_doubt_and_not_repeated() {
        for answer in [
            Answer::Error(500, "InternalFailure"),
            Answer::Error(400, "AccessDeniedException"),
            Answer::Done(r#"{"Records": []}"#.into()),
            Answer::Done("[".into()),
        ] {
            let fake = Fake::start(move |_, _| answer.clone()).await;
            let sink = KinesisSink::new(&fake.config, "calls".into());
            let error = sink.put(records(3, 1)).await.unwrap_err();
            assert_eq!(error.records, 3);
            assert_eq!(fake.asked().len(), 1, "{}", chain(&error));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_that_is_never_answered_ends() {
        let fake = Fake::start(|_, _| Answer::Silence).await;
        let sink = KinesisSink::new(&fake.config, "calls".into());
        let began = tokio::time::Instant::now();
        assert!(sink.put(records(1, 1)).await.is_err());
        assert_eq!(began.elapsed().as_secs(), ATTEMPT_TIMEOUT.as_secs());
        assert_eq!(fake.asked().len(), 1);
    }

    #[tokio::test]
    async fn what_is_too_much_never_leaves() {
        let fake = Fake::start(|_, _| Answer::Silence).await;
        let sink = KinesisSink::new(&fake.config, "calls".into());
        for records in [
            records(StreamRecord::PUT_RECORDS_MAX + 1, 1),
            records(1, StreamRecord::DATA_BYTES_MAX + 1),
            records(6, StreamRecord::DATA_BYTES_MAX),
        ] {
            assert!(sink.put(records).await.is_err());
        }
        assert!(fake.asked().is_empty());
        assert_eq!(sink.put(Vec::new()).await.unwrap(), []);
    }
}
