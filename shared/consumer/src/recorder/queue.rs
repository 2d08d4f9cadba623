//! Recordings that are finished beside the reading: several at a time, each organization in turn.
//!
//! Where one organization's calls end all at once, or are hours long, another's recording waits
//! for none of them: it begins at once while its organization has none in hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sidetone_model::{OrganizationId, SessionId};
use sidetone_ports::{LeaseStore, PartName, RecordingStore, chain};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Known;
use super::finish::Finisher;
use super::health::RecorderHealth;
use super::turn::Patience;
use crate::error::ConsumerError;
use crate::follow::RETRY_WAIT;
use crate::record::SessionKey;

/// Recordings in hand at a time: they wait for the disk most of the time.
const IN_HAND_MAX: usize = 8;

/// The same, of organizations that have none in hand otherwise.
const IN_HAND_RESERVED_MAX: usize = 64;

/// The longest wait before a recording that failed is tried again.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(60);

/// A session whose recording is to be brought in line with its parts.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) key: SessionKey,
    pub(super) session: SessionId,
    /// Its end is not waited for any longer.
    pub(super) without_end: bool,
    pub(super) patience: Patience,
    /// Parts that go once the recording holds them, complete or not.
    pub(super) then_remove: Vec<PartName>,
}

/// One session of one conversation.
pub(super) type Id = (SessionId, SessionKey);

impl Job {
    /// Returns the job of a session whose end came.
    pub(super) const fn ended(key: SessionKey, session: SessionId) -> Self {
        Self { key, session, without_end: false, patience: Patience::Look, then_remove: Vec::new() }
    }

    pub(super) const fn id(&self) -> Id {
        (self.session, self.key)
    }
}

/// The reader's side: jobs go out, and what is known of their sessions comes back.
#[derive(Debug)]
pub(super) struct Background {
    jobs: UnboundedSender<Job>,
    done: UnboundedReceiver<(Id, Option<Known>)>,
    /// Jobs of each session that are not done.
    waiting: BTreeMap<Id, usize>,
    health: RecorderHealth,
}

impl Background {
    /// Starts to finish recordings, until the set is dropped.
    pub(super) fn start<R: RecordingStore, L: LeaseStore>(
        finisher: Arc<Finisher<R, L>>,
        health: RecorderHealth,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (jobs, jobs_of) = unbounded_channel();
        let (done_by, done) = unbounded_channel();
        tasks.spawn(finish_all(finisher, jobs_of, done_by, health.clone()));
        Self { jobs, done, waiting: BTreeMap::new(), health }
    }

    pub(super) fn push(&mut self, job: Job) {
        *self.waiting.entry(job.id()).or_default() += 1;
        self.health.add_unfinished();
        // It ends with the set of tasks alone.
        _ = self.jobs.send(job);
    }

    /// Returns whether a session's recording is being finished, or will be.
    pub(super) fn has(&self, id: Id) -> bool {
        self.waiting.contains_key(&id)
    }

    /// Returns a session that is done, if there is one, with what is known of it.
    pub(super) fn next_done(&mut self) -> Option<(Id, Option<Known>)> {
        let (id, known) = self.done.try_recv().ok()?;
        if let Some(jobs) = self.waiting.get_mut(&id) {
            *jobs -= 1;
            if *jobs == 0 {
                self.waiting.remove(&id);
            }
        }
        Some((id, known))
    }
}

/// Jobs that wait, by organization.
#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<OrganizationId, VecDeque<Job>>,
    /// Organizations that have jobs waiting, the one whose turn it is first.
    order: VecDeque<OrganizationId>,
    in_hand: BTreeMap<OrganizationId, usize>,
    /// No two jobs of one session at the same time.
    sessions: BTreeSet<Id>,
}

impl Queue {
    fn push(&mut self, job: Job) {
        let organization = job.key.key.organization;
        let jobs = self.waiting.entry(organization).or_default();
        if jobs.is_empty() {
            self.order.push_back(organization);
        }
        jobs.push_back(job);
    }

    /// Takes the next job in hand, if one may begin.
    fn next(&mut self) -> Option<Job> {
        let total: usize = self.in_hand.values().sum();
        for _ in 0..self.order.len() {
            let organization = self.order.pop_front()?;
            let own = self.in_hand.get(&organization).copied().unwrap_or(0);
            let has_room = total < IN_HAND_MAX || (own == 0 && total < IN_HAND_RESERVED_MAX);
            let jobs = self.waiting.entry(organization).or_default();
            let free = jobs.iter().position(|job| !self.sessions.contains(&job.id()));
            let job = free.filter(|_| has_room).and_then(|place| jobs.remove(place));
            if jobs.is_empty() {
                self.waiting.remove(&organization);
            } else {
                self.order.push_back(organization);
            }
            let Some(job) = job else { continue };
            self.sessions.insert(job.id());
            *self.in_hand.entry(organization).or_default() += 1;
            return Some(job);
        }
        None
    }

