//! From the sockets to whoever works on conversations, without ever waiting.

use sidetone_model::Timestamp;
use sidetone_notification_proto::Snapshot;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::backlog::{Backlog, Open, Sure};
use crate::repair::Gaps;

/// The most snapshots that wait for one worker: about a minute of a thousand busy agents. What
/// is dropped beyond that is a gap, which is looked through like any other.
pub(crate) const HEARD_MAX: usize = 4_096;

/// Every how many dropped snapshots a line is logged.
const DROPPED_PER_LINE: u64 = 1_000;

/// A snapshot and when it came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) received_at: Timestamp,
    pub(crate) snapshot: Snapshot,
    /// It is in no store yet.
    pub(crate) open: Open,
}

/// Hands snapshots to the workers; those of one conversation always to the same one.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    workers: Vec<mpsc::Sender<Heard>>,
    backlog: Backlog,
    gaps: Gaps,
}

impl Intake {
    pub(crate) fn new(workers: Vec<mpsc::Sender<Heard>>, backlog: Backlog, gaps: Gaps) -> Self {
        assert!(!workers.is_empty(), "somebody must work");
        Self { workers, backlog, gaps }
    }

    /// Notes that events arrive by some way, at least until that moment.
    pub(crate) fn is_sure(&self, sure: &Sure, until: Timestamp) {
        sure.note(self.backlog.open(until));
    }

    /// Notes that events since that moment may have been missed.
    pub(crate) fn missed_since(&self, since: Timestamp) {
        self.gaps.note(since);
    }

    /// Hands over a record of a gap that began at that moment; waits where there is no room.
    pub(crate) async fn mend(&self, received_at: Timestamp, snapshot: Snapshot, gap: Timestamp) {
        let heard = Heard { received_at, snapshot, open: self.backlog.open(gap) };
        if self.worker_of(&heard.snapshot).send(heard).await.is_err() {
            tracing::debug!("the workers have stopped");
        }
    }

    fn worker_of(&self, snapshot: &Snapshot) -> &mpsc::Sender<Heard> {
        let bits = snapshot.conversation.uuid().as_u128();
        let place = usize::try_from(bits % self.workers.len() as u128).unwrap_or(0);
        &self.workers[place]
    }

    /// Hands over what was just heard.
    pub(crate) fn hand(&self, received_at: Timestamp, snapshot: Snapshot) {
        let heard = Heard { received_at, snapshot, open: self.backlog.open(received_at) };
        if let Err(TrySendError::Full(_)) = self.worker_of(&heard.snapshot).try_send(heard) {
            self.missed_since(received_at);
            static DROPPED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            let before = DROPPED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            metrics::counter!("sidetone_notifications_dropped_total").increment(1);
            if before.is_multiple_of(DROPPED_PER_LINE) {
                tracing::error!(dropped = before + 1, "snapshots dropped: the store is too slow");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sidetone_model::EventSource;

    use super::*;

    fn hand(intake: &Intake, number: u128, millis: i64) {
        let conversation = sidetone_model::ConversationId::new(uuid::Uuid::from_u128(number));
        let (source, participants) = (EventSource::Socket, Vec::new());
        let snapshot = Snapshot { conversation, participants, source, whole: true };
        intake.hand(Timestamp::from_millis(millis), snapshot);
    }

    #[test]
    fn a_conversation_stays_with_one_worker_in_order() {
        let (senders, mut workers): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel(100)).unzip();
        let intake = Intake::new(senders, Backlog::default(), Gaps::new());
        for millis in 0..10 {
            for number in 0..8 {
                hand(&intake, number, millis);
            }
        }
        for (place, worker) in (0..).zip(&mut workers) {
            let mut last = std::collections::BTreeMap::new();
            while let Ok(heard) = worker.try_recv() {
                let number = heard.snapshot.conversation.uuid().as_u128();
                assert_eq!(number % 4, place);
                let before = last.insert(number, heard.received_at);
                assert!(before.is_none_or(|before| before < heard.received_at));
            }
            assert_eq!(last.len(), 2);
        }
    }

    #[test]
    fn what_overflows_is_a_gap_and_nobody_waits() {
        let (sender, mut worker) = mpsc::channel(2);
        let (backlog, gaps) = (Backlog::default(), Gaps::new());
        let intake = Intake::new(vec![sender], backlog.clone(), gaps.clone());
        for millis in 0..5 {
            hand(&intake, 1, millis);
        }
        assert_eq!(gaps.take_on(), Some(Timestamp::from_millis(2)));
        let kept: Vec<_> = std::iter::from_fn(|| worker.try_recv().ok()).collect();
        assert_eq!(kept.len(), 2);
        assert_eq!(backlog.since(), Some(Timestamp::from_millis(0)));
        drop((kept, worker));
        hand(&intake, 1, 9);
        assert_eq!(backlog.since(), None);
    }
}
