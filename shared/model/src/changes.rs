//! A state that comes and goes and has no time of its own: what was seen of it, and when.
//!
//! Whoever looks notes when it looked otherwise than before. Several who looked join what they
//! saw, in any order and any number of times; that they saw the same a moment apart makes no
//! second stretch.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How much later than the last change one is noted that seems to have come before it.
const STEP: Duration = Duration::from_micros(1);

/// The changes of a state, by the moments at which they were seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(Timestamp, bool)>", into = "Vec<(Timestamp, bool)>")]
pub struct Changes(BTreeMap<Timestamp, bool>);

impl Changes {
    /// Notes how it looks; nothing if it looked so before.
    ///
    /// For one who looks again and again: what is seen later is newer, whatever the clock says.
    pub fn note(&mut self, at: Timestamp, on: bool) {
        if self.is_on() == on {
            return;
        }
        let at = self.0.last_key_value().map_or(at, |(last, _)| at.max(*last + STEP));
        self.0.insert(at, on);
    }

    /// Returns how it looked last; it is off before anybody looked.
    pub fn is_on(&self) -> bool {
        self.0.last_key_value().is_some_and(|(_, on)| *on)
    }

    /// Joins what another saw.
    pub fn merge(&mut self, other: &Self) {
        for (at, on) in &other.0 {
            *self.0.entry(*at).or_default() |= on;
        }
    }

    /// Returns what there is to say of it from a moment on.
    pub(crate) fn since(&self, at: Timestamp) -> Self {
        let (before, mut after) = (self.0.range(..=at).next_back(), self.0.clone());
        after.retain(|seen, _| *seen > at);
        if before.is_some_and(|(_, on)| *on) {
            after.insert(at, true);
        }
        Self(after)
    }

    /// Returns from when to when it was on, oldest first; without an end while it lasts.
    pub fn stretches(&self) -> Vec<(Timestamp, Option<Timestamp>)> {
        let mut stretches: Vec<(Timestamp, Option<Timestamp>)> = Vec::new();
        let mut was_on = false;
        for (at, on) in &self.0 {
            match (was_on, on) {
                (false, true) => stretches.push((*at, None)),
                (true, false) => {
                    if let Some((_, to)) = stretches.last_mut() {
                        *to = Some(*at);
                    }
                }
                (true, true) | (false, false) => {}
            }
            was_on = *on;
        }
        stretches
    }
}

impl From<Vec<(Timestamp, bool)>> for Changes {
    fn from(changes: Vec<(Timestamp, bool)>) -> Self {
        Self(changes.into_iter().collect())
    }
}

impl From<Changes> for Vec<(Timestamp, bool)> {
    fn from(changes: Changes) -> Self {
        changes.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn seen(changes: &[(i64, bool)]) -> Changes {
        let mut all = Changes::default();
        changes.iter().for_each(|&(millis, on)| all.note(at(millis), on));
        all
    }

    #[test]
    fn only_what_changes_is_noted() {
        let changes = seen(&[(1, false), (2, true), (3, true), (4, false), (5, false), (6, true)]);
        assert_eq!(changes.stretches(), [(at(2), Some(at(4))), (at(6), None)]);
        assert!(changes.is_on());
    }

    #[test]
    fn what_comes_later_is_newer_whatever_the_clock_says() {
        let changes = seen(&[(5, true), (5, false), (4, true)]);
        assert!(changes.is_on());
        assert_eq!(changes.stretches().len(), 2);
    }

    #[test]
    fn who_came_in_the_middle_saw_the_same_stretch() {
        let mut all = seen(&[(1, true), (9, false)]);
        all.merge(&seen(&[(4, true), (10, false)]));
        assert_eq!(all.stretches(), [(at(1), Some(at(9)))]);
    }
}
