//! The one who puts records into the stream, for every session of a process.
//!
//! Sessions push and go on; the producer collects what is ready, batches it over sessions and
//! keeps one request in flight per session. What the stream refused, or did not answer, goes
//! again under the same numbers.

use std::iter::Peekable;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use std::vec::IntoIter;

use bytes::Bytes;
use sidetone_delivery_wire::{Body, Heading};
use sidetone_model::Timestamp;
use sidetone_ports::{Clock, PutOutcome, RecordSink, StreamRecord, chain};
use tokio::sync::Notify;

use crate::lock::lock;
use crate::outbox::{Outbox, OutboxLimits};
use crate::page::Page;

/// How a producer works.
#[derive(Debug, Clone, Copy)]
pub struct ProducerConfig {
    /// How long records may gather before they are put.
    pub flush_interval: Duration,
    /// How long a put may take before its outcome counts as unknown.
    pub put_limit: Duration,
    /// The first wait after a failure; doubles up to [`ProducerConfig::retry_max`].
    pub retry_first: Duration,
    /// The longest wait after a failure.
    pub retry_max: Duration,
    /// How many puts may be under way at once.
    pub puts_max: usize,
    /// How much may wait.
    pub limits: OutboxLimits,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            // SIGKILL may cost 400 ms of a call: this, a frame, and the put itself.
            flush_interval: Duration::from_millis(100),
            put_limit: Duration::from_secs(5),
            retry_first: Duration::from_millis(100),
            retry_max: Duration::from_secs(2),
            puts_max: 8,
            limits: OutboxLimits::default(),
        }
    }
}

/// Puts the records of many sessions into one stream; cheap to clone.
#[derive(Debug)]
pub struct Producer<R> {
    shared: Arc<Shared>,
    sink: R,
}

impl<R: Clone> Clone for Producer<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), sink: self.sink.clone() }
    }
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    config: ProducerConfig,
    ready: Mutex<Vec<Arc<Cell>>>,
    news: Notify,
    audio_bytes: AtomicUsize,
    put_slots: Arc<tokio::sync::Semaphore>,
    page: Page,
    /// Looked up at the first commit, when a recorder is there: a look-up for each would cost
    /// more than the recording.
    waited: OnceLock<metrics::Histogram>,
}

/// One session's place among all.
#[derive(Debug)]
struct Cell {
    outbox: Mutex<Outbox>,
    /// Whether it stands in `ready` or a request of it is under way.
    queued: AtomicBool,
    failures: AtomicU32,
    committed_frames: AtomicU64,
    drained: Notify,
}

/// Records of a session that may wait in shared memory: a few puts' worth.
const PAGED_MAX: usize = 8;

/// Where one session puts its records; never waits.
#[derive(Debug)]
pub struct Outlet {
    cell: Arc<Cell>,
    shared: Arc<Shared>,
}

impl<R: RecordSink> Producer<R> {
    /// Prepares a producer; [`Producer::run`] makes it work.
    pub fn new(clock: Clock, config: ProducerConfig, sink: R) -> Self {
        let shared = Arc::new(Shared {
            clock,
            config,
            ready: Mutex::default(),
            news: Notify::new(),
            audio_bytes: AtomicUsize::new(0),
            put_slots: Arc::new(tokio::sync::Semaphore::new(config.puts_max)),
            page: Page::default(),
            waited: OnceLock::new(),
        });
        Self { shared, sink }
    }

    /// Opens an outlet for a session and connection.
    pub fn outlet(&self, heading: Heading) -> Outlet {
        let cell = Arc::new(Cell {
            outbox: Mutex::new(Outbox::new(heading)),
            queued: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            committed_frames: AtomicU64::new(0),
            drained: Notify::new(),
        });
        Outlet { cell, shared: Arc::clone(&self.shared) }
    }

    /// Works until dropped.
    pub async fn run(&self) {
        // How large the last batch was, as the next one is mostly about the same.
        let mut bytes = 0;
        loop {
            self.shared.news.notified().await;
            self.shared.clock.sleep(self.shared.config.flush_interval).await;
            let ready = std::mem::take(&mut *lock(&self.shared.ready));
            let mut ready = ready.into_iter().peekable();
            while ready.peek().is_some() {
                // Waiting here for a slot lets records gather meanwhile.
                let slots = Arc::clone(&self.shared.put_slots);
                let Ok(slot) = slots.acquire_owned().await else { return };
                let batch = next_batch(&mut ready, bytes);
                bytes = batch.records.iter().map(|record| record.data.len()).sum();
                let producer = self.clone();
                tokio::spawn(async move {
                    producer.put(batch).await;
                    drop(slot);
                });
                // A batch takes a millisecond to encode; pongs come between two of them.
                tokio::task::yield_now().await;
            }
        }
    }

    async fn put(&self, batch: Batch) {
        let Shared { clock, config, .. } = &*self.shared;
        let asked = batch.cells.len();
        let answer = clock.timeout(config.put_limit, self.sink.put(batch.records)).await;
        let outcomes = match answer {
            Some(Ok(outcomes)) if outcomes.len() == asked => outcomes,
            Some(Ok(_)) | None => {
                tracing::warn!(records = asked, "put not answered in full, repeating it");
                vec![PutOutcome::Failed; asked]
            }
            Some(Err(error)) => {
                tracing::warn!(error = %chain(&error), "put in doubt, repeating it");
                vec![PutOutcome::Failed; asked]
            }
        };
        let now = clock.now();
        for (cell, outcome) in batch.cells.into_iter().zip(outcomes) {
            match outcome {
                PutOutcome::Committed(_) => self.shared.settle(cell, now),
                PutOutcome::Throttled | PutOutcome::Failed => self.shared.put_again(cell),
            }
        }
    }
}

