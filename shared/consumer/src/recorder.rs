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
//! is only ever replaced by one that holds everything the old one did. A session of which
//! nothing came for a day is recorded without its end.
//!
//! Several recorders may work on one store: parts are named by what is in them, and a lease
//! for each session says who finishes it.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sidetone_delivery_wire::Body;
use sidetone_model::{ConversationId, ConversationKey, SessionId, Timestamp};
use sidetone_ports::{
    Checkpoints, Clock, Delivered, LeaseStore, Part, PartName, RecordSource, RecordedSession,
    RecordingStore, Sequence, chain,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::error::{ConsumerError, RecordError};
use crate::follow::RETRY_WAIT;
use crate::index::Coverage;
use crate::listen::by_session;
use crate::record::{Record, SessionKey, decode_part};
use crate::sidecar::Sidecar;
use crate::subscription::BadRecords;

use self::finish::{Finisher, Stored, stored_session, within};
pub use self::health::RecorderHealth;
use self::intake::{Arrival, Draft, drafts};
use self::queue::{Background, Id, Job};
pub use self::turn::Alone;
use self::turn::{Patience, Turns};

mod finish;
mod health;
mod intake;
mod queue;
mod tidy;
mod turn;

/// The name under which the recorder's progress is kept.
pub const RECORDER_NAME: &str = "recorder";

/// How long the parts of an incomplete recording stay after the session's end.
///
/// A door that was taken for dead and was not finds its way back within minutes.
const LATE_MAX: Duration = Duration::from_secs(3_600);

/// How long a session whose end never came is waited for since its last record.
///
/// A session may be paused for hours. But a stream keeps its records for a day, so what was
/// not seen by then comes no more.
const SILENT_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How often the recorder looks after what it finished incomplete.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Stream records in one batch.
const READ_MAX: usize = 8_000;

/// How often the stream is read: what a session sent meanwhile is one part. Real time.
const READ_EVERY: Duration = Duration::from_millis(500);

/// Recordings that a batch finishes at the same time.
const FINISH_MAX: usize = 8;

/// How long a read waits if there is nothing; real time.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Sessions whose state is remembered to spare a look into the store.
const KNOWN_MAX: usize = 20_000;

/// Turns the stream into recordings.
#[derive(Debug)]
pub struct Recorder<R, L = Alone> {
    finisher: Arc<Finisher<R, L>>,
    /// Where recordings are finished beside the reading.
    background: Option<Background>,
    known: BTreeMap<(SessionId, ConversationKey), Known>,
    bad: BadRecords,
    deadline: Option<Instant>,
    health: RecorderHealth,
    /// Every session's parts were looked at since this process began.
    has_tidied: bool,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Taken {
    /// Stream records that cannot be used, each with its reason.
    pub unusable: Vec<(Sequence, RecordError)>,
    /// From where on the batch is to be given again, and what went wrong there. Everything
    /// before it is kept or recorded; behind it, what could be kept is, and may come again.
    pub failed: Option<(Sequence, ConsumerError)>,
}

/// What the store holds of a session. Only ever a shortcut: before anything is written, the
/// sidecar is read again.
#[derive(Debug, Clone)]
enum Known {
    /// No recording yet.
    Running {
        /// When its newest record was made, as far as that is known.
        last_made_at: Timestamp,
    },
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
    /// How many records of the parts are known to have come too late.
    late_records: u64,
    /// Absent if the end never came.
    ended_at: Option<Timestamp>,
    /// Whether its parts were looked through since this process began.
    settled: bool,
}

impl<R: RecordingStore> Recorder<R> {
    /// Prepares a recorder that writes its files in the folder `scratch` before they are moved
    /// into `recordings`, and that is the only one of its store.
    ///
    /// The folder is the recorder's own; it should be on the store's disk, if that has one.
    pub fn new(recordings: R, scratch: PathBuf) -> Self {
        Self::sharing(recordings, scratch, Alone, "")
    }
}

impl<R: RecordingStore, L: LeaseStore> Recorder<R, L> {
    /// Prepares a recorder beside others on the same store, each with another `holder`.
    ///
    /// What a process that died left in the folder is removed.
    pub fn sharing(recordings: R, scratch: PathBuf, leases: L, holder: &str) -> Self {
        finish::clear(&scratch);
        let turns = Turns { leases, holder: holder.into(), clock: Clock::system() };
        Self {
            finisher: Arc::new(Finisher { recordings, turns, scratch }),
            background: None,
            known: BTreeMap::new(),
            bad: BadRecords::default(),
            deadline: None,
            health: RecorderHealth::default(),
            has_tidied: false,
        }
    }

    /// Returns how it does while [`Recorder::run`] runs.
    pub fn health(&self) -> RecorderHealth {
        self.health.clone()
    }

    /// Says by when to stop; what is not finished then counts as failed.
    pub fn finish_by(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// Records everything that comes until `shutdown` resolves.
    ///
    /// Recordings are finished beside the reading, each organization's in turn. Faults are logged
    /// and tried again: the stream keeps what was not read, and parts what was not finished.
    pub async fn run<S: RecordSource, C: Checkpoints>(
        mut self,
        source: S,
        checkpoints: C,
        clock: Clock,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let mut shutdown = pin!(shutdown);
        let mut after = None;
        let mut tidy_at = clock.steady();
        let mut tasks = JoinSet::new();
        let finisher = Arc::clone(&self.finisher);
        self.background = Some(Background::start(finisher, self.health.clone(), &mut tasks));
        loop {
            let next_read = Instant::now() + READ_EVERY;
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
            let mut is_behind = false;
            let outcome = match read {
                Ok(batch) => {
                    is_behind = batch.len() >= READ_MAX;
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
                    if clock.steady() >= tidy_at {
                        tidy_at = clock.steady() + TIDY_EVERY;
                        self.tidy(clock.now()).await
                    } else {
                        Ok(())
                    }
                }
                Err(error) => Err(error),
            };
            let error = outcome.as_ref().err();
            if self.health.note_reading(error.map(|error| error as _)) {
                tracing::error!(error = error.map(|error| chain(error)), "the recorder waits");
            }
            let wait_until = match error {
                Some(_) => {
                    metrics::counter!("sidetone_recorder_faults_total").increment(1);
                    Instant::now() + RETRY_WAIT
                }
                None if is_behind => continue,
                None => next_read,
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = sleep_until(wait_until) => {}
            }
        }
    }

    /// Records a batch: keeps what belongs to running sessions, finishes those that ended.
    ///
    /// May be given the same batch again, or another that overlaps it. Stream records that
    /// cannot be decoded are counted, logged and left out.
    /// Errors: [`ConsumerError`] if a store failed; the batch is to be given again.
    pub async fn handle_batch(&mut self, batch: &[Delivered]) -> Result<(), ConsumerError> {
        let batch: Vec<(Sequence, Bytes)> =
            batch.iter().map(|one| (one.sequence, one.record.data.clone())).collect();
        let taken = self.take(&batch).await;
        for (sequence, error) in &taken.unusable {
            self.bad.note(*sequence, error);
        }
        taken.failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Does the same with data by the caller's own count, and says what became of it.
    ///
    /// What can be used is used, whatever stands before it.
    pub async fn take(&mut self, batch: &[(Sequence, Bytes)]) -> Taken {
        self.learn_what_is_done();
        let mut taken = Taken::default();
        let mut to_settle = BTreeMap::new();
        let fresh = self.fresh(batch, &mut taken, &mut to_settle).await;
        let drafts = drafts(&fresh);
        let outcomes = self.put_parts(&drafts).await;
        let mut is_kept = vec![true; fresh.len()];
        for (draft, outcome) in drafts.iter().zip(outcomes) {
            let Err(error) = outcome else { continue };
            draft.arrivals.iter().for_each(|&one| is_kept[one] = false);
            let from = draft.arrivals.iter().map(|&one| fresh[one].sequence).min();
            taken.fail(from.unwrap_or_default(), error);
        }
        // Only now: what is not stored must not be taken for known.
        for (one, _) in fresh.iter().zip(is_kept).filter(|(_, is_kept)| *is_kept) {
            if self.note(one.key, one.session, &one.records) {
                to_settle.entry((one.session, one.key)).or_insert(one.sequence);
            }
        }
        self.finish_ended(to_settle, &mut taken).await;
        taken
    }

    /// Finishes the recordings of sessions that ended, several at a time, or has that done beside
    /// the reading.
    async fn finish_ended(&mut self, ended: BTreeMap<Id, Sequence>, taken: &mut Taken) {
        if let Some(background) = &mut self.background {
            ended.into_keys().for_each(|(session, key)| background.push(Job::ended(key, session)));
            return;
        }
        let (finisher, deadline) = (Arc::clone(&self.finisher), self.deadline);
        let finish = |((session, key), sequence): (Id, Sequence)| {
            let (job, finisher) = (Job::ended(key, session), &finisher);
            // Whatever comes of it, what was known before counts no more.
            self.known.remove(&(session, key.key));
            async move { (job.id(), sequence, finisher.finish(&job, deadline).await) }
        };
        let finishing: Vec<_> = ended.into_iter().map(finish).collect();
        let mut finishing = pin!(stream::iter(finishing).buffer_unordered(FINISH_MAX));
        while let Some(((session, key), sequence, outcome)) = finishing.next().await {
            match outcome {
                Ok(known) => self.know_of(key, session, known),
                Err(error) => taken.fail(sequence, error),
            }
        }
    }

    /// Takes over what is known of sessions whose recordings were finished meanwhile.
    fn learn_what_is_done(&mut self) {
        while let Some(((session, key), known)) =
            self.background.as_mut().and_then(Background::next_done)
        {
            self.know_of(key, session, known);
        }
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

    /// Takes a batch apart and leaves out what is in a recording already or kept for one;
    /// notes which sessions are to be looked at nevertheless.
    async fn fresh(
        &mut self,
        batch: &[(Sequence, Bytes)],
        taken: &mut Taken,
        to_settle: &mut BTreeMap<(SessionId, SessionKey), Sequence>,
    ) -> Vec<Arrival> {
        let mut fresh = Vec::new();
        for (sequence, data) in batch {
            let records = match decode_part(*sequence, Timestamp::default(), data.clone()) {
                Ok(records) => by_session(records),
                Err(error) => {
                    taken.unusable.push((*sequence, error));
                    continue;
                }
            };
            let whole = records.len() == 1;
            for (key, records) in records {
                // A conversation without a session has nothing to record.
                let Some(session) = key.session else { continue };
                match self.is_known(key, session, &records).await {
                    // The process may have died before it removed the parts.
                    Ok(true) if has_end(&records) => {
                        to_settle.entry((session, key)).or_insert(*sequence);
                    }
                    Ok(true) => {}
                    Ok(false) => {
                        let (sequence, data) = (*sequence, data.clone());
                        fresh.push(Arrival { key, session, sequence, data, whole, records });
                    }
                    Err(error) => taken.fail(*sequence, error),
                }
            }
        }
        fresh
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

    /// Keeps parts; answers one by one.
    async fn put_parts(&self, drafts: &[Draft]) -> Vec<Result<(), ConsumerError>> {
        if drafts.is_empty() {
            return Vec::new();
        }
        let part = |draft: &Draft| Part {
            session: stored_session(draft.key.key, draft.session),
            name: draft.name.clone(),
            data: draft.content(),
        };
        let putting = self.finisher.recordings.put_parts(drafts.iter().map(part).collect());
        let outcomes = match self.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, putting).await,
            None => Ok(putting.await),
        };
        let timed_out = |draft: &Draft| Err(ConsumerError::TimedOut { session: draft.session });
        let Ok(outcomes) = outcomes else { return drafts.iter().map(timed_out).collect() };
        let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        metrics::counter!("sidetone_recorder_parts_total").increment(kept as u64);
        outcomes.into_iter().map(|outcome| outcome.map_err(ConsumerError::from)).collect()
    }

    /// Notes that records are kept; returns whether their session's recording is due.
    fn note(&mut self, key: SessionKey, session: SessionId, records: &[Record]) -> bool {
        // It may be finished without these.
        let is_late = self.background.as_ref().is_some_and(|jobs| jobs.has((session, key)));
        let made_at = records.iter().map(|record| record.made_at).max().unwrap_or_default();
        let recorded = match self.known.get_mut(&(session, key.key)) {
            Some(Known::Recorded(recorded)) => recorded,
            Some(Known::Running { last_made_at }) => {
                *last_made_at = made_at.max(*last_made_at);
                return is_late || has_end(records);
            }
            Some(Known::Refused) | None => return is_late || has_end(records),
        };
        let had_holes = recorded.seen.has_holes();
        records.iter().for_each(|record| recorded.seen.insert(record));
        // The last missing record completes the recording. What else comes late waits for
        // `tidy`, so that a door that was taken for dead does not have its whole call
        // assembled again with each batch.
        let is_filled = had_holes && !recorded.seen.has_holes();
        is_late || has_end(records) || is_filled || recorded.complete
    }

    /// Returns what is known of a session, from memory or from the store.
    async fn known(&mut self, key: SessionKey, session: SessionId) -> Result<Known, ConsumerError> {
        if let Some(known) = self.known.get(&(session, key.key)) {
            return Ok(known.clone());
        }
        let looking = self.finisher.stored_sidecar(key, session);
        let known = match within(self.deadline, session, looking).await? {
            Stored::None => Known::running(Timestamp::default()),
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

    /// Takes over what came of finishing a recording; nothing if another recorder is at it.
    fn know_of(&mut self, key: SessionKey, session: SessionId, known: Option<Known>) {
        match known {
            Some(known) => self.know(key, session, known),
            None => _ = self.known.remove(&(session, key.key)),
        }
    }
}

impl Taken {
    /// Notes a failure; the earliest counts.
    fn fail(&mut self, sequence: Sequence, error: ConsumerError) {
        if self.failed.as_ref().is_none_or(|(first, _)| sequence < *first) {
            self.failed = Some((sequence, error));
        }
    }
}

fn has_end(records: &[Record]) -> bool {
    records.iter().any(|record| matches!(record.body, Some(Body::SessionEnded(_))))
}

impl Known {
    const fn running(last_made_at: Timestamp) -> Self {
        Self::Running { last_made_at }
    }

    fn recorded(sidecar: &Sidecar) -> Self {
        let holds = sidecar.coverage();
        let ended_at = sidecar.end.as_ref().and_then(|end| end.at.parse().ok());
        Self::Recorded(Recorded {
            seen: holds.clone(),
            holds,
            complete: sidecar.complete,
            late_records: sidecar.late_records,
            ended_at,
            settled: false,
        })
    }

    fn settled(sidecar: &Sidecar) -> Self {
        match Self::recorded(sidecar) {
            Self::Recorded(recorded) => Self::Recorded(Recorded { settled: true, ..recorded }),
            known @ (Self::Running { .. } | Self::Refused) => known,
        }
    }
}

#[cfg(test)]
mod tests;
