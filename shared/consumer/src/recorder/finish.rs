//! A session's recording, brought in line with its parts.
//!
//! Whoever does it has the session's turn, so that no two write the same files. It may stop
//! at any point, and begin again: parts go only when the sidecar that has them is written.

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sidetone_model::{ConversationKey, SessionId, Timestamp};
use sidetone_ports::{LeaseStore, PartName, RecordedSession, RecordingStore, StoreError};
use tokio::time::Instant;

use super::Known;
use super::queue::Job;
use super::turn::Turns;
use crate::assembly::{StoredParts, index_parts, write_wav};
use crate::error::ConsumerError;
use crate::index::{Coverage, Index};
use crate::record::{Record, SessionKey, decode_part};
use crate::sidecar::{Sidecar, cause_name, recording_name};

/// What came of bringing a recording in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    /// The recording holds everything that the parts do.
    Recorded,
    /// The session runs on, or some of the parts are not in the recording.
    Open,
}

/// What lies under the name of a sidecar.
pub(super) enum Stored {
    None,
    Sidecar(Box<Sidecar>),
    Refused,
}

/// Files on their way get names of their own: one that was given up may still be open.
static FILES: AtomicU64 = AtomicU64::new(0);

/// A file on its way; what is still there in the end is removed.
///
/// A thread that writes it has a clone: it writes on where the one who waited gave up, and
/// then it is the one who leaves nothing behind.
#[derive(Clone)]
pub(super) struct Scratch(Arc<ScratchFile>);

struct ScratchFile(PathBuf);

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0.0
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // It was moved, as a rule.
        _ = std::fs::remove_file(&self.0);
    }
}

/// Returns under which key the parts of a session are kept.
pub(super) const fn stored_session(key: ConversationKey, session: SessionId) -> RecordedSession {
    RecordedSession { organization: key.organization, session }
}

/// Removes the files in a folder, if it is there. What cannot be removed is only in the way
/// of what comes after it.
pub(super) fn clear(folder: &Path) {
    let Ok(files) = std::fs::read_dir(folder) else { return };
    for file in files.flatten() {
        _ = std::fs::remove_file(file.path());
    }
}

/// Brings recordings in line with their parts.
#[derive(Debug)]
pub(super) struct Finisher<R, L> {
    pub(super) recordings: R,
    pub(super) turns: Turns<L>,
    pub(super) scratch: PathBuf,
}

/// Waits for something as long as there is time.
pub(super) async fn within<T, E: Into<ConsumerError>>(
    deadline: Option<Instant>,
    session: SessionId,
    what: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, ConsumerError> {
    let outcome = match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, what).await,
        None => Ok(what.await),
    };
    outcome.map_err(|_| ConsumerError::TimedOut { session })?.map_err(Into::into)
}

impl<R: RecordingStore, L: LeaseStore> Finisher<R, L> {
    /// Brings the recording of a session in line with its parts, if its end is among them or
    /// is not waited for any longer. Returns what is known of it then.
    pub(super) async fn finish(
        &self,
        job: &Job,
        deadline: Option<Instant>,
    ) -> Result<Option<Known>, ConsumerError> {
        let (key, session) = (job.key, job.session);
        let stored = stored_session(key.key, session);
        let taking = self.turns.take(stored, job.patience);
        let Some(turn) = within(deadline, session, taking).await? else { return Ok(None) };
        let settling = within(deadline, session, self.settle(key, session, job.without_end));
        let Some(outcome) = self.turns.during(stored, turn, settling).await else {
            return Ok(None);
        };
        self.turns.give_back(stored, turn).await;
        let (settled, known) = outcome?;
        if settled == Settled::Recorded && !job.then_remove.is_empty() {
            // What came since stays.
            self.recordings.remove_parts(stored, job.then_remove.clone()).await?;
        }
        Ok(Some(known))
    }

