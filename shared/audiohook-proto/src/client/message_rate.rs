//! How many messages a server may send before the client says 429.

use std::time::Duration;

use sidetone_model::Timestamp;

/// A sustained rate with a burst; what Genesys applies is not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRate {
    /// The time that one message takes up in the long run.
    pub interval: Duration,
    /// Messages that may come at once.
    pub burst: u32,
}

impl Default for MessageRate {
    /// Five a second, 25 at once: the strictest figures that anybody reports.
    fn default() -> Self {
        Self { interval: Duration::from_millis(200), burst: 25 }
    }
}

impl MessageRate {
    /// Notes a message at `now` and returns how long it came too early, if it did.
    ///
    /// `spent_until` is when the messages so far would have been sent at the sustained rate.
    pub(super) fn note(
        &self,
        spent_until: &mut Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Duration> {
        let base = spent_until.map_or(now, |until| until.max(now));
        let allowance = self.interval * self.burst;
        let next = base + self.interval;
        if next > now + allowance {
            return Some(next.since(now + allowance));
        }
        *spent_until = Some(next);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_counts() {
        let rate = MessageRate::default();
        let mut spent = None;
        let at = Timestamp::from_millis;
        for _ in 0..25 {
            assert_eq!(rate.note(&mut spent, at(0)), None);
        }
        assert_eq!(rate.note(&mut spent, at(0)), Some(Duration::from_millis(200)));
        assert_eq!(rate.note(&mut spent, at(200)), None);
        assert_eq!(rate.note(&mut spent, at(300)), Some(Duration::from_millis(100)));
        assert_eq!(rate.note(&mut spent, at(60_000)), None);
    }
}
