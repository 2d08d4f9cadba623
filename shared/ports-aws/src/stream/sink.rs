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
use aws_sdk_kinesis::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_kinesis::types::PutRecordsResultEntry;
use aws_smithy_types::body::SdkBody;
use sidetone_ports::{PutOutcome, RecordSink, SinkError, StreamRecord};

use crate::connect::timeouts;
use crate::failure::AwsFailure;
use crate::stream::body;

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
    #[error("the stream answered for {got} records")]
    Answers { got: usize },
}

impl KinesisSink {
    pub(crate) fn new(config: &SdkConfig, stream: String) -> Self {
        let config = Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(ATTEMPT_TIMEOUT, ATTEMPT_TIMEOUT))
            // It gives a stream that stands still 20 s; an attempt ends before.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
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
        let body = body::put_records(&self.stream, &records);
        drop(records);
        // The SDK does all the rest: it signs, sends and reads the body that it finds.
        let put = self.client.put_records().stream_name(&self.stream).set_records(Some(Vec::new()));
        let put = put.customize().mutate_request(move |request| {
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body.clone());
        });
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

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};
    use sidetone_ports::chain;
    use sidetone_testkit::fresh_conversation;

    use super::*;
    use crate::testing::{Answer, Asked, Fake};

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
        let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(body["StreamName"], "calls");
        assert_eq!(body["Records"].as_array().map(Vec::len), Some(4));
    }

    /// Returns the signature that a request should have: version 4, the secret "test".
    fn signature(asked: &Asked, authorization: &str) -> String {
        let (_, scope) = authorization.split_once("Credential=test/").unwrap();
        let (scope, rest) = scope.split_once(", SignedHeaders=").unwrap();
        let (names, _) = rest.split_once(", ").unwrap();
        let headers: String = names
            .split(';')
            .map(|name| format!("{name}:{}\n", asked.header(name).unwrap()))
            .collect();
        let digest = |text: &str| hex(&Sha256::digest(text));
        let request = format!("POST\n/\n\n{headers}\n{names}\n{}", digest(&asked.body));
        let date = asked.header("x-amz-date").unwrap();
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", digest(&request));
        let key = scope.split('/').fold(b"AWS4test".to_vec(), |key, part| mac(&key, part));
        hex(&mac(&key, &text))
    }

    fn mac(key: &[u8], text: &str) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[tokio::test]
    async fn signature_covers_the_body_that_is_sent() {
        let fake = Fake::start(|_, _| Answer::Done(r#"{"Records": [{}]}"#.into())).await;
        let sink = KinesisSink::new(&fake.config, "calls".into());
        sink.put(records(1, 3_253)).await.unwrap();
        let asked = &fake.asked()[0];
        let authorization = asked.header("authorization").unwrap();
        let (_, sent) = authorization.split_once("Signature=").unwrap();
        assert_eq!(sent, signature(asked, authorization));
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
