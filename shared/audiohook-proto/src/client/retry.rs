//! How often and after which waits a client tries again to set a session up.
//!
//! Source: docs/wire/audiohook.md, "Retries"; the figures of the backoff are ours.

use std::time::Duration;

/// Attempts after the first, each after twice the wait of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub retries_max: u32,
    /// The wait before the first of them.
    pub first_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries_max: 5, first_wait: Duration::from_millis(500) }
    }
}

impl RetryPolicy {
    /// Returns the wait before a retry, counted from 1; nothing once they are used up.
    pub fn wait_before(&self, retry: u32) -> Option<Duration> {
        let doublings = retry.checked_sub(1)?;
        (retry <= self.retries_max)
            .then(|| self.first_wait.saturating_mul(2_u32.saturating_pow(doublings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_retries_each_after_twice_the_wait() {
        let policy = RetryPolicy::default();
        let waits: Vec<_> =
            (0..=6).map(|retry| policy.wait_before(retry).map(|wait| wait.as_millis())).collect();
        let expected = [None, Some(500), Some(1_000), Some(2_000), Some(4_000), Some(8_000), None];
        assert_eq!(waits, expected);
    }
}