    async fn settle(
        &self,
        key: SessionKey,
        session: SessionId,
        without_end: bool,
    ) -> Result<(Settled, Known), ConsumerError> {
        let stored = stored_session(key.key, session);
        let names = self.recordings.part_names(stored).await?;
        let parts = StoredParts { recordings: &self.recordings, session: stored, names: &names };
        let index = index_parts(key, names.len(), &parts).await?;
        let old = match self.stored_sidecar(key, session).await? {
            Stored::None => None,
            Stored::Sidecar(sidecar) => Some(*sidecar),
            Stored::Refused => return Ok((Settled::Open, Known::Refused)),
        };
        let is_due = old.is_some() || index.has_end() || without_end;
        if index.is_empty() || !is_due {
            let known = old.as_ref().map_or(Known::running(index.last_made_at()), Known::settled);
            return Ok((Settled::Open, known));
        }
        let (has_others, there) = (index.has_others, index.coverage());
        let sidecar = match old {
            Some(old) if !there.covers(&old.coverage()) => {
                self.count_late(old, session, &there).await?
            }
            Some(old) if old.coverage().covers(&there) => old,
            old => self.write(index, session, &names, old.as_ref()).await?,
        };
        let all_recorded = !has_others && sidecar.coverage().covers(&there);
        let mut known = Known::settled(&sidecar);
        if let Known::Recorded(recorded) = &mut known {
            recorded.seen.extend(there);
        }
        if sidecar.complete && all_recorded {
            self.recordings.remove_parts(stored, names).await?;
        }
        Ok((if all_recorded { Settled::Recorded } else { Settled::Open }, known))
    }

    /// Writes a recording, WAV before sidecar: where there is a sidecar, its WAV is there.
    async fn write(
        &self,
        index: Index,
        session: SessionId,
        names: &[PartName],
        old: Option<&Sidecar>,
    ) -> Result<Sidecar, ConsumerError> {
        let plan = index.plan();
        let mut sidecar = Sidecar::new(&plan, session);
        // A WAV that turned out to be nobody's is replaced by an empty one.
        if sidecar.wav.is_none() {
            sidecar.wav = old.and_then(|old| old.wav.clone());
        }
        let mut wav = None;
        if let Some(name) = &sidecar.wav {
            let file = self.scratch_file(name, session).await?;
            let stored = stored_session(plan.key.key, session);
            let parts = StoredParts { recordings: &self.recordings, session: stored, names };
            write_wav(&plan, session, &parts, file.clone()).await?;
            wav = Some((name.clone(), file));
        }
        let place = self.put(&sidecar, session, wav).await?;
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
            self.put(&sidecar, session, None).await?;
        }
        Ok(sidecar)
    }

    /// Puts a sidecar, and before it the WAV if that is new.
    async fn put(
        &self,
        sidecar: &Sidecar,
        session: SessionId,
        wav: Option<(String, Scratch)>,
    ) -> Result<String, ConsumerError> {
        let failed = |source| ConsumerError::Write { session, source };
        let name = format!("{}.json", recording_name(sidecar.key(), session));
        let mut text = serde_json::to_vec_pretty(sidecar)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        text.push(b'\n');
        let file = self.scratch_file(&name, session).await?;
        let written = file.clone();
        let writing = tokio::task::spawn_blocking(move || {
            crate::wav::create_private(written.as_ref())?.write_all(&text)
        });
        let outcome = writing.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        outcome.map_err(failed)?;
        let files: Vec<(String, Scratch)> = wav.into_iter().chain([(name, file)]).collect();
        let paths = files.iter().map(|(name, file)| (name.clone(), file.as_ref().to_owned()));
        let paths = paths.collect();
        Ok(self.recordings.put_recordings(sidecar.organization, paths).await?)
    }

    /// Makes room for a file on its way; what people said is for nobody else to read.
    pub(super) async fn scratch_file(
        &self,
        name: &str,
        session: SessionId,
    ) -> Result<Scratch, ConsumerError> {
        let mut folder = tokio::fs::DirBuilder::new();
        let made = folder.recursive(true).mode(0o700).create(&self.scratch).await;
        made.map_err(|source| ConsumerError::Write { session, source })?;
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        Ok(Scratch(Arc::new(ScratchFile(self.scratch.join(format!("{name}.{number}"))))))
    }

    /// Reads the records of one part; none if it is gone or cannot be decoded.
    pub(super) async fn records_of(
        &self,
        stored: RecordedSession,
        name: &PartName,
    ) -> Result<Vec<Record>, ConsumerError> {
        let data = self.recordings.parts(stored, vec![name.clone()]).await?.pop().flatten();
        let records = data.map(|data| decode_part(0, Timestamp::default(), data));
        Ok(records.and_then(Result::ok).unwrap_or_default())
    }

    pub(super) async fn stored_sidecar(
        &self,
        key: SessionKey,
        session: SessionId,
    ) -> Result<Stored, ConsumerError> {
        let name = format!("{}.json", recording_name(key.key, session));
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
}
