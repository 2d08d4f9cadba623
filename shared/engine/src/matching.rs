//! From what is known of a conversation to whether its session listens, and to whom.
//!
//! Everything here is a function of the legs and sessions in a conversation's partition, so
//! it does not matter which half of a match was written first, or what came twice.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_model::{
    AgentId, Attribution, Leg, Listen, OnHold, SessionItem, Span, Timeline, Timestamp,
    UnmatchedReason,
};

use crate::delivery::MatchState;
use crate::placement::Placement;

/// What a conversation's partition holds, as last read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// Every agent's leg, ours or not.
    pub legs: Vec<Leg>,
    /// Every audio session, this one included.
    pub sessions: Vec<SessionItem>,
}

/// What the session should tell Genesys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wish {
    /// Send audio.
    Listen,
    /// Send none.
    Pause,
}

/// All that was ever read of a conversation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Conversation", into = "Conversation")]
pub(crate) struct Known {
    read: Conversation,
    /// The legs, one entry a stint.
    stints: Vec<Leg>,
}

impl From<Conversation> for Known {
    fn from(read: Conversation) -> Self {
        let stints = read.legs.iter().flat_map(Leg::stints).collect();
        Self { read, stints }
    }
}

impl From<Known> for Conversation {
    fn from(known: Known) -> Self {
        known.read
    }
}

impl Known {
    /// Joins a newer or an older reading: what was known is never unlearned.
    pub(crate) fn join(&mut self, other: Conversation) {
        let Conversation { mut legs, mut sessions } = std::mem::take(&mut self.read);
        for leg in other.legs {
            match legs.iter_mut().find(|own| own.communication == leg.communication) {
                Some(own) => own.merge(&leg),
                None => legs.push(leg),
            }
        }
        for session in other.sessions {
            match sessions.iter_mut().find(|own| own.connection == session.connection) {
                Some(own) => own.phase = own.phase.max(session.phase),
                None => sessions.push(session),
            }
        }
        *self = Conversation { legs, sessions }.into();
    }

    /// Returns the legs, one entry a stint.
    pub(crate) fn stints(&self) -> &[Leg] {
        &self.stints
    }

    /// Returns the agent who has the customer now, or had it last, if it is one of ours.
    pub(crate) fn agent(&self) -> Option<&AgentId> {
        self.agent_leg().map(|(_, agent)| agent)
    }

    /// Returns the leg to show: the agent's who has or had the customer, else the one that began
    /// last.
    pub(crate) fn shown_leg(&self) -> Option<&Leg> {
        let agents = self.agent_leg().map(|(leg, _)| leg);
        agents.or_else(|| self.stints.iter().max_by_key(|leg| leg.ringing_at.max(leg.connected_at)))
    }

    fn agent_leg(&self) -> Option<(&Leg, &AgentId)> {
        let connected = || self.ours().filter(|(leg, _)| leg.connected_at.is_some());
        connected()
            .filter(|(leg, _)| leg.is_connected())
            .min_by_key(|(leg, _)| (leg.connected_at, &leg.communication))
            .or_else(|| connected().max_by_key(|(leg, _)| (leg.connected_at, &leg.communication)))
    }

    /// Returns whether it rings at an agent of ours.
    pub(crate) fn rings(&self) -> bool {
        self.ours().any(|(leg, _)| leg.is_ringing())
    }

    /// Returns whether other sessions of the same conversation and participant go first and carry
    /// every channel that this one does.
    ///
    /// Two integrations may each be configured for another channel: then both are heard.
    pub(crate) fn has_session_before(&self, own: &SessionItem) -> bool {
        let before = self.read.sessions.iter().filter(|other| other.goes_before(own));
        let carried: Vec<_> = before.flat_map(SessionItem::channels).collect();
        let channels = own.channels();
        !channels.is_empty() && channels.iter().all(|channel| carried.contains(channel))
    }

    /// Returns what to ask of Genesys.
    pub(crate) fn wish(&self, own: &SessionItem, listen: Listen, on_hold: OnHold) -> Wish {
        if listen == Listen::Always {
            return Wish::Listen;
        }
        if self.has_session_before(own) {
            return Wish::Pause;
        }
        let rings = self.rings();
        let talking = self
            .ours()
            .any(|(leg, _)| leg.is_connected() && !(on_hold == OnHold::Pause && leg.is_held()));
        // Before the first agent of ours was there, `ready` waits with open ears.
        let waits =
            listen == Listen::Ready && !self.ours().any(|(leg, _)| leg.connected_at.is_some());
        if rings || talking || waits { Wish::Listen } else { Wish::Pause }
    }

    /// Returns whether the session belongs to an agent of ours, or why not.
    pub(crate) fn match_state(&self, own: &SessionItem, listen: Listen) -> MatchState {
        if listen != Listen::Always && self.has_session_before(own) {
            return MatchState::Unmatched(UnmatchedReason::Duplicate);
        }
        match self.agent() {
            Some(agent) => MatchState::Matched(agent.clone()),
            None => MatchState::Unmatched(self.unmatched_reason()),
        }
    }

    /// Returns whether every leg of ours that is known is over, and there is one.
    pub(crate) fn is_over(&self) -> bool {
        let mut ours = self.ours().peekable();
        ours.peek().is_some() && ours.all(|(leg, _)| leg.ended_at.is_some())
    }

    /// Returns when the last agent of ours who talked left.
    pub(crate) fn last_end(&self) -> Option<Timestamp> {
        let talked = self.ours().filter(|(leg, _)| leg.connected_at.is_some());
        talked.filter_map(|(leg, _)| leg.ended_at).max()
    }

    /// Returns whether it rang at us last and nobody took the call.
    pub(crate) fn was_not_answered(&self) -> bool {
        self.ours()
            .max_by_key(|(leg, _)| leg.ringing_at.max(leg.connected_at))
            .is_some_and(|(leg, _)| leg.ended_at.is_some() && leg.connected_at.is_none())
    }

    /// Places the connected legs of our agents on the session's media.
    pub(crate) fn timeline(&self, placement: Placement) -> Timeline {
        Timeline::new(self.ours().filter_map(|(leg, agent)| {
            Some(Span {
                communication: leg.communication.clone(),
                agent: agent.clone(),
                from: placement.at(leg.connected_at?)?,
                to: leg.ended_at.and_then(|ended| placement.end_at(ended)),
            })
        }))
    }

    fn unmatched_reason(&self) -> UnmatchedReason {
        if self.ours().next().is_some() {
            return UnmatchedReason::NotAnswered;
        }
        // The one who came last says why.
        self.stints
            .iter()
            .filter_map(|leg| match leg.attribution {
                Attribution::NotOurs(reason) => {
                    Some((leg.ringing_at.max(leg.connected_at), reason))
                }
                Attribution::Ours(_) => None,
            })
            .max()
            .map_or(UnmatchedReason::NoAgent, |(_, reason)| UnmatchedReason::NotOurs(reason))
    }

    fn ours(&self) -> impl Iterator<Item = (&Leg, &AgentId)> {
        self.stints.iter().filter_map(|leg| leg.attribution.agent().map(|agent| (leg, agent)))
    }
}

/// How long a session may stay unmatched before it is labelled with the reason.
pub(crate) const LABEL_AFTER: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests;
