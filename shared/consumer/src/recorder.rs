//! The recorder: a stereo WAV and a JSON sidecar for every session.
//!
//! It keeps every stream record of a session as a part and, once the session's end is among
//! them, assembles the recording from the parts. Nothing it knows between two batches has to
//! survive: whatever runs next finds parts and sidecars and goes on from there, in one
//! long-lived process or in a Lambda.
//!
//! Records may come in any order and more than once. A session whose records are all there is
//! finished for good, and its parts go. Where numbers are missing, or a door died and somebody
//! else said so, the recording is written with what there is and its parts stay for an hour:
//! what comes within it is put in by assembling again. What comes later still, to a
//! recording whose parts are gone, is kept as a part and counted in the sidecar; a recording
//! is only ever replaced by one that holds everything the old one did.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use sidetone_delivery_wire::Body;
use sidetone_model::{ConversationKey, OrganizationId, SessionId, Timestamp};
use sidetone_ports::{
    Checkpoints, Clock, Delivered, RecordSource, RecordingStore, Sequence, StoreError,
};
use tokio::task::{JoinError, JoinSet};

use crate::assembly::{StoredParts, index_parts, write_wav};
use crate::error::ConsumerError;
use crate::follow::RETRY_WAIT;
use crate::index::{Coverage, Index};
use crate::listen::by_session;
use crate::record::{Record, SessionKey};
use crate::sidecar::{Sidecar, cause_name, recording_name};
use crate::subscription::BadRecords;

/// The name under which the recorder's progress is kept.
pub const RECORDER_NAME: &str = "recorder";

/// How long the parts of an incomplete recording stay after the session's end.
///
/// A door that was taken for dead and was not finds its way back within minutes.
const LATE_MAX: Duration = Duration::from_secs(3_600);

/// How often the recorder looks after what it finished incomplete.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Stream records in one batch.
const READ_MAX: usize = 1_000;

/// Parts put at the same time: a store that is far away answers each in some milliseconds,
/// and one that is near writes what waits in one go.
const PUTS_MAX: usize = 64;

/// How long a read waits if there is nothing; real time.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Sessions whose state is remembered to spare a look into the store.
const KNOWN_MAX: usize = 20_000;

/// Turns the stream into recordings.
#[derive(Debug)]
pub struct Recorder<R> {
    recordings: R,
    scratch: PathBuf,
    known: BTreeMap<(SessionId, ConversationKey), Known>,
    bad: BadRecords,
}

/// What the store holds of a session. Only ever a shortcut: before anything is written, the
/// sidecar is read again.
#[derive(Debug, Clone)]
enum Known {
    /// No recording yet.
    Running,
    /// There is a recording.
    Recorded(Recorded),
    /// Under its name lies something that is not its recording.
    Refused,
}

#[derive(Debug, Clone)]
struct Recorded {
    /// The records it holds.
    holds: Coverage,
    /// These, and the ones kept as parts since.
    seen: Coverage,
    complete: bool,
    ended_at: Option<Timestamp>,
    /// Whether its parts were looked through since this process began.
    settled: bool,
}

/// Records of one session from one stream record, not seen before.
struct Fresh<'a> {
    key: SessionKey,
    session: SessionId,
    delivered: &'a Delivered,
    records: Vec<Record>,
}

impl<R: RecordingStore> Recorder<R> {
    /// Prepares a recorder that writes its files in the folder `scratch` before they are moved
    /// into `recordings`.
    ///
    /// The folder is the recorder's own; it should be on the store's disk, if that has one.
    pub fn new(recordings: R, scratch: PathBuf) -> Self {
        Self { recordings, scratch, known: BTreeMap::new(), bad: BadRecords::default() }
    }

