//! Plans for notification channels: who is on which, when to doubt a socket, when to renew,
//! how long to wait before the next try.
//!
//! Refuses: sockets, clocks, randomness; the caller says what time it is and how to jitter.
//! Source: docs/wire/notification.md, "Channels".

use std::collections::BTreeSet;
use std::time::Duration;

use sidetone_model::{Timestamp, UserId};

/// The most topics of one notification channel: Genesys answers 400 to more.
pub const TOPICS_PER_CHANNEL_MAX: usize = 1_000;

/// The most notification channels that one OAuth client should use: Genesys keeps 20, and
/// each needs room for its successor while the two overlap.
pub const CHANNELS_PER_CLIENT_MAX: usize = 10;

/// How long a socket may be silent before it is asked whether it lives: heartbeats come every
/// 30 s.
pub const PING_AFTER: Duration = Duration::from_secs(32);

/// How long the answer to a ping may take.
pub const PONG_WITHIN: Duration = Duration::from_secs(8);

/// How long a socket may be silent before it counts as dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(40);

/// How many times in a row a channel's socket may fail before a new channel is made.
pub const RECONNECTS_BEFORE_NEW_CHANNEL: u32 = 3;

/// The longest wait before the next try.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Which users' topics are on which notification channel.
///
/// A user stays where it is, so a change touches few channels: subscribing replaces the whole
/// list of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelPlan {
    channels: Vec<BTreeSet<UserId>>,
}

impl ChannelPlan {
    /// Fits the plan to the wanted users; returns which channels changed, by place.
    ///
    /// Channels that became empty keep their place, so the others keep theirs.
    pub fn assign(&mut self, wanted: &BTreeSet<UserId>) -> Vec<usize> {
        let mut changed = BTreeSet::new();
        let mut missing = wanted.clone();
        for (place, channel) in self.channels.iter_mut().enumerate() {
            let before = channel.len();
            channel.retain(|user| wanted.contains(user));
            if channel.len() != before {
                changed.insert(place);
            }
            channel.iter().for_each(|user| {
                missing.remove(user);
            });
        }
        let mut place = 0;
        for user in missing {
            while self.channels.get(place).is_some_and(|it| it.len() >= TOPICS_PER_CHANNEL_MAX) {
                place += 1;
            }
            if place == self.channels.len() {
                self.channels.push(BTreeSet::new());
            }
            self.channels[place].insert(user);
            changed.insert(place);
        }
        changed.into_iter().collect()
    }

    /// Returns the users of each channel.
    pub fn channels(&self) -> &[BTreeSet<UserId>] {
        &self.channels
    }
}

/// Whether a socket may still be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchdog {
    heard_at: Timestamp,
    asked_at: Option<Timestamp>,
}

/// What to do about a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Nothing until this moment.
    Wait(Timestamp),
    /// Send a ping.
    Ping,
    /// Close it and connect again.
    Dead,
}

impl Watchdog {
    /// Starts watching a socket that was just opened.
    pub const fn new(now: Timestamp) -> Self {
        Self { heard_at: now, asked_at: None }
    }

    /// Notes that a frame came.
    pub const fn heard(&mut self, now: Timestamp) {
        self.heard_at = now;
    }

    /// Notes that a pong came.
    pub const fn heard_pong(&mut self, now: Timestamp) {
        self.heard_at = now;
        self.asked_at = None;
    }

    /// Returns what to do; a [`Watch::Ping`] counts as sent.
    pub fn check(&mut self, now: Timestamp) -> Watch {
        let dead_at = self.heard_at + DEAD_AFTER;
        let dead_at = self.asked_at.map_or(dead_at, |asked| dead_at.min(asked + PONG_WITHIN));
        if now >= dead_at {
            return Watch::Dead;
        }
        if self.asked_at.is_some() {
            return Watch::Wait(dead_at);
        }
        let ask_at = self.heard_at + PING_AFTER;
        if now < ask_at {
            return Watch::Wait(ask_at);
        }
        self.asked_at = Some(now);
        Watch::Ping
    }
}

/// How long to wait before the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes a failure and returns the wait: none at first, then about 1, 2, 4 … 30 s.
    ///
    /// `jitter` is a fraction from 0 to 1, supplied by the caller; it takes up to half off.
    pub fn failed(&mut self, jitter: f64) -> Duration {
        let doublings = self.failures.checked_sub(1);
        self.failures = self.failures.saturating_add(1);
        let Some(doublings) = doublings else { return Duration::ZERO };
        let whole = Duration::from_secs(1 << doublings.min(5)).min(BACKOFF_MAX);
        whole.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// Notes a success.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Returns how many failures there were since the last success.
    pub const fn failures(self) -> u32 {
        self.failures
    }

    /// Returns whether the channel itself is to be doubted.
    pub const fn wants_new_channel(self) -> bool {
        self.failures >= RECONNECTS_BEFORE_NEW_CHANNEL
    }
}

