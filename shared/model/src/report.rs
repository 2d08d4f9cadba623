//! What is stored of an organization as a whole: how its tracker does, and who was turned away.
//!
//! It stands in the calls table under the nil conversation, which Genesys gives to probes only.
//! Refuses: names, numbers, secrets. It is read by whoever explains a call.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How a tracker was doing when it last said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerReport {
    /// When it said so; one that runs says so several times a minute.
    pub at: Timestamp,
    /// Since when events of everybody whom it follows arrive without a break; absent while they
    /// do not.
    pub connected_since: Option<Timestamp>,
    /// How many Genesys users it follows.
    pub followed: usize,
    /// How many telephony agent ids several Genesys users have.
    pub collisions: usize,
    /// How many followed users' topics Genesys would not give.
    pub rejected: usize,
    /// When it last heard of any conversation.
    pub last_event_at: Option<Timestamp>,
    /// What stood in its way, in words for an operator.
    pub problem: Option<String>,
    /// By how much the clock of its machine is ahead of Genesys', where the two differ. Units:
    /// milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_ms: Option<i64>,
}

impl TrackerReport {
    /// The name of its item.
    pub const ITEM_NAME: &str = "tracker#report";
}

/// Handshakes in an organization's name that a door refused for one reason.
///
/// Nobody has proved to be of that organization: it is what the requests claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalReport {
    /// Why, as metrics and log name it.
    pub reason: String,
    /// When the first of them came.
    pub first_at: Timestamp,
    /// When the last of them came.
    pub last_at: Timestamp,
    /// How many there were.
    pub count: u64,
}

impl RefusalReport {
    /// What the names of its items begin with.
    pub const ITEM_PREFIX: &str = "refusal#";
}
