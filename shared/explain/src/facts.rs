//! What is known of one conversation, from every side that may know something.

use std::collections::{BTreeMap, BTreeSet};

use sidetone_delivery_wire::Body;
use sidetone_model::{
    BreachReport, ConnectionId, ConversationId, Leg, OrganizationId, OwnerId, RefusalReport,
    SessionId, SessionItem, Timestamp, TrackerReport,
};

/// Everything that is known of a conversation.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When it was asked.
    pub now: Timestamp,
    /// The organization; absent if none is known here.
    pub organization: Option<OrganizationId>,
    /// The conversation.
    pub conversation: ConversationId,
    /// Its audio sessions, as their doors wrote them.
    pub sessions: Vec<SessionItem>,
    /// Its agents' legs, as call events told of them.
    pub legs: Vec<Leg>,
    /// What the stream was told of it, without audio.
    pub told: Vec<Told>,
    /// The audio that the stream has of each session.
    pub audio: BTreeMap<SessionId, Audio>,
    /// Who holds sessions and lives.
    pub alive: BTreeSet<OwnerId>,
    /// How the organization's tracker was doing last, if it ever said so.
    pub tracker: Option<TrackerReport>,
    /// Who was refused in the organization's name.
    pub refusals: Vec<RefusalReport>,
    /// Sessions of this conversation that broke the protocol before they were accepted.
    pub breaches: Vec<BreachReport>,
    /// The same of the organization, where the conversation could not be read.
    pub unnamed_breaches: Vec<BreachReport>,
}

/// One thing that the stream was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// When its door told it.
    pub at: Timestamp,
    /// The session; absent where the tracker told it.
    pub session: Option<SessionId>,
    /// The connection that told it.
    pub connection: ConnectionId,
    /// What; never audio.
    pub body: Body,
}

/// The audio of one session, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audio {
    /// How many frames there are.
    pub frames: u64,
    /// How many samples per channel.
    pub samples: u64,
    /// When the first of them was told.
    pub first_at: Timestamp,
    /// When the last of them was told.
    pub last_at: Timestamp,
}

impl Facts {
    /// Begins with nothing known.
    pub const fn none(
        now: Timestamp,
        organization: Option<OrganizationId>,
        conversation: ConversationId,
    ) -> Self {
        Self {
            now,
            organization,
            conversation,
            sessions: Vec::new(),
            legs: Vec::new(),
            told: Vec::new(),
            audio: BTreeMap::new(),
            alive: BTreeSet::new(),
            tracker: None,
            refusals: Vec::new(),
            breaches: Vec::new(),
            unnamed_breaches: Vec::new(),
        }
    }

    /// Returns whether anybody ever heard of the conversation.
    pub fn is_heard_of(&self) -> bool {
        !(self.sessions.is_empty()
            && self.legs.is_empty()
            && self.breaches.is_empty()
            && self.told.is_empty()
            && self.audio.is_empty())
    }
}