/// Returns when to renew what is valid from one moment to another: after 85 % of its life, at
/// least a minute before its end where it lives that long.
pub fn renew_at(obtained_at: Timestamp, expires_at: Timestamp) -> Timestamp {
    const MARGIN: Duration = Duration::from_secs(60);
    // However short a life Genesys states: renewals cost requests of a limited number.
    const LEAST: Duration = Duration::from_secs(30);
    let life = expires_at.since(obtained_at);
    let early = life.mul_f64(0.85);
    obtained_at + early.min(life.saturating_sub(MARGIN)).max(life / 2).max(LEAST)
}

#[cfg(test)]
mod tests {
    use sidetone_model::UserId;

    use super::*;

    fn users(range: std::ops::Range<u128>) -> BTreeSet<UserId> {
        range.map(|number| format!("{number:032x}")).map(|hex| user(&hex)).collect()
    }

    fn user(hex: &str) -> UserId {
        let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        format!("{a}-{b}-{c}-{d}-{e}").parse().unwrap()
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    #[test]
    fn s17_the_thousand_and_first_agent_needs_a_second_channel() {
        let mut plan = ChannelPlan::default();
        assert_eq!(plan.assign(&users(0..1_000)), [0]);
        assert_eq!(plan.channels().len(), 1);
        assert_eq!(plan.assign(&users(0..1_001)), [1]);
        assert_eq!(plan.channels().len(), 2);
    }

    #[test]
    fn s18_no_channel_ever_has_more_than_a_thousand_topics() {
        let mut plan = ChannelPlan::default();
        for range in [0..10_000, 500..9_000, 0..12_345, 0..0, 5..2_500] {
            let wanted = users(range);
            plan.assign(&wanted);
            assert!(plan.channels().iter().all(|it| it.len() <= TOPICS_PER_CHANNEL_MAX));
            let planned: BTreeSet<_> = plan.channels().iter().flatten().copied().collect();
            assert_eq!(planned, wanted);
            assert_eq!(plan.channels().iter().map(BTreeSet::len).sum::<usize>(), wanted.len());
        }
        plan.assign(&users(0..10_000));
        let mut fresh = ChannelPlan::default();
        fresh.assign(&users(0..10_000));
        assert_eq!(fresh.channels().len(), CHANNELS_PER_CLIENT_MAX);
    }

    #[test]
    fn a_change_touches_only_the_channels_it_concerns() {
        let mut plan = ChannelPlan::default();
        plan.assign(&users(0..3_000));
        assert_eq!(plan.assign(&users(0..3_000)), [] as [usize; 0]);
        assert_eq!(plan.assign(&users(1..3_000)), [0]);
        assert_eq!(plan.assign(&users(1..3_001)), [0]);
    }

    #[test]
    fn s24_a_socket_silent_for_forty_seconds_is_dead() {
        let mut watchdog = Watchdog::new(at(0));
        assert_eq!(watchdog.check(at(0)), Watch::Wait(at(32)));
        assert_eq!(watchdog.check(at(32)), Watch::Ping);
        assert_eq!(watchdog.check(at(33)), Watch::Wait(at(40)));
        assert_eq!(watchdog.check(at(40)), Watch::Dead);
    }

    #[test]
    fn s25_heartbeats_keep_a_socket_alive() {
        let mut watchdog = Watchdog::new(at(0));
        for beat in 1..100 {
            watchdog.heard(at(beat * 30));
            assert_eq!(watchdog.check(at(beat * 30 + 29)), Watch::Wait(at(beat * 30 + 32)));
        }
    }

    #[test]
    fn s26_a_missing_pong_is_a_dead_socket_whatever_else_comes() {
        let mut watchdog = Watchdog::new(at(0));
        assert_eq!(watchdog.check(at(33)), Watch::Ping);
        watchdog.heard(at(34));
        assert_eq!(watchdog.check(at(40)), Watch::Wait(at(41)));
        assert_eq!(watchdog.check(at(41)), Watch::Dead);

        let mut answered = Watchdog::new(at(0));
        assert_eq!(answered.check(at(33)), Watch::Ping);
        answered.heard_pong(at(34));
        assert_eq!(answered.check(at(41)), Watch::Wait(at(66)));
    }

    #[test]
    fn the_first_try_is_at_once_and_the_wait_grows_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.failed(0.0).as_secs()).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert!(backoff.wants_new_channel());
        assert_eq!(backoff.failed(1.0), Duration::from_secs(15));
        backoff.succeeded();
        assert!(!backoff.wants_new_channel());
        assert_eq!(backoff.failed(0.5), Duration::ZERO);
    }

    #[test]
    fn s29_renewal_comes_before_the_end() {
        assert_eq!(renew_at(at(0), at(86_400)), at(73_440));
        assert_eq!(renew_at(at(0), at(300)), at(240));
        assert_eq!(renew_at(at(100), at(160)), at(130));
        // However little is left, and if it is over already.
        assert_eq!(renew_at(at(100), at(101)), at(130));
        assert_eq!(renew_at(at(100), at(50)), at(130));
    }
}