    /// Records everything that comes until `shutdown` resolves.
    ///
    /// Faults are logged and tried again: the stream keeps what the recorder has not finished.
    pub async fn run<S: RecordSource, C: Checkpoints>(
        mut self,
        source: S,
        checkpoints: C,
        clock: Clock,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let mut shutdown = pin!(shutdown);
        let mut after = None;
        let mut tidy_at = clock.now();
        let mut failed = false;
        loop {
            let round = async {
                let from = match after {
                    Some(after) => after,
                    None => checkpoints.checkpoint(RECORDER_NAME).await?,
                };
                after = Some(from);
                Ok::<_, ConsumerError>(source.read(from, READ_MAX, READ_WAIT).await?)
            };
            let read = tokio::select! {
                biased;
                () = &mut shutdown => return,
                read = round => read,
            };
            let outcome = match read {
                Ok(batch) => {
                    let oldest = batch.first().map_or(clock.now(), |one| one.committed_at);
                    metrics::gauge!("sidetone_recorder_lag_seconds")
                        .set(clock.now().since(oldest).as_secs_f64());
                    self.finish_batch(&batch, &checkpoints).await
                }
                Err(error) => Err(error),
            };
            let outcome = match outcome {
                Ok(last) => {
                    after = last.or(after);
                    if clock.now() >= tidy_at {
                        tidy_at = clock.now() + TIDY_EVERY;
                        self.tidy(clock.now()).await
                    } else {
                        Ok(())
                    }
                }
                Err(error) => Err(error),
            };
            let Err(error) = outcome else {
                failed = false;
                continue;
            };
            if !failed {
                tracing::error!(error = &error as &dyn std::error::Error, "the recorder waits");
            }
            failed = true;
            metrics::counter!("sidetone_recorder_faults_total").increment(1);
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = clock.sleep(RETRY_WAIT) => {}
            }
        }
    }

    /// Records a batch: keeps what belongs to running sessions, finishes those that ended.
    ///
    /// May be given the same batch again, or another that overlaps it.
    /// Errors: [`ConsumerError`] if a store failed; the batch is to be given again.
    pub async fn handle_batch(&mut self, batch: &[Delivered]) -> Result<(), ConsumerError> {
        let mut fresh = Vec::new();
        let mut to_settle = BTreeSet::new();
        for delivered in batch {
            for (key, records) in by_session(self.bad.decode_or_set_aside(delivered)) {
                // A conversation without a session has nothing to record.
                let Some(session) = key.session else { continue };
                if self.is_known(key, session, &records).await? {
                    // The process may have died before it removed the parts.
                    to_settle.extend(has_end(&records).then_some((session, key)));
                } else {
                    fresh.push(Fresh { key, session, delivered, records });
                }
            }
        }
        self.put_parts(&fresh).await?;
        // Only now: what is not stored must not be taken for known.
        for Fresh { key, session, records, .. } in fresh {
            to_settle.extend(self.note(key, session, &records).then_some((session, key)));
        }
        for (session, key) in to_settle {
            self.settle(key, session).await?;
        }
        Ok(())
    }

    /// Looks after recordings that are not complete: puts in what came late, and lets go of
    /// the parts of those that ended more than an hour ago.
    ///
    /// To be called now and then, once a minute in a long-lived process.
    pub async fn tidy(&mut self, now: Timestamp) -> Result<(), ConsumerError> {
        for session in self.recordings.sessions_with_parts().await? {
            for key in self.keys_of(session).await? {
                let Known::Recorded(recorded) = self.known(key, session).await? else { continue };
                let due = recorded.ended_at.is_some_and(|ended| ended + LATE_MAX <= now);
                if due || !recorded.settled || !recorded.holds.covers(&recorded.seen) {
                    let all_recorded = self.settle(key, session).await?;
                    if due && all_recorded {
                        self.recordings.remove_parts(session).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn finish_batch(
        &mut self,
        batch: &[Delivered],
        checkpoints: &impl Checkpoints,
    ) -> Result<Option<Sequence>, ConsumerError> {
        let Some(last) = batch.iter().map(|delivered| delivered.sequence).max() else {
            return Ok(None);
        };
        self.handle_batch(batch).await?;
        checkpoints.save_checkpoint(RECORDER_NAME, last).await?;
        Ok(Some(last))
    }

    /// Returns whether all of some records are in a recording, or kept for it.
    async fn is_known(
        &mut self,
        key: SessionKey,
        session: SessionId,
        records: &[Record],
    ) -> Result<bool, ConsumerError> {
        let Known::Recorded(recorded) = self.known(key, session).await? else { return Ok(false) };
        let is_known = records.iter().all(|record| recorded.seen.contains(record));
        if is_known {
            metrics::counter!("sidetone_recorder_repeated_records_total")
                .increment(records.len() as u64);
        }
        Ok(is_known)
    }

    /// Keeps parts, several at a time.
    async fn put_parts(&self, fresh: &[Fresh<'_>]) -> Result<(), ConsumerError> {
        let mut putting = JoinSet::new();
        for part in fresh {
            if putting.len() == PUTS_MAX {
                finished_put(putting.join_next().await)?;
            }
            let recordings = self.recordings.clone();
            let (session, sequence) = (part.session, part.delivered.sequence);
            let data = part.delivered.record.data.clone();
            putting.spawn(async move { recordings.put_part(session, sequence, data).await });
        }
        while let Some(put) = putting.join_next().await {
            finished_put(Some(put))?;
        }
        metrics::counter!("sidetone_recorder_parts_total").increment(fresh.len() as u64);
        Ok(())
    }

    /// Notes that records are kept; returns whether their session's recording is due.
    fn note(&mut self, key: SessionKey, session: SessionId, records: &[Record]) -> bool {
        let Some(Known::Recorded(recorded)) = self.known.get_mut(&(session, key.key)) else {
            return has_end(records);
        };
        let had_holes = recorded.seen.has_holes();
        records.iter().for_each(|record| recorded.seen.insert(record));
        // The last missing record completes the recording. What else comes late waits for
        // `tidy`, so that a door that was taken for dead does not have its whole call
        // assembled again with each batch.
        let is_filled = had_holes && !recorded.seen.has_holes();
        has_end(records) || is_filled || recorded.complete
    }

    /// Brings the recording of a session in line with its parts, if its end is among them.
    ///
    /// Returns whether the recording holds everything that the parts do.
    async fn settle(&mut self, key: SessionKey, session: SessionId) -> Result<bool, ConsumerError> {
        let sequences = self.recordings.part_sequences(session).await?;
        let parts = StoredParts { recordings: &self.recordings, session };
        let index = index_parts(key, session, &sequences, &parts).await?;
        let old = match self.stored_sidecar(key, session).await? {
            Stored::None => None,
            Stored::Sidecar(sidecar) => Some(*sidecar),
            Stored::Refused => {
                self.know(key, session, Known::Refused);
                return Ok(false);
            }
        };
        if index.is_empty() || (old.is_none() && !index.has_end()) {
            self.know(key, session, old.as_ref().map_or(Known::Running, Known::settled));
            return Ok(false);
        }
        let (has_others, there) = (index.has_others, index.coverage());
        let sidecar = match old {
            Some(old) if !there.covers(&old.coverage()) => {
                self.count_late(old, session, &there).await?
            }
            Some(old) if old.coverage().covers(&there) => old,
            old => self.write(index, session, old.as_ref()).await?,
        };
        let all_recorded = !has_others && sidecar.coverage().covers(&there);
        let mut known = Known::settled(&sidecar);
        if let Known::Recorded(recorded) = &mut known {
            recorded.seen.extend(there);
        }
        self.know(key, session, known);
        if sidecar.complete && all_recorded {
            self.recordings.remove_parts(session).await?;
        }
        Ok(all_recorded)
    }

    /// Writes a recording, WAV before sidecar: where there is a sidecar, its WAV is there.
    async fn write(
        &self,
        index: Index,
        session: SessionId,
        old: Option<&Sidecar>,
    ) -> Result<Sidecar, ConsumerError> {
        let plan = index.plan();
        let mut sidecar = Sidecar::new(&plan, session);
        // A WAV that turned out to be nobody's is replaced by an empty one.
        if sidecar.wav.is_none() {
            sidecar.wav = old.and_then(|old| old.wav.clone());
        }
        let failed = |source| ConsumerError::Write { session, source };
        self.make_scratch().await.map_err(failed)?;
        if let Some(name) = &sidecar.wav {
            let path = self.scratch.join(name);
            let parts = StoredParts { recordings: &self.recordings, session };
            write_wav(&plan, session, &parts, &path).await?;
            self.recordings.put_recording(name, path).await?;
        }
        let place = self.put_sidecar(&sidecar, session).await?;
        let cause = plan.view.end().map_or("unknown", |end| cause_name(end.ended.cause()));
        metrics::counter!("sidetone_recorder_recordings_total", "cause" => cause).increment(1);
        tracing::info!(
            organization = %sidecar.organization,
            conversation = %sidecar.conversation,
            %session,
            cause,
            seconds = sidecar.end_ms.unwrap_or(0).saturating_sub(sidecar.start_ms.unwrap_or(0))
                / 1_000,
            stretches = sidecar.agents.len(),
            gaps = sidecar.gaps.len(),
            complete = sidecar.complete,
            place,
            "recording finished"
        );
        Ok(sidecar)
    }

    /// Says in a sidecar how many records came too late for its recording.
    async fn count_late(
        &self,
        mut sidecar: Sidecar,
        session: SessionId,
        there: &Coverage,
    ) -> Result<Sidecar, ConsumerError> {
        let late = there.beyond(&sidecar.coverage());
        if late > sidecar.late_records {
            metrics::counter!("sidetone_recorder_late_records_total")
                .increment(late - sidecar.late_records);
            tracing::warn!(
                conversation = %sidecar.conversation,
                %session,
                late,
                "records came too late for their recording and are kept as parts"
            );
            sidecar.late_records = late;
            self.put_sidecar(&sidecar, session).await?;
        }
        Ok(sidecar)
    }

    async fn put_sidecar(
        &self,
        sidecar: &Sidecar,
        session: SessionId,
    ) -> Result<String, ConsumerError> {
        let failed = |source| ConsumerError::Write { session, source };
        let name = format!("{}.json", recording_name(sidecar.conversation, session));
        let path = self.scratch.join(&name);
        let mut text = serde_json::to_vec_pretty(sidecar)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        text.push(b'\n');
        self.make_scratch().await.map_err(failed)?;
        tokio::fs::write(&path, text).await.map_err(failed)?;
        Ok(self.recordings.put_recording(&name, path).await?)
    }

    /// Makes the folder for files on their way; what people said is for nobody else to read.
    async fn make_scratch(&self) -> std::io::Result<()> {
        let mut folder = tokio::fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&self.scratch).await
    }

    /// Returns what is known of a session, from memory or from the store.
    async fn known(&mut self, key: SessionKey, session: SessionId) -> Result<Known, ConsumerError> {
        if let Some(known) = self.known.get(&(session, key.key)) {
            return Ok(known.clone());
        }
        let known = match self.stored_sidecar(key, session).await? {
            Stored::None => Known::Running,
            Stored::Sidecar(sidecar) => Known::recorded(&sidecar),
            Stored::Refused => Known::Refused,
        };
        self.know(key, session, known.clone());
        Ok(known)
    }

    fn know(&mut self, key: SessionKey, session: SessionId, known: Known) {
        if self.known.len() >= KNOWN_MAX {
            // All of it can be found again in the store.
            self.known.clear();
        }
        self.known.insert((session, key.key), known);
    }

    async fn stored_sidecar(
        &self,
        key: SessionKey,
        session: SessionId,
    ) -> Result<Stored, ConsumerError> {
        let name = format!("{}.json", recording_name(key.key.conversation, session));
        let Some(text) = self.recordings.recording(&name).await? else { return Ok(Stored::None) };
        let sidecar: Result<Sidecar, _> = serde_json::from_slice(&text);
        match sidecar {
            Ok(sidecar) if sidecar.key() == key.key && sidecar.session == session => {
                Ok(Stored::Sidecar(Box::new(sidecar)))
            }
            Ok(_) => {
                tracing::error!(name, "a file in the way is the sidecar of another recording");
                Ok(Stored::Refused)
            }
            Err(error) => {
                let error = StoreError::Unreadable { what: name, source: error.into() };
                tracing::error!(error = &error as &dyn std::error::Error, "a file is in the way");
                Ok(Stored::Refused)
            }
        }
    }

    /// Returns the conversations that have parts of a session: one, as a rule.
    async fn keys_of(&self, session: SessionId) -> Result<Vec<SessionKey>, ConsumerError> {
        let first = ConversationKey {
            organization: OrganizationId::new(uuid::Uuid::nil()),
            conversation: sidetone_model::ConversationId::new(uuid::Uuid::nil()),
        };
        let known: Vec<SessionKey> = self
            .known
            .range((session, first)..)
            .take_while(|((one, _), _)| *one == session)
            .map(|((_, key), _)| SessionKey { key: *key, session: Some(session) })
            .collect();
        if !known.is_empty() {
            return Ok(known);
        }
        // Nothing of it came since this process began; its oldest part tells.
        let sequences = self.recordings.part_sequences(session).await?;
        let Some(&oldest) = sequences.first() else { return Ok(known) };
        let Some(data) = self.recordings.part(session, oldest).await? else { return Ok(known) };
        let records = crate::record::decode_part(oldest, Timestamp::default(), data);
        let keys = by_session(records.unwrap_or_default()).into_keys();
        Ok(keys.filter(|key| key.session == Some(session)).collect())
    }
}

fn has_end(records: &[Record]) -> bool {
    records.iter().any(|record| matches!(record.body, Some(Body::SessionEnded(_))))
}

type PutOutcome = Result<Result<(), StoreError>, JoinError>;

fn finished_put(put: Option<PutOutcome>) -> Result<(), StoreError> {
    match put {
        None => Ok(()),
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => Err(StoreError::unavailable("put a part", error)),
    }
}

enum Stored {
    None,
    Sidecar(Box<Sidecar>),
    Refused,
}

impl Known {
    fn recorded(sidecar: &Sidecar) -> Self {
        let holds = sidecar.coverage();
        let ended_at = sidecar.end.as_ref().and_then(|end| end.at.parse().ok());
        Self::Recorded(Recorded {
            seen: holds.clone(),
            holds,
            complete: sidecar.complete,
            ended_at,
            settled: false,
        })
    }

    fn settled(sidecar: &Sidecar) -> Self {
        match Self::recorded(sidecar) {
            Self::Recorded(recorded) => Self::Recorded(Recorded { settled: true, ..recorded }),
            known @ (Self::Running | Self::Refused) => known,
        }
    }
}

#[cfg(test)]
mod tests;
