//! How long after it happened an event is in the store, by the source that told of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sidetone_model::{EventSource, Timestamp};
use sidetone_notification_proto::LegUpdate;

/// How many lags of each source are kept to tell of: a minute of a thousand busy agents.
const LAGS_MAX: usize = 4_096;

/// The last lags of every source; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lags(Arc<Mutex<BTreeMap<EventSource, Kept>>>);

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    last: VecDeque<Duration>,
}

/// How late the events of one source were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LagFigures {
    /// How many events there were in all.
    pub count: u64,
    /// The median of the last ones.
    pub p50: Duration,
    /// What 99 in a hundred of the last ones do not exceed.
    pub p99: Duration,
}

impl Lags {
    /// Notes that what happened at a moment is in the store.
    pub(crate) fn note(&self, source: EventSource, happened_at: Timestamp, now: Timestamp) {
        let lag = now.since(happened_at);
        metrics::histogram!("sidetone_event_lag_seconds", "source" => source.as_str()).record(lag);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(source).or_default();
        kept.count += 1;
        if kept.last.len() == LAGS_MAX {
            kept.last.pop_front();
        }
        kept.last.push_back(lag);
    }

    /// Returns the figures of every source that told of anything.
    pub fn figures(&self) -> BTreeMap<EventSource, LagFigures> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = all.iter().filter_map(|(source, kept)| {
            let mut sorted: Vec<Duration> = kept.last.iter().copied().collect();
            sorted.sort_unstable();
            let p50 = *sorted.get(sorted.len() / 2)?;
            let p99 = *sorted.get((sorted.len() * 99).div_ceil(100).saturating_sub(1))?;
            Some((*source, LagFigures { count: kept.count, p50, p99 }))
        });
        figures.collect()
    }
}

/// Returns the latest moment that Genesys named and that was not known before; what has no
/// moment of its own has no lag.
pub(crate) fn fresh_moment(before: Option<&LegUpdate>, after: &LegUpdate) -> Option<Timestamp> {
    let fresh = |of: fn(&LegUpdate) -> Option<Timestamp>| {
        of(after).filter(|_| before.is_none_or(|before| of(before).is_none()))
    };
    let holds = before.map_or(0, |before| before.holds.len());
    let held = after.holds.last().filter(|_| after.holds.len() > holds).map(|hold| hold.from);
    [fresh(|leg| leg.connected_at), fresh(|leg| leg.ended_at), fresh(|leg| leg.wrapped_up_at), held]
        .into_iter()
        .flatten()
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_the_last_lags_of_each_source() {
        let lags = Lags::default();
        let at = Timestamp::from_millis;
        assert!(lags.figures().is_empty());
        for millis in 1..=100 {
            lags.note(EventSource::Socket, at(0), at(millis));
        }
        lags.note(EventSource::EventBus, at(5), at(4));
        let figures = lags.figures();
        let socket = figures[&EventSource::Socket];
        assert_eq!(socket.count, 100);
        assert_eq!(socket.p50, Duration::from_millis(51));
        assert_eq!(socket.p99, Duration::from_millis(99));
        assert_eq!(figures[&EventSource::EventBus].p99, Duration::ZERO);
        for _ in 0..LAGS_MAX {
            lags.note(EventSource::Socket, at(0), at(7));
        }
        assert_eq!(lags.figures()[&EventSource::Socket].p99, Duration::from_millis(7));
    }
}
