//! The three duties of a connection, and whose turn it is at each.
//!
//! Any number of invocations may step a connection; at each desk only one of them acts. A turn
//! lapses, so that a holder who died is followed by whoever comes next.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_model::Timestamp;

/// How long a turn holds. Its holder renews it with each write.
const TURN_LIFE: Duration = Duration::from_secs(5);

/// How long before its end the holder stops acting: clocks of different machines differ.
const TURN_MARGIN: Duration = Duration::from_secs(1);

/// What is to be done for a connection besides stepping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Tell the client, one message after the other.
    Speak,
    /// Write the session's item and read its conversation.
    Save,
    /// Put records into the stream.
    Publish,
}

impl Duty {
    /// All of them; apart, as a stream that stands still must not keep a client waiting.
    pub(crate) const ALL: [Self; 3] = [Self::Speak, Self::Save, Self::Publish];
}

/// One per duty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PerDuty<T> {
    speak: T,
    save: T,
    publish: T,
}

impl<T> PerDuty<T> {
    /// Returns the one of a duty.
    pub(crate) const fn of(&self, duty: Duty) -> &T {
        match duty {
            Duty::Speak => &self.speak,
            Duty::Save => &self.save,
            Duty::Publish => &self.publish,
        }
    }

    /// Returns the one of a duty, to be changed.
    pub(crate) const fn of_mut(&mut self, duty: Duty) -> &mut T {
        match duty {
            Duty::Speak => &mut self.speak,
            Duty::Save => &mut self.save,
            Duty::Publish => &mut self.publish,
        }
    }
}

/// Who acts, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Turn {
    holder: String,
    until: Timestamp,
}

/// One duty's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Desk {
    turn: Option<Turn>,
    failures: u32,
    /// Until when the duty rests after a failure.
    retry_at: Option<Timestamp>,
}

impl Desk {
    /// Returns whether the turn is a holder's.
    pub(crate) fn is_held_by(&self, holder: &str) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.holder == holder)
    }

    /// Returns until when the holder may act; nothing if the turn is another's.
    pub(crate) fn acts_until(&self, holder: &str) -> Option<Timestamp> {
        let turn = self.turn.as_ref().filter(|turn| turn.holder == holder)?;
        Some(turn.until - TURN_MARGIN)
    }

    /// Takes or renews the turn, if it is the holder's or nobody's; returns whether it was
    /// taken from another.
    pub(crate) fn take(&mut self, now: Timestamp, holder: &str) -> bool {
        let lapsed = match &self.turn {
            Some(turn) if turn.holder != holder && now < turn.until => return false,
            Some(turn) => turn.holder != holder,
            None => false,
        };
        self.turn = Some(Turn { holder: holder.to_owned(), until: now + TURN_LIFE });
        lapsed
    }

    /// Gives the turn back, if it is the holder's.
    pub(crate) fn give_back(&mut self, holder: &str) {
        self.turn = self.turn.take().filter(|turn| turn.holder != holder);
    }

    /// Returns whether the duty rests.
    pub(crate) fn rests(&self, now: Timestamp) -> bool {
        self.retry_at.is_some_and(|retry_at| now < retry_at)
    }

    /// Returns when the duty, having work, is to be looked at.
    pub(crate) fn due(&self, now: Timestamp) -> Timestamp {
        match &self.turn {
            Some(turn) => turn.until,
            None => self.retry_at.unwrap_or(now),
        }
    }

    /// Notes how it went.
    pub(crate) fn note(&mut self, now: Timestamp, went_well: bool, first: Duration, max: Duration) {
        if went_well {
            (self.failures, self.retry_at) = (0, None);
        } else {
            let rest = first.saturating_mul(1 << self.failures.min(16)).min(max);
            self.failures = self.failures.saturating_add(1);
            self.retry_at = Some(now + rest);
        }
    }
}

impl Serialize for PerDuty<Desk> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.speak, &self.save, &self.publish).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PerDuty<Desk> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (speak, save, publish) = Deserialize::deserialize(deserializer)?;
        Ok(Self { speak, save, publish })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_acts_until_the_turn_lapses() {
        let at = |secs: i64| Timestamp::from_millis(secs * 1_000);
        let mut desk = Desk::default();
        assert!(!desk.take(at(0), "a"));
        assert_eq!(desk.acts_until("a"), Some(at(4)));
        assert!(!desk.take(at(4), "b"));
        assert!(desk.is_held_by("a"));
        assert!(desk.take(at(5), "b"));
        assert!(desk.is_held_by("b"));
        desk.give_back("a");
        assert!(desk.is_held_by("b"));
        desk.give_back("b");
        assert_eq!(desk, Desk::default());
    }

    #[test]
    fn rests_longer_with_each_failure() {
        let now = Timestamp::from_millis(0);
        let (first, max) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut desk = Desk::default();
        let mut rests = Vec::new();
        for _ in 0..7 {
            desk.note(now, false, first, max);
            rests.push(desk.due(now).as_millis());
        }
        assert_eq!(rests, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        desk.note(now, true, first, max);
        assert!(!desk.rests(now));
    }
}
