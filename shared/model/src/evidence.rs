//! What another machine's dates say of one's own clock.
//!
//! Refuses: reading a clock; knowing whose dates they are.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// How long a date counts: steady time drifts, by some seconds an hour on machines that are
/// seldom given a processor.
const LIFE: Duration = Duration::from_secs(180);

/// How many dates are kept; the oldest goes first.
const DATES_MAX: usize = 64;

/// How much steady time may drift against the world, as a share: one part in this many.
///
/// Seen: 30 s in 26 minutes, on a machine under a hypervisor.
const DRIFT_SHARE: i64 = 50;

/// A date in an answer is cut to the second. Units: microseconds.
const DATE_STEP: i64 = 1_000_000;

/// What dates in answers say of the difference between the answering machine's clock and one's
/// own steady time.
///
/// An answer is written after it was asked for and before it arrives. So its date bounds the
/// difference on both sides, and several dates together bound it closely, although each is cut
/// to the second.
#[derive(Debug, Clone, Default)]
pub struct TimeEvidence {
    dates: VecDeque<Bounds>,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    noted_at: Timestamp,
    /// Units: microseconds, as the next.
    least: i64,
    most: i64,
}

impl TimeEvidence {
    /// Notes a date, cut to the second, in an answer to what was asked at `asked_at` and arrived
    /// at `answered_at`, both in steady time.
    ///
    /// What does not fit it any longer is forgotten: the newest date is right.
    pub fn note(&mut self, date: Timestamp, asked_at: Timestamp, answered_at: Timestamp) {
        let newest = Bounds {
            noted_at: answered_at,
            least: date.micros_after(answered_at),
            most: date.micros_after(asked_at).saturating_add(DATE_STEP),
        };
        self.dates.retain(|bounds| {
            let (least, most) = bounds.at(answered_at);
            answered_at.since(bounds.noted_at) < LIFE
                && least <= newest.most
                && newest.least <= most
        });
        if self.dates.len() >= DATES_MAX {
            self.dates.pop_front();
        }
        self.dates.push_back(newest);
    }

    /// Returns the least and the most that the other clock can be ahead of steady time at `now`;
    /// nothing if no date is young enough.
    ///
    /// Units: microseconds.
    pub fn bounds(&self, now: Timestamp) -> Option<(i64, i64)> {
        let young = self.dates.iter().rev().filter(|bounds| now.since(bounds.noted_at) < LIFE);
        young.map(|bounds| bounds.at(now)).reduce(|known, bounds| {
            let both = (known.0.max(bounds.0), known.1.min(bounds.1));
            // Two that exclude each other: the newer one, which came first, is believed.
            if both.0 <= both.1 { both } else { known }
        })
    }
}

impl Bounds {
    /// Returns what is left of the bounds after some drift.
    fn at(self, now: Timestamp) -> (i64, i64) {
        let age = i64::try_from(now.since(self.noted_at).as_micros()).unwrap_or(i64::MAX);
        let drift = age / DRIFT_SHARE;
        (self.least.saturating_sub(drift), self.most.saturating_add(drift))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(moment: i64) -> Timestamp {
        Timestamp::from_micros(moment.div_euclid(DATE_STEP) * DATE_STEP)
    }

    proptest! {
        #[test]
        fn the_true_difference_is_never_excluded(
            ahead in -100_000_000_i64..100_000_000,
            answers in proptest::collection::vec((0_i64..30_000_000, 0_i64..2_000_000, 0_i64..2_000_000), 1..40),
        ) {
            let mut evidence = TimeEvidence::default();
            let mut steady = 1_000_000_000_000_i64;
            for (pause, there, back) in answers {
                let asked = steady + pause;
                let written = asked + there;
                steady = written + back;
                evidence.note(
                    cut(written + ahead),
                    Timestamp::from_micros(asked),
                    Timestamp::from_micros(steady),
                );
                let (least, most) = evidence.bounds(Timestamp::from_micros(steady)).expect("young");
                prop_assert!(least <= ahead && ahead <= most, "{least} {ahead} {most}");
            }
        }
    }

    #[test]
    fn dates_together_bound_closer_than_a_second() {
        let mut evidence = TimeEvidence::default();
        for n in 0..10_i64 {
            let at = 50_000_000 + n * 1_100_000;
            let moment = Timestamp::from_micros(at);
            evidence.note(cut(at + 7_000_000), moment, moment + Duration::from_millis(10));
        }
        let (least, most) = evidence.bounds(Timestamp::from_micros(61_000_000)).expect("young");
        assert!(most - least <= 500_000, "{least} to {most}");
    }

    #[test]
    fn a_clock_that_was_set_is_believed_at_once() {
        let mut evidence = TimeEvidence::default();
        let moment = |secs: i64| Timestamp::from_millis(secs * 1_000);
        evidence.note(moment(100), moment(100), moment(100));
        evidence.note(moment(171), moment(101), moment(101));
        assert_eq!(evidence.bounds(moment(101)), Some((70_000_000, 71_000_000)));
    }
}