impl Shared {
    /// Notes that the stream took what was in flight, and queues what came meanwhile.
    fn settle(&self, cell: Arc<Cell>, now: Timestamp) {
        let mut outbox = lock(&cell.outbox);
        let committed = outbox.commit();
        self.audio_bytes.fetch_sub(committed.audio_bytes, Ordering::Relaxed);
        cell.committed_frames.fetch_add(committed.frames, Ordering::Relaxed);
        if let Some(oldest) = committed.oldest {
            let name = "sidetone_accepted_to_committed_seconds";
            let waited = self.waited.get_or_init(|| metrics::histogram!(name));
            waited.record(now.since(oldest));
        }
        cell.failures.store(0, Ordering::Relaxed);
        if outbox.is_empty() {
            cell.queued.store(false, Ordering::Release);
            drop(outbox);
            cell.drained.notify_waiters();
        } else {
            drop(outbox);
            self.enqueue(cell);
        }
    }

    /// Queues a session again after a wait; what is in flight keeps its numbers.
    fn put_again(self: &Arc<Self>, cell: Arc<Cell>) {
        metrics::counter!("sidetone_put_repeats_total").increment(1);
        let failures = cell.failures.fetch_add(1, Ordering::Relaxed).min(16);
        let wait = self.config.retry_first.saturating_mul(1 << failures);
        let wait = wait.min(self.config.retry_max);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            shared.clock.sleep(wait).await;
            shared.enqueue(cell);
        });
    }

    fn enqueue(&self, cell: Arc<Cell>) {
        lock(&self.ready).push(cell);
        self.news.notify_one();
    }
}

impl Outlet {
    /// Hands over a record; drops this session's oldest unsent frames if there is no room.
    pub fn push(&self, made_at: Timestamp, mut body: Body) {
        let limits = &self.shared.config.limits;
        let mut outbox = lock(&self.cell.outbox);
        // Frames that pile up are not soon gone, and would hold pages that others have left.
        if let Body::Audio(audio) = &mut body
            && outbox.len() < PAGED_MAX
        {
            audio.data = self.shared.page.copy(&audio.data);
        }
        let before = outbox.audio_bytes();
        outbox.push(made_at, body);
        let added = outbox.audio_bytes() - before;
        let mut total = self.shared.audio_bytes.fetch_add(added, Ordering::Relaxed) + added;
        while added > 0
            && (outbox.audio_bytes() > limits.session_bytes_max || total > limits.total_bytes_max)
        {
            let freed = outbox.drop_oldest_frame();
            if freed == 0 {
                break;
            }
            total = self.shared.audio_bytes.fetch_sub(freed, Ordering::Relaxed) - freed;
            metrics::counter!("sidetone_frames_dropped_total").increment(1);
        }
        // Under the outbox's lock, as whoever finds it empty takes the mark away there.
        let was_queued = self.cell.queued.swap(true, Ordering::AcqRel);
        drop(outbox);
        if !was_queued {
            self.shared.enqueue(Arc::clone(&self.cell));
        }
    }

    /// Returns how many frames the stream has taken.
    pub fn committed_frames(&self) -> u64 {
        self.cell.committed_frames.load(Ordering::Relaxed)
    }

    /// Waits until the stream has everything.
    pub async fn drained(&self) {
        loop {
            let drained = self.cell.drained.notified();
            if lock(&self.cell.outbox).is_empty() {
                return;
            }
            drained.await;
        }
    }
}

/// What goes into one put.
struct Batch {
    cells: Vec<Arc<Cell>>,
    records: Vec<StreamRecord>,
}

/// Takes what is ready as far as one put holds it.
///
/// All of it is encoded into one buffer, which its records share: an allocation for each record
/// costs more than encoding it.
fn next_batch(ready: &mut Peekable<IntoIter<Arc<Cell>>>, bytes_hint: usize) -> Batch {
    let mut data = Vec::with_capacity(bytes_hint);
    let (mut cells, mut places) = (Vec::new(), Vec::new());
    while let Some(cell) = ready.peek() {
        let mut outbox = lock(&cell.outbox);
        let bytes_max = outbox.choose();
        if bytes_max == 0 {
            cell.queued.store(false, Ordering::Release);
        } else {
            let full = places.len() == StreamRecord::PUT_RECORDS_MAX
                || data.len() + bytes_max > StreamRecord::PUT_BYTES_MAX;
            if full && !places.is_empty() {
                break;
            }
            let begin = data.len();
            outbox.encode_chosen(&mut data);
            places.push((outbox.heading().key().conversation, begin..data.len()));
        }
        drop(outbox);
        cells.extend(ready.next().filter(|_| bytes_max > 0));
    }
    let data = Bytes::from(data);
    let record = |(partition_key, place)| StreamRecord { partition_key, data: data.slice(place) };
    Batch { cells, records: places.into_iter().map(record).collect() }
}

#[cfg(test)]
mod tests;
