//! Messages that came before their turn, in the order of their places.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_model::Timestamp;

use crate::arrival::{Content, Place};

/// How long a message waits for those before it. API Gateway mixes up messages by milliseconds;
/// what is not there by then was lost.
pub(crate) const EARLY_MAX: Duration = Duration::from_secs(2);

/// How many messages may wait; a client sends far fewer in [`EARLY_MAX`].
const WAITING_MAX: usize = 256;

/// How many bytes may wait: four seconds of media.
const WAITING_BYTES_MAX: usize = 64 * 1024;

/// What waits.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Inbox(BTreeMap<Place, Waiting>);

/// A message that waits.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// When it came.
    pub(crate) at: Timestamp,
    /// Tells a repeat from another message of the same place.
    pub(crate) print: u64,
    /// What it is.
    pub(crate) content: Content,
}

impl Inbox {
    /// Lays a message down, unless one of its place is there; returns whether it did.
    pub(crate) fn insert(&mut self, place: Place, waiting: Waiting) -> bool {
        let is_new = !self.0.contains_key(&place);
        if is_new {
            self.0.insert(place, waiting);
        }
        is_new
    }

    /// Returns the first in order.
    pub(crate) fn first(&self) -> Option<(Place, &Waiting)> {
        self.0.first_key_value().map(|(place, waiting)| (*place, waiting))
    }

    /// Takes out the first in order.
    pub(crate) fn pop(&mut self) -> Option<(Place, Waiting)> {
        self.0.pop_first()
    }

    /// Returns when one of them has waited long enough.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.0.values().map(|waiting| waiting.at + EARLY_MAX).min()
    }

    /// Returns whether the first must not wait any longer.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        let bytes: usize = self.0.values().map(|waiting| waiting.content.bytes()).sum();
        self.deadline().is_some_and(|deadline| deadline <= now)
            || self.0.len() > WAITING_MAX
            || bytes > WAITING_BYTES_MAX
    }
}
