//! Judges whether others are alive by whether their counters move, on the observer's own clock.
//!
//! Two machines' clocks may be apart by any amount, so no moment that another machine wrote is
//! compared with a moment read here. An observer keeps what it saw and since when it saw it
//! unchanged, as the DynamoDB lock client and the Kinesis Client Library do.
//! Source: <https://aws.amazon.com/blogs/database/building-distributed-locks-with-the-dynamodb-lock-client/>.

use std::collections::BTreeMap;
use std::time::Duration;

use sidetone_model::Timestamp;

use crate::clock::Clock;
use crate::error::StoreError;
use crate::lease::{Claim, Fence, LeaseBeat, LeaseStore};

/// By how much of the world's time a look may be late. An observer that is later did not run
/// itself, so what it observed does not know whether the others ran.
const LATE_MAX: Duration = Duration::from_secs(1);

/// How many looks fit into the shortest life that is waited for.
const LOOKS_IN_A_LIFE: u32 = 10;

/// What an observer saw unchanged, and since when.
///
/// `K` is whatever changes while its subject lives: an owner with its beat, a lease with its
/// fence and beat, a state with its revision.
#[derive(Debug)]
pub struct Observed<K> {
    gap_max: Duration,
    looked_at: Option<Timestamp>,
    unchanged_since: BTreeMap<K, Timestamp>,
}

impl<K: Ord + Clone> Observed<K> {
    /// Begins an observation of one look every `interval` of this clock.
    pub fn every(interval: Duration, clock: &Clock) -> Self {
        let late_max = LATE_MAX.mul_f64(clock.speed().max(1.0));
        Self { gap_max: interval + late_max, looked_at: None, unchanged_since: BTreeMap::new() }
    }

    /// Takes one look: all that was `found` by a read which was sent at `asked_at` and returned
    /// at `answered_at`, both on the steady clock, each with its life. Returns what has not changed for its whole life.
    ///
    /// A look that comes too late begins the observation anew. What is not found any more is
    /// forgotten.
    pub fn look(
        &mut self,
        asked_at: Timestamp,
        answered_at: Timestamp,
        found: impl IntoIterator<Item = (K, Duration)>,
    ) -> Vec<K> {
        let before = self.looked_at.replace(answered_at).unwrap_or(asked_at);
        let is_late = asked_at.since(before).max(answered_at.since(asked_at)) > self.gap_max;
        let earlier = std::mem::take(&mut self.unchanged_since);
        let mut silent = Vec::new();
        for (key, life) in found {
            // First seen when the answer came, still seen when the question left: both err
            // towards alive.
            let since = earlier.get(&key).copied().filter(|_| !is_late).unwrap_or(answered_at);
            if since < asked_at && asked_at.since(since) >= life {
                silent.push(key.clone());
            }
            self.unchanged_since.insert(key, since);
        }
        silent
    }
}

/// A lease that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// Under which fence.
    pub fence: Fence,
    /// When it was asked for: its life begins no earlier for any observer.
    pub since: Timestamp,
}

/// Takes a lease that is free or offered at once, and a held one after its beat has not moved
/// for its whole life; nothing as soon as it is seen to move.
pub async fn claim<L: LeaseStore>(
    leases: &L,
    clock: &Clock,
    name: &str,
    holder: &str,
    life: Duration,
) -> Result<Option<Granted>, StoreError> {
    let interval = life / LOOKS_IN_A_LIFE;
    let mut observed = Observed::every(interval, clock);
    let (mut first, mut silent) = (None::<LeaseBeat>, None);
    loop {
        let asked_at = clock.steady();
        let found = match leases.acquire(name, holder, life, silent).await? {
            Claim::Granted(fence) => return Ok(Some(Granted { fence, since: asked_at })),
            Claim::Held(found) => found,
        };
        if *first.get_or_insert(found) != found {
            return Ok(None);
        }
        // Its holder renews it several times in its life, so most calls end within a part of it.
        silent = observed.look(asked_at, clock.steady(), [(found, found.life)]).pop();
        if silent.is_none() {
            clock.sleep(interval).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(15);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    fn observed() -> Observed<(&'static str, u64)> {
        Observed::every(Duration::from_secs(5), &Clock::starting_at(at(0), 1.0))
    }

    /// Looks at each moment and returns the moments at which a counter was found silent.
    fn found_silent(looks: &[(i64, u64)]) -> Vec<i64> {
        let mut observed = observed();
        let silent = looks.iter().filter(|(secs, beat)| {
            !observed.look(at(*secs), at(*secs), [(("owner", *beat), LIFE)]).is_empty()
        });
        silent.map(|(secs, _)| *secs).collect()
    }

    #[test]
    fn a_counter_that_stands_still_for_its_life_is_silent() {
        assert_eq!(found_silent(&[(0, 7), (5, 7), (10, 7), (15, 7), (20, 7)]), [15, 20]);
    }

    #[test]
    fn a_counter_that_moves_is_never_silent() {
        let looks: Vec<_> = (0..100).map(|look| (look * 5, look as u64 / 2)).collect();
        assert!(found_silent(&looks).is_empty());
    }

    #[test]
    fn an_observer_that_was_stopped_observes_anew() {
        let looks = [(0, 7), (5, 7), (10, 7), (40, 7), (45, 7), (50, 7), (55, 7)];
        assert_eq!(found_silent(&looks), [55]);
    }

    #[test]
    fn a_look_that_was_answered_late_begins_anew() {
        let mut observed = observed();
        let key = ("owner", 7);
        for secs in [0, 5, 10] {
            assert!(observed.look(at(secs), at(secs), [(key, LIFE)]).is_empty());
        }
        assert!(observed.look(at(15), at(45), [(key, LIFE)]).is_empty());
        assert!(observed.look(at(50), at(50), [(key, LIFE)]).is_empty());
    }

    #[test]
    fn a_subject_that_was_gone_in_between_is_new() {
        let mut observed = observed();
        let key = ("owner", 7);
        assert!(observed.look(at(0), at(0), [(key, LIFE)]).is_empty());
        assert!(observed.look(at(5), at(5), []).is_empty());
        for secs in [10, 15, 20] {
            assert!(observed.look(at(secs), at(secs), [(key, LIFE)]).is_empty());
        }
        assert_eq!(observed.look(at(25), at(25), [(key, LIFE)]), [key]);
    }

    #[test]
    fn a_life_of_nothing_takes_two_looks() {
        let mut observed = observed();
        let key = ("owner", 7);
        assert!(observed.look(at(0), at(0), [(key, Duration::ZERO)]).is_empty());
        assert_eq!(observed.look(at(1), at(1), [(key, Duration::ZERO)]), [key]);
    }
}
