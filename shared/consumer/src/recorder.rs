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
use std::time::Duration;

use bytes::Bytes;
use sidetone_delivery_wire::Body;
use sidetone_model::{ConversationId, ConversationKey, OrganizationId, SessionId, Timestamp};
use sidetone_ports::{
    Checkpoints, Clock, Delivered, LeaseStore, PartName, RecordSource, RecordedSession,
    RecordingStore, Sequence,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::{ConsumerError, RecordError};
use crate::follow::RETRY_WAIT;
use crate::index::Coverage;
use crate::listen::by_session;
use crate::record::{Record, SessionKey, decode_part};
use crate::sidecar::Sidecar;
use crate::subscription::BadRecords;

use self::finish::{Settled, Stored, stored_session};
pub use self::health::RecorderHealth;
use self::intake::{Arrival, Draft, drafts};
pub use self::turn::Alone;
use self::turn::{Patience, Turns};

mod finish;
mod health;
mod intake;
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
pub struct Recorder<R, L = Alone> {
    recordings: R,
    turns: Turns<L>,
    scratch: PathBuf,
    known: BTreeMap<(SessionId, ConversationKey), Known>,
    bad: BadRecords,
    deadline: Option<Instant>,
    health: RecorderHealth,
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
        Self {
            recordings,
            turns: Turns { leases, holder: holder.into(), clock: Clock::system() },
            scratch,
            known: BTreeMap::new(),
            bad: BadRecords::default(),
            deadline: None,
            health: RecorderHealth::default(),
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
        let mut tidy_at = clock.steady();
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
                    if clock.steady() >= tidy_at {
                        tidy_at = clock.steady() + TIDY_EVERY;
                        self.tidy(clock.now()).await
                    } else {
                        Ok(())
                    }
                }
                Err(error) => Err(error),
            };
            let failed = self.health.note(outcome.as_ref().err().map(|error| error as _));
            let Err(error) = outcome else { continue };
            if failed {
                tracing::error!(error = &error as &dyn std::error::Error, "the recorder waits");
            }
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
        for ((session, key), sequence) in to_settle {
            if let Err(error) = self.settle(key, session, false, Patience::Look).await {
                taken.fail(sequence, error);
            }
        }
        taken
    }

    /// Looks after recordings that are not complete: puts in what came late, lets go of the
    /// parts of those that ended more than an hour ago, and finishes what nobody finished.
    ///
    /// To be called now and then, once a minute in a long-lived process.
    /// Errors: the first [`ConsumerError`]; what one session met does not keep it from others.
    pub async fn tidy(&mut self, now: Timestamp) -> Result<(), ConsumerError> {
        let mut first = Ok(());
        for stored in self.recordings.sessions_with_parts().await? {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return first.and(Err(ConsumerError::TimedOut { session: stored.session }));
            }
            match self.tidy_session(stored, now).await {
                Ok(()) => {}
                // It would be the same with the next one.
                Err(error @ ConsumerError::Store(_)) => return first.and(Err(error)),
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
    }

    async fn tidy_session(
        &mut self,
        stored: RecordedSession,
        now: Timestamp,
    ) -> Result<(), ConsumerError> {
        let session = stored.session;
        let names = self.recordings.part_names(stored).await?;
        let there = Coverage::of_names(&names);
        for key in self.keys_of(stored, &names).await? {
            let recorded = match self.known(key, session).await? {
                Known::Refused => continue,
                Known::Running { last_made_at } => {
                    let is_silent = self.is_silent(stored, &names, last_made_at, now).await?;
                    if is_silent || names.iter().any(|name| name.ends) {
                        self.settle(key, session, is_silent, Patience::Observe).await?;
                    }
                    continue;
                }
                Known::Recorded(recorded) => recorded,
            };
            let due = recorded.ended_at.is_none_or(|ended| ended + LATE_MAX <= now);
            let beyond = there.beyond(&recorded.holds);
            let is_late = beyond > 0 && beyond == recorded.late_records;
            let is_known = recorded.settled && recorded.holds.covers(&there);
            if is_late || (is_known && !due && !recorded.complete) {
                continue;
            }
            let settled = self.settle(key, session, false, Patience::Observe).await?;
            if due && settled == Settled::Recorded {
                // What came since stays.
                self.recordings.remove_parts(stored, names.clone()).await?;
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

    /// Keeps parts, several at a time; answers one by one.
    async fn put_parts(&self, drafts: &[Draft]) -> Vec<Result<(), ConsumerError>> {
        let timed_out = |draft: &Draft| Err(ConsumerError::TimedOut { session: draft.session });
        // What is not heard of in time, or panics, has failed.
        let mut outcomes: Vec<_> = drafts.iter().map(timed_out).collect();
        let mut putting = JoinSet::new();
        let mut next = drafts.iter().enumerate();
        loop {
            while putting.len() < PUTS_MAX
                && let Some((index, draft)) = next.next()
            {
                let recordings = self.recordings.clone();
                let session = stored_session(draft.key.key, draft.session);
                let name = draft.name.clone();
                let content = draft.content();
                putting.spawn(
                    async move { (index, recordings.put_part(session, name, content).await) },
                );
            }
            let joined = match self.deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, putting.join_next()).await,
                None => Ok(putting.join_next().await),
            };
            match joined {
                Ok(Some(Ok((index, outcome)))) => {
                    outcomes[index] = outcome.map_err(ConsumerError::from);
                }
                Ok(Some(Err(error))) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "putting a part");
                }
                Ok(None) | Err(_) => break,
            }
        }
        let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        metrics::counter!("sidetone_recorder_parts_total").increment(kept as u64);
        outcomes
    }

    /// Notes that records are kept; returns whether their session's recording is due.
    fn note(&mut self, key: SessionKey, session: SessionId, records: &[Record]) -> bool {
        let made_at = records.iter().map(|record| record.made_at).max().unwrap_or_default();
        let recorded = match self.known.get_mut(&(session, key.key)) {
            Some(Known::Recorded(recorded)) => recorded,
            Some(Known::Running { last_made_at }) => {
                *last_made_at = made_at.max(*last_made_at);
                return has_end(records);
            }
            Some(Known::Refused) | None => return has_end(records),
        };
        let had_holes = recorded.seen.has_holes();
        records.iter().for_each(|record| recorded.seen.insert(record));
        // The last missing record completes the recording. What else comes late waits for
        // `tidy`, so that a door that was taken for dead does not have its whole call
        // assembled again with each batch.
        let is_filled = had_holes && !recorded.seen.has_holes();
        has_end(records) || is_filled || recorded.complete
    }

    /// Waits for something as long as there is time.
    async fn within<T, E: Into<ConsumerError>>(
        &self,
        session: SessionId,
        what: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, ConsumerError> {
        let outcome = match self.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, what).await,
            None => Ok(what.await),
        };
        outcome.map_err(|_| ConsumerError::TimedOut { session })?.map_err(Into::into)
    }

    /// Returns what is known of a session, from memory or from the store.
    async fn known(&mut self, key: SessionKey, session: SessionId) -> Result<Known, ConsumerError> {
        if let Some(known) = self.known.get(&(session, key.key)) {
            return Ok(known.clone());
        }
        let known = match self.within(session, self.stored_sidecar(key, session)).await? {
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

    /// Returns the conversations that have parts of a session: one, as a rule.
    async fn keys_of(
        &self,
        stored: RecordedSession,
        names: &[PartName],
    ) -> Result<Vec<SessionKey>, ConsumerError> {
        let session = stored.session;
        // Parts of an older version do not say whose they are.
        let nil = OrganizationId::new(uuid::Uuid::nil());
        let is_own = |key: &SessionKey| {
            stored.organization == nil || key.key.organization == stored.organization
        };
        let first = ConversationKey {
            organization: nil,
            conversation: ConversationId::new(uuid::Uuid::nil()),
        };
        let known: Vec<SessionKey> = self
            .known
            .range((session, first)..)
            .take_while(|((one, _), _)| *one == session)
            .map(|((_, key), _)| SessionKey { key: *key, session: Some(session) })
            .filter(is_own)
            .collect();
        if !known.is_empty() {
            return Ok(known);
        }
        // Nothing of it came since this process began; its first part tells.
        let Some(name) = names.first() else { return Ok(known) };
        let keys = by_session(self.records_of(stored, name).await?).into_keys();
        Ok(keys.filter(|key| key.session == Some(session) && is_own(key)).collect())
    }

    /// Returns whether nothing came of a session for so long that its end will not.
    async fn is_silent(
        &self,
        stored: RecordedSession,
        names: &[PartName],
        last_made_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, ConsumerError> {
        if last_made_at + SILENT_MAX > now {
            return Ok(false);
        }
        // The last part of each connection is the newest.
        for (place, name) in names.iter().enumerate() {
            let is_last =
                names.get(place + 1).is_none_or(|next| next.connection != name.connection);
            if !is_last {
                continue;
            }
            let records = self.records_of(stored, name).await?;
            if records.iter().any(|record| record.made_at + SILENT_MAX > now) {
                return Ok(false);
            }
        }
        Ok(!names.is_empty())
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
