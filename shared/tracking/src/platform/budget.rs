//! How many requests are left of Genesys' rate limit, as a value.
//!
//! Genesys counts requests by token and minute and says with each answer how many there were.
//! A request too many costs a rest in which nothing can be asked at all, so the last tenth is
//! never used, and what can wait leaves half of the minute to what cannot.
//! Source: docs/wire/notification.md, "Platform API".

use std::time::Duration;

use http::HeaderMap;
use sidetone_model::Timestamp;

/// The longest window: Genesys counts by the minute.
const WINDOW_MAX: Duration = Duration::from_secs(61);

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits, or a channel is at stake.
    Now,
    /// It may wait for the next minute.
    Patient,
}

/// What is known of the current window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Budget {
    /// Whose limit it is.
    token: u64,
    /// As Genesys counted, with what was sent since.
    used: u32,
    /// Nothing before the first answer.
    window: Option<Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    allowed: u32,
    resets_at: Timestamp,
}

impl Budget {
    /// Returns until when a request has to wait; nothing if it may be sent.
    pub(super) fn wait_until(&self, now: Timestamp, urgency: Urgency) -> Option<Timestamp> {
        let window = self.window.filter(|window| now < window.resets_at)?;
        let usable = match urgency {
            Urgency::Now => window.allowed - window.allowed / 10,
            Urgency::Patient => window.allowed / 2,
        };
        // At least one a minute, whatever the limit.
        (self.used >= usable.max(1)).then_some(window.resets_at)
    }

    /// Turns to a newer token, which has a limit of its own.
    pub(super) fn turn_to(&mut self, token: u64) {
        if token > self.token {
            *self = Self { token, ..Self::default() };
        }
    }

    /// Counts a request that is about to be sent.
    pub(super) fn spend(&mut self, now: Timestamp) {
        if self.window.is_some_and(|window| now >= window.resets_at) {
            (self.used, self.window) = (0, None);
        }
        self.used = self.used.saturating_add(1);
    }

    /// Learns from the headers of an answer, where they are.
    pub(super) fn learn(&mut self, token: u64, now: Timestamp, headers: &HeaderMap) {
        if token != self.token {
            return;
        }
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let (Some(count), Some(allowed), Some(reset)) = (
            number("inin-ratelimit-count"),
            number("inin-ratelimit-allowed"),
            number("inin-ratelimit-reset"),
        ) else {
            return;
        };
        let stated = Duration::from_secs(reset);
        if stated > WINDOW_MAX {
            let (stated_s, limit_s) = (reset, WINDOW_MAX.as_secs());
            tracing::warn!(stated_s, limit_s, "rate limit resets later than can be, wait capped");
        }
        let resets_at = now + stated.min(WINDOW_MAX);
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let (count, allowed) = (small(count), small(allowed));
        // Answers may overtake each other; those of one window agree on its end.
        let same = self.window.is_some_and(|window| now < window.resets_at);
        self.used = if same { self.used.max(count) } else { count };
        self.window = Some(Window { allowed, resets_at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    fn headers(count: u32, allowed: u32, reset: u32) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [("count", count), ("allowed", allowed), ("reset", reset)] {
            let name = http::HeaderName::try_from(format!("inin-ratelimit-{name}")).unwrap();
            headers.insert(name, value.into());
        }
        headers
    }

    #[test]
    fn s16_what_can_wait_leaves_half_and_nothing_takes_the_last_tenth() {
        let mut budget = Budget::default();
        assert_eq!(budget.wait_until(at(0), Urgency::Patient), None);
        budget.learn(0, at(0), &headers(149, 300, 61));
        assert_eq!(budget.wait_until(at(0), Urgency::Patient), None);
        budget.spend(at(0));
        assert_eq!(budget.wait_until(at(1), Urgency::Patient), Some(at(61)));
        assert_eq!(budget.wait_until(at(1), Urgency::Now), None);
        budget.learn(0, at(1), &headers(270, 300, 60));
        assert_eq!(budget.wait_until(at(1), Urgency::Now), Some(at(61)));
        // An answer that was overtaken.
        budget.learn(0, at(2), &headers(200, 300, 59));
        assert_eq!(budget.wait_until(at(2), Urgency::Now), Some(at(61)));
        assert_eq!(budget.wait_until(at(61), Urgency::Patient), None);
        budget.spend(at(61));
        budget.learn(0, at(61), &headers(1, 300, 60));
        assert_eq!(budget.wait_until(at(62), Urgency::Patient), None);
    }

    #[test]
    fn a_reset_of_years_or_in_epoch_seconds_waits_a_minute() {
        for reset in [4_000_000_000_u64, 1_786_784_412, u64::MAX] {
            let mut headers = headers(300, 300, 60);
            headers.insert("inin-ratelimit-reset", reset.into());
            let mut budget = Budget::default();
            budget.learn(0, at(0), &headers);
            assert_eq!(budget.wait_until(at(0), Urgency::Now), Some(at(61)), "{reset}");
        }
    }

    #[test]
    fn s16_answers_without_counts_say_nothing() {
        let mut budget = Budget::default();
        for _ in 0..1_000 {
            budget.spend(at(0));
            budget.learn(0, at(0), &HeaderMap::new());
        }
        assert_eq!(budget.wait_until(at(0), Urgency::Now), None);
        budget.learn(0, at(0), &headers(5, 5, 60));
        assert!(budget.wait_until(at(0), Urgency::Now).is_some());
        budget.turn_to(1);
        // An answer to a request with the token before.
        budget.learn(0, at(0), &headers(300, 300, 60));
        assert_eq!(budget.wait_until(at(0), Urgency::Now), None);
    }
}
