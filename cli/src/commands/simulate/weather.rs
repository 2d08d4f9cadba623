//! When this machine stood still: what a fast clock makes of it is no fault of Sidetone's.
//!
//! At ten times the world's speed, 50 ms without a processor or a disk are half a second of
//! the calls that are played. Whoever judges a call has to know of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use sidetone_model::Timestamp;
use sidetone_ports::{Clock, PutOutcome, RecordSink, SinkError, StreamRecord};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often it is looked whether time goes on. Units: real time.
const BEAT: Duration = Duration::from_millis(3);

/// From when on standing still counts. Units: the clock's time.
const STILL_MIN: Duration = Duration::from_millis(80);

/// Tasks that look; a machine may leave one of its processors alone and not the other.
const WATCHERS: usize = 2;

/// Moments that are remembered; a machine that stands still more often is of no use anyway.
const STILL_MAX: usize = 50_000;

/// Watches the machine; cheap to clone.
#[derive(Clone)]
pub(super) struct Weather {
    clock: Clock,
    still: Arc<Mutex<Vec<Still>>>,
    _watching: Arc<Watching>,
}

/// For so long it stood still.
#[derive(Debug, Clone, Copy)]
struct Still {
    ended_at: Timestamp,
    lasted: Duration,
}

/// Ends the watch when nobody needs it any longer.
struct Watching {
    ended: Arc<AtomicBool>,
    _tasks: DropGuard,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Weather {
    /// Begins to watch, with a thread for the processors and tasks for the runtime.
    pub(super) fn watch(clock: Clock) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = CancellationToken::new();
        let still = Arc::new(Mutex::new(Vec::new()));
        let watching = Watching { ended: Arc::clone(&ended), _tasks: stop.clone().drop_guard() };
        let weather = Self { clock, still, _watching: Arc::new(watching) };
        let notes = Notes { clock, still: Arc::clone(&weather.still) };
        for _ in 0..WATCHERS {
            let (notes, stop) = (notes.clone(), stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(notes.keep()).await });
        }
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let before = Instant::now();
                thread::sleep(BEAT);
                notes.note(before.elapsed().saturating_sub(BEAT));
            }
        });
        weather
    }

    /// Returns how long the machine stood still at worst between two moments, if it did.
    ///
    /// Units: the clock's time.
    pub(super) fn worst(&self, from: Timestamp, to: Timestamp) -> Option<Duration> {
        let still = lock(&self.still);
        let within =
            still.iter().filter(|one| one.ended_at >= from && one.ended_at - one.lasted <= to);
        within.map(|one| one.lasted).max()
    }

    /// Puts a watch on a stream's puts, which wait for the disk.
    pub(super) fn on<S>(&self, sink: S) -> WatchedSink<S> {
        let notes = Notes { clock: self.clock, still: Arc::clone(&self.still) };
        WatchedSink { sink, notes }
    }
}

#[derive(Clone, Debug)]
struct Notes {
    clock: Clock,
    still: Arc<Mutex<Vec<Still>>>,
}

impl Notes {
    async fn keep(self) {
        loop {
            let before = Instant::now();
            tokio::time::sleep(BEAT).await;
            self.note(before.elapsed().saturating_sub(BEAT));
        }
    }

    fn note(&self, late: Duration) {
        let lasted = late.mul_f64(self.clock.speed());
        if lasted >= STILL_MIN {
            let mut still = lock(&self.still);
            if still.len() < STILL_MAX {
                still.push(Still { ended_at: self.clock.now(), lasted });
            }
        }
    }
}

/// A stream whose slow puts are noted.
#[derive(Clone, Debug)]
pub(super) struct WatchedSink<S> {
    sink: S,
    notes: Notes,
}

impl<S: RecordSink> RecordSink for WatchedSink<S> {
    async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
        let before = Instant::now();
        let outcome = self.sink.put(records).await;
        self.notes.note(before.elapsed());
        outcome
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_that_stands_still_is_noticed() {
        let clock = Clock::scaled(10.0);
        let weather = Weather::watch(clock);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let from = clock.now();
        // Nobody else runs on this test's one thread meanwhile.
        thread::sleep(Duration::from_millis(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let worst = weather.worst(from, clock.now()).unwrap();
        assert!(worst >= Duration::from_millis(400), "{worst:?}");
        assert_eq!(
            weather.worst(from - Duration::from_secs(60), from - Duration::from_secs(50)),
            None
        );
    }
}
