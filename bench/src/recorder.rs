//! A recorder for the metrics facade that keeps exact histograms until they are asked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use serde::{Deserialize, Serialize};

use crate::figures::{Latencies, Latency};

/// Keeps everything that is counted; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book(Arc<Pages>);

#[derive(Debug, Default)]
struct Pages {
    histograms: Mutex<BTreeMap<String, Arc<Series>>>,
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

#[derive(Debug, Default)]
struct Series(Mutex<Latencies>);

/// What a book says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Extract {
    /// Each histogram since the last extract.
    pub(crate) latencies: BTreeMap<String, Latency>,
    /// Each counter since the beginning.
    pub(crate) counters: BTreeMap<String, u64>,
}

impl Book {
    /// Returns what was recorded; histograms begin anew.
    pub(crate) fn extract(&self) -> Extract {
        let series = lock(&self.0.histograms);
        let take = |series: &Series| std::mem::take(&mut *lock(&series.0)).figure();
        let counters = lock(&self.0.counters);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Extract {
            latencies: series.iter().map(|(name, one)| (name.clone(), take(one))).collect(),
            counters: counters.iter().map(|(name, one)| (name.clone(), read(one))).collect(),
        }
    }
}

impl HistogramFn for Series {
    fn record(&self, seconds: f64) {
        lock(&self.0).record_seconds(seconds);
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut name = key.name().to_owned();
        for label in key.labels() {
            name.push_str(&format!(" {}={}", label.key(), label.value()));
        }
        Counter::from_arc(Arc::clone(lock(&self.0.counters).entry(name).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(AtomicU64::default()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut histograms = lock(&self.0.histograms);
        if let Some(series) = histograms.get(key.name()) {
            return Histogram::from_arc(Arc::clone(series));
        }
        let series = Arc::clone(histograms.entry(key.name().to_owned()).or_default());
        Histogram::from_arc(series)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn histograms_begin_anew_and_counters_go_on() {
        let book = Book::default();
        metrics::with_local_recorder(&book, || {
            metrics::histogram!("wait").record(Duration::from_millis(20));
            metrics::counter!("refused", "reason" => "key").increment(2);
        });
        let extract = book.extract();
        assert_eq!(extract.latencies["wait"].count, 1);
        assert!((extract.latencies["wait"].p99_ms - 20.0).abs() < 0.1);
        assert_eq!(extract.counters["refused reason=key"], 2);
        let extract = book.extract();
        assert_eq!(extract.latencies["wait"].count, 0);
        assert_eq!(extract.counters["refused reason=key"], 2);
    }
}
