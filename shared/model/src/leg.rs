//! One agent's part in a conversation, and the call events it amounts to.
//!
//! A leg is a state, not a message: whoever learns something joins it in with [`Leg::merge`],
//! in any order and any number of times, and gets the same leg.

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, CommunicationId, ConversationKey, ParticipantId, UserId};
use crate::time::Timestamp;

/// Which way a call was set up, seen from the contact center.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The customer called.
    Inbound,
    /// The agent or a dialer called.
    Outbound,
}

/// Why a Genesys user on a call is not an agent that Sidetone listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotOurs {
    /// Nobody is provisioned under the telephony agent id.
    UnknownUser,
    /// Two Genesys users have the same local part, so the id names nobody.
    Collision,
    /// The user is provisioned, on another telephony platform.
    OtherAdaptor,
    /// The user is provisioned and switched off.
    Inactive,
    /// Genesys could not be asked who the user is; asked again later.
    LookupFailed,
}

/// Who is on a leg.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribution {
    /// An agent of ours.
    Ours(AgentId),
    /// Somebody whom Sidetone does not listen to.
    NotOurs(NotOurs),
}

impl Attribution {
    /// Returns the agent, if it is one of ours.
    pub const fn agent(&self) -> Option<&AgentId> {
        match self {
            Self::Ours(agent) => Some(agent),
            Self::NotOurs(_) => None,
        }
    }
}

/// Why a leg ended, in one spelling for every Genesys surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// This participant hung up or declined in the application.
    Client,
    /// This participant's phone hung up.
    Endpoint,
    /// The other side ended it.
    Peer,
    /// The platform ended it; also an unanswered alert.
    System,
    /// A time limit ran out.
    Timeout,
    /// Left through a blind transfer.
    Transfer,
    /// A consult transfer was completed.
    ConsultTransfer,
    /// Merged into a conference.
    ConferenceTransfer,
    /// Forwarded.
    ForwardTransfer,
    /// Sent on because nobody answered.
    NoAnswerTransfer,
    /// Sent on because the agent was not available.
    NotAvailableTransfer,
    /// Sent on, or ended, by do-not-disturb.
    DoNotDisturb,
    /// The network or the phone failed.
    TransportFailure,
    /// The platform reported an error.
    Error,
    /// Any value that Genesys has and this list has not.
    Other,
}

impl EndReason {
    /// Returns whether the call went on to somebody else.
    pub const fn is_transfer(self) -> bool {
        match self {
            Self::Transfer
            | Self::ConsultTransfer
            | Self::ConferenceTransfer
            | Self::ForwardTransfer => true,
            Self::Client
            | Self::Endpoint
            | Self::Peer
            | Self::System
            | Self::Timeout
            | Self::NoAnswerTransfer
            | Self::NotAvailableTransfer
            | Self::DoNotDisturb
            | Self::TransportFailure
            | Self::Error
            | Self::Other => false,
        }
    }
}

/// One hold by the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// When the agent pressed hold, by Genesys' clock.
    pub from: Timestamp,
    /// When the agent came back; absent while it lasts. Genesys has no field for it, so this
    /// is when the snapshot arrived.
    pub to: Option<Timestamp>,
}

/// A Genesys user on a conversation, from ringing to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The conversation.
    pub key: ConversationKey,
    /// The participant entry; each ring attempt has its own.
    pub participant: ParticipantId,
    /// The media connection; identity of the leg within its conversation.
    pub communication: CommunicationId,
    /// The Genesys user.
    pub user: UserId,
    /// Who that is for us.
    pub attribution: Attribution,
    /// When that was found out; the newest answer wins.
    pub attributed_at: Timestamp,
    /// Which way the conversation was set up.
    pub direction: Direction,
    /// The queue the leg came through.
    pub queue: Option<Box<str>>,
    /// When it began to ring or dial.
    pub ringing_at: Option<Timestamp>,
    /// When agent and customer were connected.
    pub connected_at: Option<Timestamp>,
    /// When it ended; final.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// The agent's holds, oldest first.
    pub holds: Vec<Hold>,
}

/// What happened on a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallEventKind {
    /// It rings at the agent, or the agent's phone dials.
    Ringing,
    /// Agent and customer are connected.
    Started,
    /// The agent put the customer on hold.
    Held,
    /// The agent came back from hold.
    Retrieved,
    /// The agent handed the customer to somebody else.
    Transferred,
    /// The leg is over.
    Ended,
}

/// One event of a leg, with the moment at which it happened rather than when it was heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallEvent {
    /// What happened.
    pub kind: CallEventKind,
    /// Which one of its kind on this leg, from 0; only holds have more than one.
    pub ordinal: u32,
    /// When it happened.
    pub at: Timestamp,
}

