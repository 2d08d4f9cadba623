//! How the tracker is doing, for readiness and for the live table.

use std::collections::BTreeMap;
use std::sync::Arc;

use sidetone_model::{OrganizationId, Timestamp};
use tokio::sync::watch;

/// A tracker's state at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrackerStatus {
    /// The organization, once Genesys named it.
    pub organization: Option<OrganizationId>,
    /// The sockets that are open with their topics set, by place in the plan, each with the
    /// moment its notification channel was made.
    pub channels: BTreeMap<usize, Timestamp>,
    /// How many channels there should be, once the users were listed.
    pub channels_wanted: Option<usize>,
    /// How many Genesys users are followed.
    pub followed: usize,
    /// How many telephony agent ids several Genesys users have.
    pub collisions: usize,
    /// How many followed users' topics Genesys would not give.
    pub rejected: BTreeMap<usize, usize>,
    /// When the last conversation was heard of.
    pub last_event_at: Option<Timestamp>,
    /// What stands in the way at present, in words for an operator.
    pub problem: Option<String>,
}

impl TrackerStatus {
    /// Returns whether events of all followed users can arrive.
    ///
    /// With nobody to follow there is nothing to connect, which is as good.
    pub fn is_connected(&self) -> bool {
        self.channels_wanted.is_some_and(|wanted| self.channels.len() >= wanted)
    }

    /// Returns when the oldest notification channel in use was made.
    pub fn oldest_channel(&self) -> Option<Timestamp> {
        self.channels.values().min().copied()
    }
}

/// Where the tracker's parts write their state.
#[derive(Debug, Clone)]
pub(crate) struct StatusBoard {
    sender: Arc<watch::Sender<TrackerStatus>>,
}

impl StatusBoard {
    pub(crate) fn new() -> Self {
        Self { sender: Arc::new(watch::Sender::new(TrackerStatus::default())) }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<TrackerStatus> {
        self.sender.subscribe()
    }

    /// Returns whether events of all followed users can arrive.
    pub(crate) fn is_connected(&self) -> bool {
        self.sender.borrow().is_connected()
    }

    /// Changes the state and wakes whoever watches it.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut TrackerStatus)) {
        self.sender.send_modify(change);
    }

    /// Notes the time of an event, which wakes nobody.
    pub(crate) fn heard(&self, now: Timestamp) {
        self.sender.send_if_modified(|status| {
            status.last_event_at = Some(now);
            false
        });
    }
}
