//! From the sockets to whoever works on conversations, without ever waiting.

use sidetone_model::Timestamp;
use sidetone_notification_proto::Snapshot;
use tokio::sync::mpsc;

/// The most snapshots that wait for one worker: about a minute of a thousand busy agents. A
/// snapshot holds the whole state, so what is dropped beyond that comes with the next one.
pub(crate) const HEARD_MAX: usize = 4_096;

/// Every how many dropped snapshots a line is logged.
const DROPPED_PER_LINE: u64 = 1_000;

/// A snapshot and when it came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) received_at: Timestamp,
    pub(crate) snapshot: Snapshot,
}

/// Hands snapshots to the workers; those of one conversation always to the same one.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    workers: Vec<mpsc::Sender<Heard>>,
}

impl Intake {
    pub(crate) fn new(workers: Vec<mpsc::Sender<Heard>>) -> Self {
        assert!(!workers.is_empty(), "somebody must work");
        Self { workers }
    }

    pub(crate) fn hand(&self, heard: Heard) {
        let bits = heard.snapshot.conversation.uuid().as_u128();
        let place = usize::try_from(bits % self.workers.len() as u128).unwrap_or(0);
        if self.workers[place].try_send(heard).is_err() {
            static DROPPED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            let before = DROPPED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            metrics::counter!("sidetone_notifications_dropped_total").increment(1);
            if before.is_multiple_of(DROPPED_PER_LINE) {
                tracing::error!(dropped = before + 1, "snapshots dropped: the store is too slow");
            }
        }
    }
}
