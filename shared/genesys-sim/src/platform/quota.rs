//! Rates and waits: how much was asked for in a while, and who came back too soon.

use std::collections::VecDeque;
use std::time::Duration;

use sidetone_model::Timestamp;

/// The length of a rate window.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Requests of one token in the current window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    started_at: Timestamp,
    count: u32,
}

/// Where a request stands in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) count: u32,
    pub(crate) allowed: u32,
    /// Whole seconds until the window ends, at least one.
    pub(crate) reset_seconds: u64,
}

impl Quota {
    pub(crate) const fn is_exceeded(self) -> bool {
        self.count > self.allowed
    }

    /// Returns whether this is the first request too many.
    pub(crate) const fn is_first_excess(self) -> bool {
        self.count == self.allowed + 1
    }
}

impl Window {
    /// Counts one request.
    pub(crate) fn take(&mut self, now: Timestamp, allowed: u32) -> Quota {
        if self.count == 0 || now.since(self.started_at) >= MINUTE {
            *self = Self { started_at: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        let left = MINUTE.saturating_sub(now.since(self.started_at));
        let reset_seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Quota { count: self.count, allowed, reset_seconds: reset_seconds.max(1) }
    }
}

/// When something happened lately.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent {
    times: VecDeque<Timestamp>,
}

impl Recent {
    /// Notes one more and returns how many there were within `span`, this one included.
    pub(crate) fn note(&mut self, now: Timestamp, span: Duration) -> usize {
        while self.times.front().is_some_and(|first| now.since(*first) >= span) {
            self.times.pop_front();
        }
        self.times.push_back(now);
        self.times.len()
    }
}

/// A wait that some client owes.
#[derive(Debug, Clone)]
struct Wait {
    subject: String,
    since: Timestamp,
    told: Duration,
}

/// The waits that are owed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waits {
    open: Vec<Wait>,
}

/// A wait that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Impatience {
    pub(crate) subject: String,
    pub(crate) told: Duration,
    pub(crate) waited: Duration,
}

impl Waits {
    /// Notes that whoever asks for `subject` was told to wait.
    pub(crate) fn owe(&mut self, subject: String, now: Timestamp, told: Duration) {
        self.open.retain(|wait| wait.subject != subject);
        self.open.push(Wait { subject, since: now, told });
    }

    /// Judges a request; reports each broken wait once.
    ///
    /// Requests within `grace` of the answer were on their way when it was given.
    pub(crate) fn judge(
        &mut self,
        subject: &str,
        now: Timestamp,
        grace: Duration,
    ) -> Option<Impatience> {
        self.open.retain(|wait| now.since(wait.since) < wait.told);
        let place = self.open.iter().position(|wait| wait.subject == subject)?;
        let waited = now.since(self.open[place].since);
        if waited <= grace {
            return None;
        }
        let wait = self.open.swap_remove(place);
        Some(Impatience { subject: wait.subject, told: wait.told, waited })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_window_counts_one_minute_and_names_its_end() {
        let mut window = Window::default();
        for count in 1..=3 {
            assert_eq!(window.take(at(0), 3).count, count);
        }
        let excess = window.take(at(18_500), 3);
        assert!(excess.is_exceeded() && excess.is_first_excess());
        assert_eq!(excess.reset_seconds, 42);
        assert!(!window.take(at(19_000), 3).is_first_excess());
        assert_eq!(window.take(at(60_000), 3).count, 1);
    }

    #[test]
    fn who_comes_back_too_soon_is_reported_once() {
        let mut waits = Waits::default();
        let grace = Duration::from_millis(100);
        waits.owe("GET /x".into(), at(0), Duration::from_secs(42));
        assert_eq!(waits.judge("GET /x", at(50), grace), None, "was on its way");
        assert_eq!(waits.judge("GET /y", at(5_000), grace), None);
        let impatience = waits.judge("GET /x", at(5_000), grace).expect("too soon");
        assert_eq!(impatience.waited, Duration::from_secs(5));
        assert_eq!(waits.judge("GET /x", at(5_001), grace), None);
        waits.owe("GET /x".into(), at(0), Duration::from_secs(42));
        assert_eq!(waits.judge("GET /x", at(42_000), grace), None);
    }
}
