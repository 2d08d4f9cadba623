//! One event, recorded.
//!
//! Whatever of a batch can be recorded is. The answer names the first record that was not: one
//! that cannot be read, one that the store did not take, one for which there was no time. Lambda
//! gives the batch again from there. What failed for a moment succeeds then; what can never be
//! read fails as often as the mapping allows and goes where it sends such records, alone of all
//! that was behind it, as that was recorded.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sidetone_consumer::{Recorder, Taken};
use sidetone_lambda_start::{HandlerError, Invocation};
use sidetone_model::Timestamp;
use sidetone_ports::{LeaseStore, RecordingStore, Sequence, chain};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::event::{Answer, Event, StreamEntry, Task};

/// What stays of an invocation's time for giving back turns and for the answer.
const RESERVE_MAX: Duration = Duration::from_secs(10);

/// Handles the function's events.
pub(crate) struct Handler<R, L> {
    recordings: R,
    leases: L,
    scratch: PathBuf,
    /// Kept from one batch to the next for what it knows of running sessions.
    recorder: Mutex<Recorder<R, L>>,
}

impl<R: RecordingStore, L: LeaseStore> Handler<R, L> {
    /// Prepares to handle events; `scratch` is for files on their way.
    pub(crate) fn new(recordings: R, leases: L, scratch: PathBuf) -> Self {
        let holder = format!("batches-{}", uuid::Uuid::new_v4());
        let recorder =
            Recorder::sharing(recordings.clone(), scratch.clone(), leases.clone(), &holder);
        Self { recordings, leases, scratch, recorder: Mutex::new(recorder) }
    }

    /// Handles one event.
    pub(crate) async fn handle(
        &self,
        event: Event,
        invocation: Invocation,
    ) -> Result<Answer, HandlerError> {
        match event.task() {
            Some(Task::Record(batch)) => Ok(self.record(batch, &invocation).await),
            Some(Task::Tidy) => self.tidy(&invocation).await,
            None => Err("the event is neither a batch of the stream nor a call to tidy up".into()),
        }
    }

    async fn record(&self, batch: Vec<StreamEntry>, invocation: &Invocation) -> Answer {
        note_lag(&batch, invocation.clock.now());
        let mut numbers = Vec::with_capacity(batch.len());
        let mut records: Vec<(Sequence, Bytes)> = Vec::with_capacity(batch.len());
        let mut unusable = None;
        for (place, entry) in (0..).zip(batch) {
            match STANDARD.decode(&entry.kinesis.data) {
                Ok(data) => records.push((place, data.into())),
                Err(error) => {
                    unusable.get_or_insert(place);
                    say_unusable(&entry.id, &error);
                }
            }
            numbers.push((entry.kinesis.sequence_number, entry.id));
        }
        let mut recorder = self.recorder.lock().await;
        recorder.finish_by(deadline(invocation));
        let Taken { unusable: unreadable, failed } = recorder.take(&records).await;
        let id = |place: Sequence| numbered(&numbers, place).map_or("", |(_, id)| id.as_str());
        for (place, error) in &unreadable {
            say_unusable(id(*place), error);
        }
        if let Some((place, error)) = &failed {
            metrics::counter!("sidetone_recorder_faults_total").increment(1);
            tracing::error!(
                record = id(*place),
                error = chain(error),
                "the batch is to be given again from here"
            );
        }
        let unreadable = unreadable.iter().map(|(place, _)| *place);
        let failed = failed.map(|(place, _)| place);
        let first = unreadable.chain(failed).chain(unusable).min();
        Answer::from(first.and_then(|place| numbered(&numbers, place)).map(|one| one.0.clone()))
    }

    /// Looks after everything that is not finished, knowing nothing but what the store says.
    async fn tidy(&self, invocation: &Invocation) -> Result<Answer, HandlerError> {
        let holder = format!("tidy-{}", invocation.request_id);
        let (recordings, leases) = (self.recordings.clone(), self.leases.clone());
        // One invocation at a time is in a process, but its folder is better its own.
        let scratch = self.scratch.join("tidy");
        let mut recorder = Recorder::sharing(recordings, scratch, leases, &holder);
        recorder.finish_by(deadline(invocation));
        recorder.tidy(invocation.clock.now()).await?;
        Ok(Answer::default())
    }
}

fn numbered(numbers: &[(String, String)], place: Sequence) -> Option<&(String, String)> {
    usize::try_from(place).ok().and_then(|place| numbers.get(place))
}

fn say_unusable(record: &str, error: &dyn std::error::Error) {
    metrics::counter!("sidetone_consumer_bad_records_total").increment(1);
    tracing::error!(record, error = chain(error), "a stream record cannot be used");
}

fn note_lag(batch: &[StreamEntry], now: Timestamp) {
    let Some(oldest) = batch.first() else { return };
    let seconds = now.as_millis() as f64 / 1_000.0 - oldest.kinesis.arrived_at;
    metrics::gauge!("sidetone_recorder_lag_seconds").set(seconds.max(0.0));
}

fn deadline(invocation: &Invocation) -> Instant {
    let left = invocation.remaining();
    Instant::now() + left.saturating_sub(RESERVE_MAX.min(left / 5))
}

#[cfg(test)]
mod tests;
