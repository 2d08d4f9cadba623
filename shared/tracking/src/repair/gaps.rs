//! Since when something may have been missed.

use std::sync::Arc;
use std::time::Duration;

use sidetone_model::Timestamp;
use tokio::sync::watch;

/// How much longer than known a gap is taken to be: a socket may be dead for 40 s before it
/// is found out, and what was heard just before a crash may not have been saved.
pub(super) const GAP_MARGIN: Duration = Duration::from_secs(60);

/// The gaps that are to be mended; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Gaps {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    since: Option<Timestamp>,
    is_mending: bool,
}

impl Gaps {
    pub(crate) fn new() -> Self {
        Self { state: Arc::default() }
    }

    /// Notes that events since that moment may have been missed.
    pub(crate) fn note(&self, since: Timestamp) {
        self.state.send_modify(|state| {
            state.since = Some(state.since.map_or(since, |known| known.min(since)));
        });
    }

    /// Returns whether anything is to be mended, or is being mended.
    pub(crate) fn are_open(&self) -> bool {
        let state = *self.state.borrow();
        state.since.is_some() || state.is_mending
    }

    /// Waits for a gap.
    pub(super) async fn opened(&self) {
        let mut state = self.state.subscribe();
        // The sender is ours, so there is always one.
        drop(state.wait_for(|state| state.since.is_some()).await);
    }

    /// Takes on what is to be mended.
    pub(crate) fn take_on(&self) -> Option<Timestamp> {
        let mut taken = None;
        self.state.send_modify(|state| {
            taken = state.since.take();
            // What is looked at once more stays taken on.
            state.is_mending |= taken.is_some();
        });
        taken
    }

    /// Notes that what was taken on is mended.
    pub(super) fn mended(&self) {
        self.state.send_modify(|state| state.is_mending = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_counts_until_it_is_mended() {
        let at = |secs: i64| Timestamp::from_millis(secs * 1_000);
        let gaps = Gaps::new();
        assert!(!gaps.are_open());
        gaps.note(at(5));
        gaps.note(at(3));
        gaps.note(at(9));
        assert_eq!(gaps.take_on(), Some(at(3)));
        assert!(gaps.are_open());
        gaps.note(at(7));
        gaps.mended();
        assert!(gaps.are_open());
        assert_eq!(gaps.take_on(), Some(at(7)));
        gaps.mended();
        assert!(!gaps.are_open());
        assert_eq!(gaps.take_on(), None);
        assert!(!gaps.are_open());
    }
}