impl Leg {
    /// Joins what another source knows of the same leg.
    ///
    /// Commutative, associative and idempotent: the earliest moment of each kind wins, holds
    /// are one set by their start, the newest attribution wins.
    pub fn merge(&mut self, other: &Self) {
        self.ringing_at = earliest(self.ringing_at, other.ringing_at);
        self.connected_at = earliest(self.connected_at, other.connected_at);
        if let Some(theirs) = other.ended_at {
            let replaces = match self.ended_at {
                None => true,
                // Equal moments: the smaller reason, so that the order of merging is no matter.
                Some(ours) => (theirs, other.end_reason) < (ours, self.end_reason),
            };
            if replaces {
                self.ended_at = Some(theirs);
                self.end_reason = other.end_reason;
            }
        }
        if (other.attributed_at, &other.attribution.order())
            > (self.attributed_at, &self.attribution.order())
        {
            self.attribution = other.attribution.clone();
            self.attributed_at = other.attributed_at;
        }
        if self.queue.is_none() {
            self.queue.clone_from(&other.queue);
        }
        for hold in &other.holds {
            match self.holds.binary_search_by_key(&hold.from, |one| one.from) {
                Ok(place) => self.holds[place].to = earliest(self.holds[place].to, hold.to),
                Err(place) => self.holds.insert(place, *hold),
            }
        }
    }

    /// Returns whether it rings: announced, neither answered nor over.
    pub const fn is_ringing(&self) -> bool {
        self.ringing_at.is_some() && self.connected_at.is_none() && self.ended_at.is_none()
    }

    /// Returns whether agent and customer are connected.
    pub const fn is_connected(&self) -> bool {
        self.connected_at.is_some() && self.ended_at.is_none()
    }

    /// Returns whether the agent has the customer on hold.
    pub fn is_held(&self) -> bool {
        self.is_connected() && self.holds.last().is_some_and(|hold| hold.to.is_none())
    }

    /// Returns what happened so far, in order of time.
    ///
    /// The end of a leg ends an open hold without `Retrieved`.
    pub fn events(&self) -> Vec<CallEvent> {
        let one = |kind, at: Timestamp| CallEvent { kind, ordinal: 0, at };
        let mut events = Vec::new();
        events.extend(self.ringing_at.map(|at| one(CallEventKind::Ringing, at)));
        events.extend(self.connected_at.map(|at| one(CallEventKind::Started, at)));
        for (ordinal, hold) in (0..).zip(&self.holds) {
            events.push(CallEvent { kind: CallEventKind::Held, ordinal, at: hold.from });
            events.extend(hold.to.map(|at| CallEvent {
                kind: CallEventKind::Retrieved,
                ordinal,
                at,
            }));
        }
        if let Some(at) = self.ended_at {
            if self.end_reason.is_some_and(EndReason::is_transfer) {
                events.push(one(CallEventKind::Transferred, at));
            }
            events.push(one(CallEventKind::Ended, at));
        }
        events
    }
}

impl Attribution {
    /// A total order for ties, so that merging does not depend on who comes first.
    fn order(&self) -> (u8, &str) {
        match self {
            Self::NotOurs(reason) => (*reason as u8, ""),
            Self::Ours(agent) => (u8::MAX, agent.as_str()),
        }
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn blank() -> Leg {
        Leg {
            key: ConversationKey {
                organization: "0f0e0d0c-0b0a-4908-8706-050403020100".parse().expect("valid"),
                conversation: "c0ffee12-3456-4789-8abc-def012345678".parse().expect("valid"),
            },
            participant: ParticipantId::new("p"),
            communication: CommunicationId::new("c"),
            user: "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a01".parse().expect("valid"),
            attribution: Attribution::NotOurs(NotOurs::LookupFailed),
            attributed_at: at(0),
            direction: Direction::Inbound,
            queue: None,
            ringing_at: None,
            connected_at: None,
            ended_at: None,
            end_reason: None,
            holds: Vec::new(),
        }
    }

    fn pieces() -> Vec<Leg> {
        let hold = |from, to: Option<i64>| Hold { from: at(from), to: to.map(at) };
        vec![
            Leg { ringing_at: Some(at(1)), ..blank() },
            Leg {
                connected_at: Some(at(5)),
                attribution: Attribution::Ours(AgentId::new("ada")),
                attributed_at: at(2),
                ..blank()
            },
            Leg { connected_at: Some(at(5)), holds: vec![hold(7, None)], ..blank() },
            Leg { holds: vec![hold(7, Some(9)), hold(11, None)], ..blank() },
            Leg { ended_at: Some(at(20)), end_reason: Some(EndReason::Transfer), ..blank() },
            Leg { ended_at: Some(at(20)), end_reason: Some(EndReason::Client), ..blank() },
        ]
    }

    #[test]
    fn tells_its_story_in_order() {
        let mut leg = blank();
        for piece in &pieces()[..5] {
            leg.merge(piece);
        }
        let kinds: Vec<_> = leg.events().iter().map(|event| event.kind).collect();
        use CallEventKind::{Ended, Held, Retrieved, Ringing, Started, Transferred};
        assert_eq!(kinds, [Ringing, Started, Held, Retrieved, Held, Transferred, Ended]);
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_gives_the_same_leg(order in prop::collection::vec(0usize..6, 0..20)) {
            let pieces = pieces();
            let mut expected = blank();
            pieces.iter().for_each(|piece| expected.merge(piece));
            let mut leg = blank();
            order.iter().chain(&[5, 4, 3, 2, 1, 0]).for_each(|&index| leg.merge(&pieces[index]));
            prop_assert_eq!(leg, expected);
        }
    }
}
