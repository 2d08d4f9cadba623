//! Log lines about what outsiders can cause at any rate: some of them, and how many were withheld.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines of one event in an [`INTERVAL`].
const LINES_MAX: u64 = 10;

/// How long a window lasts.
///
/// Units: real time.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// Lets some lines of each event through. Events are named in the code, so there are few.
#[derive(Debug, Default)]
pub struct Sampler {
    windows: Mutex<HashMap<&'static str, Window>>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    seen: u64,
}

impl Window {
    const fn withheld(&self) -> u64 {
        self.seen.saturating_sub(LINES_MAX)
    }
}

impl Sampler {
    /// Counts an event; returns whether it is to be logged.
    pub fn permit(&self, event: &'static str) -> bool {
        let now = Instant::now();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(event).or_insert(Window { since: now, seen: 0 });
        window.seen += 1;
        let permitted = window.seen <= LINES_MAX;
        // A window is closed by `report`; without it, by the first line that is due.
        if !permitted && now.duration_since(window.since) >= INTERVAL * 2 {
            let withheld = window.withheld();
            *window = Window { since: now, seen: 1 };
            drop(windows);
            report(event, withheld);
            return true;
        }
        permitted
    }

    /// Logs how many lines were withheld of each event whose window is over.
    pub fn report(&self) {
        let now = Instant::now();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut over = Vec::new();
        windows.retain(|event, window| {
            let ended = now.duration_since(window.since) >= INTERVAL;
            if ended {
                over.push((*event, window.withheld()));
            }
            !ended
        });
        drop(windows);
        for (event, withheld) in over {
            report(event, withheld);
        }
    }
}

fn report(event: &'static str, withheld: u64) {
    if withheld > 0 {
        tracing::warn!(event, withheld, "similar log lines withheld");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_refusals_are_few_lines() {
        let sampler = Sampler::default();
        let lines = |count: u32| (0..count).filter(|_| sampler.permit("refused")).count();
        assert_eq!(lines(100_000), 10);
        assert!(sampler.permit("crowded"), "another event has lines of its own");
        sampler.report();
        assert_eq!(lines(10), 0, "the window is not over");
        tokio::time::advance(INTERVAL).await;
        sampler.report();
        assert_eq!(lines(100), 10, "the next window begins");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sampler_that_is_never_reported_goes_on_logging() {
        let sampler = Sampler::default();
        assert_eq!((0..100).filter(|_| sampler.permit("refused")).count(), 10);
        tokio::time::advance(INTERVAL * 2).await;
        assert!(sampler.permit("refused"));
    }
}
