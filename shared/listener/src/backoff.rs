//! How long a refusal is held back: longer with every failed authentication of one source.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use crate::source::Source;

/// Sources that are remembered; the one that failed longest ago is forgotten first.
const SOURCES_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("is not zero");

/// After this long without a failure a source starts again.
///
/// Units: real time.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// An exponential delay per source, in a table of bounded size.
#[derive(Debug)]
pub struct Backoff {
    free: u32,
    first: Duration,
    longest: Duration,
    waiting_max: usize,
    failures: Mutex<LruCache<Source, Failures>>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    waiting: usize,
}

/// A refusal that is held back; it counts as waiting until it is dropped.
#[derive(Debug)]
pub struct Penalty {
    delay: Duration,
    waits: Option<(Arc<Backoff>, Source)>,
}

impl Penalty {
    pub(crate) const NONE: Self = Self { delay: Duration::ZERO, waits: None };

    /// Returns for how long the refusal is held back.
    pub const fn delay(&self) -> Duration {
        self.delay
    }
}

impl Drop for Penalty {
    fn drop(&mut self) {
        if let Some((backoff, source)) = &self.waits
            && let Some(failures) = backoff.lock().peek_mut(source)
        {
            failures.waiting = failures.waiting.saturating_sub(1);
        }
    }
}

impl Backoff {
    /// Delays nothing for the first `free` failures of a source, then `first`, then twice as
    /// long each time up to `longest`; of one source at most `waiting_max` refusals wait.
    pub fn new(free: u32, first: Duration, longest: Duration, waiting_max: usize) -> Arc<Self> {
        let failures = Mutex::new(LruCache::new(SOURCES_MAX));
        Arc::new(Self { free, first, longest, waiting_max, failures })
    }

    /// Counts a failure; returns how long its answer has to wait, or nothing if as many of this
    /// source wait as may, so that the connection is better closed.
    pub fn failed(self: &Arc<Self>, source: Source) -> Option<Penalty> {
        let now = Instant::now();
        let mut table = self.lock();
        let failures =
            table.get_or_insert_mut(source, || Failures { count: 0, last: now, waiting: 0 });
        if now.duration_since(failures.last) > FORGET_AFTER {
            failures.count = 0;
        }
        (failures.count, failures.last) = (failures.count.saturating_add(1), now);
        if failures.waiting >= self.waiting_max {
            return None;
        }
        failures.waiting += 1;
        let delay = match failures.count.checked_sub(self.free + 1) {
            None => Duration::ZERO,
            Some(step) => {
                let factor = 2_u32.checked_pow(step).unwrap_or(u32::MAX);
                self.first.saturating_mul(factor).min(self.longest)
            }
        };
        drop(table);
        Some(Penalty { delay, waits: Some((Arc::clone(self), source)) })
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Source, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceRules;

    fn source(number: u32) -> Source {
        let address = std::net::Ipv4Addr::from_bits(number);
        SourceRules::default().of_peer(address.into()).unwrap()
    }

    fn backoff(free: u32, waiting_max: usize) -> Arc<Backoff> {
        Backoff::new(free, Duration::from_secs(1), Duration::from_secs(5), waiting_max)
    }

    fn seconds(penalty: Option<Penalty>) -> u64 {
        penalty.unwrap().delay().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_one_source_take_twice_as_long_each_time() {
        let backoff = backoff(2, 1);
        let delays: Vec<u64> = (0..7).map(|_| seconds(backoff.failed(source(1)))).collect();
        assert_eq!(delays, [0, 0, 1, 2, 4, 5, 5]);
        assert_eq!(seconds(backoff.failed(source(2))), 0, "another source is not delayed");
        tokio::time::advance(FORGET_AFTER * 2).await;
        assert_eq!(seconds(backoff.failed(source(1))), 0, "failures are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_few_refusals_of_one_source_wait() {
        let backoff = backoff(0, 2);
        let waiting: Vec<_> = (0..3).map(|_| backoff.failed(source(1))).collect();
        assert_eq!(waiting.iter().flatten().count(), 2);
        assert!(backoff.failed(source(2)).is_some(), "another source has places of its own");
        drop(waiting);
        assert!(backoff.failed(source(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn table_of_failed_sources_is_bounded() {
        let backoff = backoff(0, 1);
        for number in 0..100_000 {
            assert!(backoff.failed(source(number)).is_some());
        }
        assert_eq!(backoff.lock().len(), SOURCES_MAX.get());
    }
}
