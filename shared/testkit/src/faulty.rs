//! A sink that misbehaves as told, before a real one.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidetone_ports::{PutOutcome, RecordSink, SinkError, StreamRecord};
use tokio::sync::watch;

/// How one put goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutFault {
    /// These records, counted from 0, are throttled; the others are committed.
    ThrottleRecords(BTreeSet<usize>),
    /// Every record is throttled.
    Throttle,
    /// These records, counted from 0, fail; the others are committed.
    FailRecords(BTreeSet<usize>),
    /// The request fails, and nothing was committed.
    Refuse,
    /// The request fails, although everything was committed.
    FailAfterCommit,
    /// Nothing happens until [`FaultySink::release`]; then the put goes through.
    Hang,
    /// The put goes through after a time of the runtime's clock.
    Delay(Duration),
}

/// A sink whose puts go wrong as told.
///
/// Faults queued with [`FaultySink::next`] hit one put each, in order; afterwards the one set
/// with [`FaultySink::keep`], if any, hits every put until [`FaultySink::heal`].
#[derive(Debug, Clone)]
pub struct FaultySink<S> {
    inner: S,
    plan: Arc<Mutex<Plan>>,
    released: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Plan {
    queued: VecDeque<PutFault>,
    kept: Option<PutFault>,
    puts: usize,
}

impl<S: RecordSink> FaultySink<S> {
    /// Stands before `inner`, without faults.
    pub fn new(inner: S) -> Self {
        let released = Arc::new(watch::Sender::new(0));
        Self { inner, plan: Arc::default(), released }
    }

    /// Returns the sink behind.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Lets the next put that has no fault yet go wrong.
    pub fn next(&self, fault: PutFault) {
        self.plan().queued.push_back(fault);
    }

    /// Lets every put go wrong once the queued faults are used up.
    pub fn keep(&self, fault: PutFault) {
        self.plan().kept = Some(fault);
    }

    /// Ends all faults that no put has met yet, and releases what hangs.
    pub fn heal(&self) {
        let mut plan = self.plan();
        plan.queued.clear();
        plan.kept = None;
        drop(plan);
        self.release();
    }

    /// Lets every put that hangs go through.
    pub fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }

    /// Returns how many puts came so far, good or bad.
    pub fn puts(&self) -> usize {
        self.plan().puts
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self) -> Option<PutFault> {
        let mut plan = self.plan();
        plan.puts += 1;
        plan.queued.pop_front().or_else(|| plan.kept.clone())
    }

    /// Commits the records outside `spared` and gives the spared ones their outcome.
    async fn put_others(
        &self,
        records: Vec<StreamRecord>,
        spared: &BTreeSet<usize>,
        outcome: PutOutcome,
    ) -> Result<Vec<PutOutcome>, SinkError> {
        let count = records.len();
        let others = records.into_iter().enumerate().filter(|(place, _)| !spared.contains(place));
        let others: Vec<_> = others.map(|(_, record)| record).collect();
        let mut committed = self.inner.put(others).await?.into_iter();
        let outcomes = (0..count).map(|place| {
            if spared.contains(&place) {
                outcome
            } else {
                committed.next().expect("the sink behind answers record by record")
            }
        });
        Ok(outcomes.collect())
    }
}

impl<S: RecordSink> RecordSink for FaultySink<S> {
    async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
        let count = records.len();
        let failed = |source: &str| SinkError { records: count, source: source.into() };
        // Subscribed before the fault is drawn: a release that comes at once is not missed.
        let mut released = self.released.subscribe();
        match self.draw() {
            None => self.inner.put(records).await,
            Some(PutFault::ThrottleRecords(places)) => {
                self.put_others(records, &places, PutOutcome::Throttled).await
            }
            Some(PutFault::Throttle) => Ok(vec![PutOutcome::Throttled; count]),
            Some(PutFault::FailRecords(places)) => {
                self.put_others(records, &places, PutOutcome::Failed).await
            }
            Some(PutFault::Refuse) => Err(failed("refused, as the test asked")),
            Some(PutFault::FailAfterCommit) => {
                self.inner.put(records).await?;
                Err(failed("failed after the commit, as the test asked"))
            }
            Some(PutFault::Hang) => {
                released.changed().await.expect("this sink holds the sender");
                self.inner.put(records).await
            }
            Some(PutFault::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                self.inner.put(records).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sidetone_ports::Sequence;

    use super::*;
    use crate::fresh::fresh_conversation;

    #[derive(Debug, Clone, Default)]
    struct Counting(Arc<Mutex<Sequence>>);

    impl RecordSink for Counting {
        async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
            let mut tip = self.0.lock().expect("not poisoned");
            Ok(records
                .iter()
                .map(|_| {
                    *tip += 1;
                    PutOutcome::Committed(*tip)
                })
                .collect())
        }
    }

    fn records(count: usize) -> Vec<StreamRecord> {
        let record = || StreamRecord { partition_key: fresh_conversation(), data: "x".into() };
        (0..count).map(|_| record()).collect()
    }

    #[tokio::test]
    async fn queued_faults_come_in_order_and_then_the_kept_one() {
        let sink = FaultySink::new(Counting::default());
        sink.next(PutFault::ThrottleRecords(BTreeSet::from([1])));
        sink.next(PutFault::FailAfterCommit);
        sink.keep(PutFault::Refuse);
        let outcomes = sink.put(records(3)).await.expect("answered");
        assert_eq!(
            outcomes,
            [PutOutcome::Committed(1), PutOutcome::Throttled, PutOutcome::Committed(2)]
        );
        assert_eq!(sink.put(records(2)).await.expect_err("as told").records, 2);
        assert!(sink.put(records(1)).await.is_err());
        assert!(sink.put(records(1)).await.is_err());
        sink.heal();
        let outcomes = sink.put(records(1)).await.expect("healed");
        assert_eq!(
            outcomes,
            [PutOutcome::Committed(5)],
            "two were committed in spite of the error"
        );
        assert_eq!(sink.puts(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_put_goes_through_once_released() {
        let sink = FaultySink::new(Counting::default());
        sink.next(PutFault::Hang);
        let put = tokio::spawn({
            let sink = sink.clone();
            async move { sink.put(records(1)).await }
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!put.is_finished());
        sink.release();
        let outcomes = put.await.expect("no panic").expect("answered");
        assert_eq!(outcomes, [PutOutcome::Committed(1)]);
    }
}
