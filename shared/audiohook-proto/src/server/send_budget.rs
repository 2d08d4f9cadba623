//! How many messages the client takes from us: a token bucket in one timestamp.
//!
//! The bucket is kept as the moment at which it will be full again (the generic cell rate
//! algorithm), so nothing has to be refilled.
//! Source: docs/wire/audiohook.md, "Rate limits".

use serde::{Deserialize, Serialize};
use sidetone_model::Timestamp;

use super::config::ServerConfig;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct SendBudget {
    full_at: Option<Timestamp>,
    held_until: Option<Timestamp>,
}

impl SendBudget {
    /// Returns from when on a message that can wait may be sent.
    pub(super) fn ready_at(&self, config: &ServerConfig) -> Option<Timestamp> {
        let burst = config.send_interval.saturating_mul(config.send_burst.saturating_sub(1));
        self.full_at.map(|full_at| full_at - burst).max(self.held_until)
    }

    /// Returns whether a message that can wait may be sent.
    pub(super) fn is_ready(&self, now: Timestamp, config: &ServerConfig) -> bool {
        self.ready_at(config).is_none_or(|ready_at| ready_at <= now)
    }

    /// Counts a message; those that cannot wait are counted without asking.
    pub(super) fn spend(&mut self, now: Timestamp, config: &ServerConfig) {
        let empty = now + config.send_interval.saturating_mul(config.send_burst);
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + config.send_interval;
        self.full_at = Some(full_at.min(empty));
    }

    /// Holds back what can wait: the client has had enough.
    pub(super) fn hold_until(&mut self, moment: Timestamp) {
        self.held_until = self.held_until.max(Some(moment));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_25_then_five_a_second() {
        let config = ServerConfig::DEFAULT;
        let mut budget = SendBudget::default();
        let sent = (0..10_000).filter(|millis| {
            let now = Timestamp::from_millis(*millis);
            let ready = budget.is_ready(now, &config);
            if ready {
                budget.spend(now, &config);
            }
            ready
        });
        assert_eq!(sent.count(), 25 + 49);
    }

    #[test]
    fn what_cannot_wait_never_runs_up_a_debt() {
        let config = ServerConfig::DEFAULT;
        let mut budget = SendBudget::default();
        for _ in 0..1_000 {
            budget.spend(Timestamp::from_millis(0), &config);
        }
        assert_eq!(budget.ready_at(&config), Some(Timestamp::from_millis(200)));
    }

    #[test]
    fn is_held_back_as_long_as_the_client_says() {
        let mut budget = SendBudget::default();
        budget.hold_until(Timestamp::from_millis(2_000));
        budget.hold_until(Timestamp::from_millis(1_000));
        assert!(!budget.is_ready(Timestamp::from_millis(1_999), &ServerConfig::DEFAULT));
        assert!(budget.is_ready(Timestamp::from_millis(2_000), &ServerConfig::DEFAULT));
    }
}
