//! The recorder behind the `metrics` macros: cells by name and labels, emptied at each flush.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata,
    SharedString, Unit,
};
use serde_json::{Value, json};

/// As many values of one metric as a line may hold.
const SAMPLE_MAX: usize = 100;
/// As many cells as a process may have: metrics times the values of their labels. One more is
/// a label without bounds; it is left out, and said once.
const CELLS_MAX: usize = 2_000;

/// Labels, in the order in which the code names them.
pub(super) type Labels = Vec<(String, String)>;

/// What a metric shows.
pub(super) struct Reading {
    pub(super) name: String,
    pub(super) value: Value,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    cells: Mutex<BTreeMap<Labels, BTreeMap<String, Cell>>>,
    overflowed: AtomicBool,
}

#[derive(Debug, Clone)]
enum Cell {
    Counter(Arc<Count>),
    Gauge(Arc<Level>),
    Histogram(Arc<Sample>),
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

/// A level, as the bits of an `f64`, and whether it was set since the last flush.
#[derive(Debug, Default)]
struct Level {
    bits: AtomicU64,
    set: AtomicBool,
}

#[derive(Debug, Default)]
struct Sample(Mutex<Values>);

#[derive(Debug, Default)]
struct Values {
    kept: Vec<f64>,
    seen: u64,
    dice: u64,
}

impl Recorder {
    /// Returns what every metric shows that moved, by labels, and starts over.
    pub(super) fn take(&self) -> Vec<(Labels, Vec<Reading>)> {
        let cells = lock(&self.0.cells);
        let of_labels = cells.iter().map(|(labels, cells)| {
            let readings = cells.iter().filter_map(|(name, cell)| {
                cell.take().map(|value| Reading { name: name.clone(), value })
            });
            (labels.clone(), readings.collect::<Vec<_>>())
        });
        of_labels.filter(|(_, readings)| !readings.is_empty()).collect()
    }

    /// Finds or makes a cell; the same one for the same name and labels.
    fn cell(&self, key: &Key, make: impl FnOnce() -> Cell) -> Option<Cell> {
        let labels: Labels =
            key.labels().map(|label| (label.key().into(), label.value().into())).collect();
        let mut cells = lock(&self.0.cells);
        let count: usize = cells.values().map(BTreeMap::len).sum();
        let of_labels = cells.entry(labels).or_default();
        if let Some(cell) = of_labels.get(key.name()) {
            return Some(cell.clone());
        }
        if count >= CELLS_MAX {
            if !self.0.overflowed.swap(true, Ordering::Relaxed) {
                tracing::error!(metric = key.name(), "too many metrics; this one is left out");
            }
            return None;
        }
        let cell = make();
        of_labels.insert(key.name().into(), cell.clone());
        Some(cell)
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.cell(key, || Cell::Counter(Arc::default())) {
            Some(Cell::Counter(count)) => Counter::from_arc(count),
            Some(Cell::Gauge(_) | Cell::Histogram(_)) | None => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.cell(key, || Cell::Gauge(Arc::default())) {
            Some(Cell::Gauge(level)) => Gauge::from_arc(level),
            Some(Cell::Counter(_) | Cell::Histogram(_)) | None => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.cell(key, || Cell::Histogram(Arc::default())) {
            Some(Cell::Histogram(sample)) => Histogram::from_arc(sample),
            Some(Cell::Counter(_) | Cell::Gauge(_)) | None => Histogram::noop(),
        }
    }
}

impl Cell {
    fn take(&self) -> Option<Value> {
        match self {
            Self::Counter(count) => {
                let count = count.0.swap(0, Ordering::Relaxed);
                (count > 0).then(|| json!(count))
            }
            Self::Gauge(level) => {
                let set = level.set.swap(false, Ordering::Relaxed);
                set.then(|| json!(f64::from_bits(level.bits.load(Ordering::Relaxed))))
            }
            Self::Histogram(sample) => {
                let mut values = lock(&sample.0);
                values.seen = 0;
                let kept = std::mem::take(&mut values.kept);
                (!kept.is_empty()).then(|| json!(kept))
            }
        }
    }
}

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

impl Level {
    fn change(&self, to: impl Fn(f64) -> f64) {
        // An error is impossible: the closure always returns a value.
        let _ = self.bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
            Some(to(f64::from_bits(bits)).to_bits())
        });
        self.set.store(true, Ordering::Relaxed);
    }
}

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.change(|level| level + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|level| level - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Sample {
    fn record(&self, value: f64) {
        lock(&self.0).add(value);
    }
}

impl Values {
    /// Keeps the first values, and later ones with the chance that makes all equally likely.
    fn add(&mut self, value: f64) {
        // JSON has no infinities.
        if !value.is_finite() {
            return;
        }
        self.seen += 1;
        if self.kept.len() < SAMPLE_MAX {
            self.kept.push(value);
            return;
        }
        let place = self.roll() % self.seen;
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if let Some(kept) = self.kept.get_mut(place) {
            *kept = value;
        }
    }

    /// SplitMix64: a fair die is enough here, and needs no randomness from outside.
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