    /// Lays a job out of hand.
    fn done(&mut self, job: &Job) {
        self.sessions.remove(&job.id());
        let organization = job.key.key.organization;
        if let Some(own) = self.in_hand.get_mut(&organization) {
            *own -= 1;
            if *own == 0 {
                self.in_hand.remove(&organization);
            }
        }
    }
}

/// Jobs that failed, with when they are tried again.
#[derive(Debug, Default)]
struct Failed {
    jobs: Vec<(Instant, Job)>,
    causes: BTreeMap<Id, (u32, String)>,
}

impl Failed {
    /// Notes a failure; returns whether it is the session's first.
    fn push(&mut self, job: Job, error: &ConsumerError) -> bool {
        let (times, cause) = self.causes.entry(job.id()).or_default();
        let wait = (RETRY_WAIT * 2_u32.saturating_pow(*times)).min(RETRY_WAIT_MAX);
        *times += 1;
        *cause = chain(error);
        let first = *times == 1;
        self.jobs.push((Instant::now() + wait, job));
        first
    }

    fn due(&self) -> Option<Instant> {
        self.jobs.iter().map(|(at, _)| *at).min()
    }

    fn take_due(&mut self) -> impl Iterator<Item = Job> {
        let now = Instant::now();
        self.jobs.extract_if(.., move |(at, _)| *at <= now).map(|(_, job)| job)
    }
}

async fn finish_all<R: RecordingStore, L: LeaseStore>(
    finisher: Arc<Finisher<R, L>>,
    mut jobs: UnboundedReceiver<Job>,
    done: UnboundedSender<(Id, Option<Known>)>,
    health: RecorderHealth,
) {
    let (mut queue, mut failed, mut running) =
        (Queue::default(), Failed::default(), JoinSet::new());
    loop {
        while let Some(job) = queue.next() {
            let finisher = Arc::clone(&finisher);
            running.spawn(async move {
                let outcome = finisher.finish(&job, None).await;
                (job, outcome)
            });
        }
        let retry_at = failed.due();
        let retry = async {
            match retry_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => queue.push(job),
                // The reader is gone.
                None => return,
            },
            Some(ended) = running.join_next() => {
                let Ok((job, outcome)) = ended else {
                    tracing::error!("finishing a recording panicked; it is found again by its parts");
                    continue;
                };
                queue.done(&job);
                match outcome {
                    Ok(known) => {
                        failed.causes.remove(&job.id());
                        health.remove_unfinished();
                        // The reader may be gone.
                        _ = done.send((job.id(), known));
                    }
                    Err(error) => {
                        metrics::counter!("sidetone_recorder_faults_total").increment(1);
                        let (session, cause) = (job.session, chain(&error));
                        if failed.push(job, &error) {
                            tracing::error!(%session, cause, "recording not finished, retrying");
                        }
                    }
                }
                health.note_finishing(failed.causes.values().next().map(|(_, cause)| cause.clone()));
            }
            () = retry => failed.take_due().for_each(|job| queue.push(job)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{conversation_key, session_id};

    fn job(organization: u32, session: u32) -> Job {
        let mut key = conversation_key();
        key.organization = format!("0f0e0d0c-0b0a-4908-8706-{organization:012}").parse().unwrap();
        let session = session_id(session);
        Job::ended(SessionKey { key, session: Some(session) }, session)
    }

    fn begin_all(queue: &mut Queue) -> Vec<Id> {
        std::iter::from_fn(|| queue.next()).map(|job| job.id()).collect()
    }

    #[test]
    fn organization_with_one_recording_waits_for_none_of_a_thousand_of_another() {
        let mut queue = Queue::default();
        (0..1_000).for_each(|number| queue.push(job(1, number)));
        assert_eq!(begin_all(&mut queue).len(), IN_HAND_MAX);
        queue.push(job(2, 5_000));
        assert_eq!(begin_all(&mut queue), [job(2, 5_000).id()]);
        queue.push(job(2, 5_001));
        assert_eq!(begin_all(&mut queue), [], "it has one in hand");
        queue.done(&job(2, 5_000));
        assert_eq!(begin_all(&mut queue), [job(2, 5_001).id()]);
    }

    #[test]
    fn organizations_take_turns() {
        let mut queue = Queue::default();
        (0..20).for_each(|number| queue.push(job(1, number)));
        (20..40).for_each(|number| queue.push(job(2, number)));
        let begun = begin_all(&mut queue);
        let of_first = begun.iter().filter(|id| **id < job(2, 20).id()).count();
        assert_eq!((begun.len(), of_first), (IN_HAND_MAX, IN_HAND_MAX / 2));
    }

    #[test]
    fn two_jobs_of_one_session_follow_one_another() {
        let mut queue = Queue::default();
        queue.push(job(1, 1));
        queue.push(job(1, 1));
        assert_eq!(begin_all(&mut queue).len(), 1);
        queue.done(&job(1, 1));
        assert_eq!(begin_all(&mut queue).len(), 1);
        queue.done(&job(1, 1));
        assert_eq!(begin_all(&mut queue).len(), 0);
    }
}
