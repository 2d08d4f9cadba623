//! From snapshots of conversations to the legs of their agents.
//!
//! One [`ConversationLegs`] takes the full snapshots of an organization, in any order and any
//! number, and says which legs changed. It knows every Genesys user of a conversation, not
//! only followed ones; who of them is one of ours is for others to say.
//!
//! Refuses: clocks (the caller says when a snapshot arrived) and deciding from one snapshot:
//! Genesys promises no order, so a state with a lower rank than one seen before is stale, and
//! nothing but its times is believed.
//! Source: docs/wire/notification.md, "From snapshots to legs".

mod conversation;
mod line;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sidetone_model::{
    Attribution, Changes, CommunicationId, ConversationId, ConversationKey, Direction, EndReason,
    EventSource, Hold, Leg, OrganizationId, ParticipantId, Timestamp, UserId,
};

use crate::wire::Snapshot;
use conversation::Conversation;
pub use line::are_one_hold;

/// The most conversations kept in memory: twice the 10,000 agents of one organization, so that
/// each may have one call and one just ended.
pub const CONVERSATIONS_MAX: usize = 20_000;

/// How long an ended conversation is remembered after its last snapshot: wrap-up and late
/// snapshots of a call come within minutes, and must not open it again.
pub const ENDED_KEPT: Duration = Duration::from_secs(600);

/// All that is known of a leg after a snapshot changed it.
///
/// Each update repeats what earlier ones said, so any of them may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegUpdate {
    /// The conversation.
    pub conversation: ConversationId,
    /// The participant entry.
    pub participant: ParticipantId,
    /// The leg.
    pub communication: CommunicationId,
    /// The Genesys user.
    pub user: UserId,
    /// Which way the call was set up.
    pub direction: Direction,
    /// The queue it came through.
    pub queue: Option<Box<str>>,
    /// When it was first seen to ring or dial.
    pub ringing_at: Option<Timestamp>,
    /// When agent and customer were connected.
    pub connected_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// The agent's holds, oldest first.
    pub holds: Vec<Hold>,
    /// When the agent was seen to mute and to unmute.
    pub mutes: Changes,
    /// When three or more were seen to talk, and no longer.
    pub conferences: Changes,
    /// When the agent's work after the call began.
    pub wrap_up_at: Option<Timestamp>,
    /// When it was done.
    pub wrapped_up_at: Option<Timestamp>,
    /// It was never seen before it was connected or over.
    pub late: bool,
    /// Who told of it.
    pub sources: BTreeSet<EventSource>,
}

impl LegUpdate {
    fn of_leg(leg: &Leg) -> Self {
        Self {
            conversation: leg.key.conversation,
            participant: leg.participant.clone(),
            communication: leg.communication.clone(),
            user: leg.user,
            direction: leg.direction,
            queue: leg.queue.clone(),
            ringing_at: leg.ringing_at,
            connected_at: leg.connected_at,
            ended_at: leg.ended_at,
            end_reason: leg.end_reason,
            holds: leg.holds.clone(),
            mutes: leg.mutes.clone(),
            conferences: leg.conferences.clone(),
            wrap_up_at: leg.wrap_up_at,
            wrapped_up_at: leg.wrapped_up_at,
            late: leg.late,
            sources: leg.sources.clone(),
        }
    }

    /// Returns the leg that this update describes.
    pub fn into_leg(
        self,
        organization: OrganizationId,
        attribution: Attribution,
        attributed_at: Timestamp,
    ) -> Leg {
        Leg {
            key: ConversationKey { organization, conversation: self.conversation },
            participant: self.participant,
            communication: self.communication,
            user: self.user,
            attribution,
            attributed_at,
            earlier: BTreeSet::new(),
            direction: self.direction,
            queue: self.queue,
            ringing_at: self.ringing_at,
            connected_at: self.connected_at,
            ended_at: self.ended_at,
            end_reason: self.end_reason,
            holds: self.holds,
            mutes: self.mutes,
            conferences: self.conferences,
            wrap_up_at: self.wrap_up_at,
            wrapped_up_at: self.wrapped_up_at,
            late: self.late,
            sources: self.sources,
        }
    }
}

/// Every conversation that is going on, as its snapshots tell.
#[derive(Debug, Default)]
pub struct ConversationLegs {
    conversations: BTreeMap<ConversationId, Conversation>,
    /// What to forget first: ended ones before live ones, then those untouched for longest.
    by_age: BTreeSet<(bool, Timestamp, ConversationId)>,
}

impl ConversationLegs {
    /// Folds a snapshot in; returns every leg of which something new is known.
    pub fn snapshot(&mut self, received_at: Timestamp, snapshot: &Snapshot) -> Vec<LegUpdate> {
        let id = snapshot.conversation;
        let conversation = self.conversations.entry(id).or_default();
        self.by_age.remove(&conversation.age(id));
        let updates = conversation.fold(received_at, snapshot);
        self.by_age.insert(conversation.age(id));
        self.forget(received_at);
        updates
    }

    /// Takes up a conversation from the legs that another machine reported, so that the end of
    /// a hold that began before is seen; nothing if it is remembered.
    pub fn recall(&mut self, now: Timestamp, id: ConversationId, legs: &[Leg]) {
        if legs.is_empty() || self.remembers(id) {
            return;
        }
        let mut conversation = Conversation::default();
        conversation.recall(now, legs);
        self.by_age.insert(conversation.age(id));
        self.conversations.insert(id, conversation);
    }

    /// Returns whether a conversation is still in memory.
    pub fn remembers(&self, conversation: ConversationId) -> bool {
        self.conversations.contains_key(&conversation)
    }

    /// Returns whether nobody is left in a conversation, as far as is known.
    pub fn is_over(&self, conversation: ConversationId) -> bool {
        self.conversations.get(&conversation).is_none_or(Conversation::is_over)
    }

    /// Returns the legs of a conversation, as last reported.
    pub fn legs_of(&self, conversation: ConversationId) -> impl Iterator<Item = &LegUpdate> {
        self.conversations.get(&conversation).into_iter().flat_map(Conversation::legs)
    }

    /// Returns the legs of every remembered conversation, as last reported.
    pub fn legs(&self) -> impl Iterator<Item = &LegUpdate> {
        self.conversations.values().flat_map(Conversation::legs)
    }

    /// Returns how many conversations are in memory.
    pub fn len(&self) -> usize {
        self.conversations.len()
    }

    /// Returns whether no conversation is in memory.
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty()
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some(&oldest) = self.by_age.first() {
            let (live, touched_at, id) = oldest;
            let is_old = !live && touched_at + ENDED_KEPT < now;
            if !is_old && self.conversations.len() <= CONVERSATIONS_MAX {
                break;
            }
            self.by_age.remove(&oldest);
            self.conversations.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;
