//! What the function is called with, and what it answers.
//!
//! Source: "Using Lambda to process records from Amazon Kinesis Data Streams" in AWS's
//! developer guide; EventBridge Scheduler passes on whatever the schedule says.

use serde::{Deserialize, Serialize};

/// What a call of the function is about.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    /// A batch of the stream, in the order of its shard.
    #[serde(rename = "Records")]
    records: Option<Vec<StreamEntry>>,
    #[serde(default)]
    tidy: bool,
    /// What EventBridge says if the schedule says nothing.
    #[serde(rename = "detail-type", default)]
    detail_type: Option<String>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    /// Record a batch.
    Record(Vec<StreamEntry>),
    /// Look after what is not finished.
    Tidy,
}

/// A record of the stream.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamEntry {
    /// What the stream says of it.
    pub(crate) kinesis: Kinesis,
    /// Shard and sequence number.
    #[serde(rename = "eventID", default)]
    pub(crate) id: String,
}

/// The stream's own part of an entry.
#[derive(Debug, Deserialize)]
pub(crate) struct Kinesis {
    /// Its place in the shard: up to 128 bits in decimal digits.
    #[serde(rename = "sequenceNumber")]
    pub(crate) sequence_number: String,
    /// The data in base64.
    pub(crate) data: String,
    /// When the stream took it, in seconds.
    #[serde(rename = "approximateArrivalTimestamp", default)]
    pub(crate) arrived_at: f64,
}

/// Where the batch is to be given again from; nowhere if it is empty.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    #[serde(rename = "batchItemFailures")]
    failures: Vec<Failure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Failure {
    #[serde(rename = "itemIdentifier")]
    sequence_number: String,
}

impl Event {
    /// Says what is to be done; nothing if the event is none of ours.
    pub(crate) fn task(self) -> Option<Task> {
        match self.records {
            Some(records) => Some(Task::Record(records)),
            None => (self.tidy || self.detail_type.as_deref() == Some("Scheduled Event"))
                .then_some(Task::Tidy),
        }
    }
}

impl Answer {
    /// The lowest number counts: everything before it is done.
    pub(crate) fn from(sequence_number: Option<String>) -> Self {
        let failures = sequence_number.map(|sequence_number| Failure { sequence_number });
        Self { failures: failures.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(text: &str) -> Option<Task> {
        let event: Event = serde_json::from_str(text).unwrap();
        event.task()
    }

    #[test]
    fn a_batch_is_read_as_lambda_sends_it() {
        let Some(Task::Record(records)) = task(include_str!("../events/batch.json")) else {
            panic!("not a batch")
        };
        let number = "49590338271490256608559692538361571095921575989136588898";
        assert_eq!(records[0].kinesis.sequence_number, number);
        assert_eq!(records[0].kinesis.arrived_at, 1_795_327_200.987);
        assert!(records[0].id.starts_with("shardId-000000000006:"));
        assert_eq!(records.len(), 2);
    }

    #[test]
    fn a_schedule_means_to_tidy_up() {
        for text in [include_str!("../events/tidy.json"), include_str!("../events/scheduled.json")]
        {
            assert!(matches!(task(text), Some(Task::Tidy)), "{text}");
        }
        for text in ["{}", r#"{"tidy": false}"#, r#"{"detail-type": "Something Else"}"#] {
            assert!(task(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_answer_names_where_to_begin_again() {
        let text = |answer| serde_json::to_string(&answer).unwrap();
        assert_eq!(text(Answer::from(None)), r#"{"batchItemFailures":[]}"#);
        let answer = text(Answer::from(Some("495".into())));
        assert_eq!(answer, r#"{"batchItemFailures":[{"itemIdentifier":"495"}]}"#);
    }
}
