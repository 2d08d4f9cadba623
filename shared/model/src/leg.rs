//! One agent's part in a conversation, and the call events it amounts to.
//!
//! A leg is a state, not a message: whoever learns something joins it in with [`Leg::merge`],
//! in any order and any number of times, and gets the same leg.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::changes::Changes;
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

/// Who is on a leg. In order of who counts where two are found at the same moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribution {
    /// Somebody whom Sidetone does not listen to.
    NotOurs(NotOurs),
    /// An agent of ours.
    Ours(AgentId),
}

/// What was once found out about who is on a leg.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Answer {
    /// When.
    pub at: Timestamp,
    /// Who it was.
    pub who: Attribution,
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
    /// An administrator moved the agent to or from Sidetone while the call went on, see
    /// [`Leg::stints`]; never said by Genesys.
    Moved,
    /// Any value that Genesys has and this list has not.
    Other,
}

/// How an agent handed the customer on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferKind {
    /// Without having talked to whoever takes the call.
    Blind,
    /// After a talk with whoever takes the call.
    Consult,
    /// Into a conference, perhaps under another conversation.
    Conference,
    /// By a forwarding that was set up before.
    Forward,
}

/// By which way somebody heard of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventSource {
    /// A notification socket.
    Socket,
    /// A record that was asked for after a gap.
    Repair,
    /// An event bus of the customer's.
    EventBus,
}

impl EventSource {
    /// Every source, in order.
    pub const ALL: [Self; 3] = [Self::Socket, Self::Repair, Self::EventBus];

    /// Returns the word for metrics, JSON and people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Repair => "repair",
            Self::EventBus => "event-bus",
        }
    }
}

impl EndReason {
    /// Returns how the call went on to somebody else, if it did.
    pub const fn transfer(self) -> Option<TransferKind> {
        match self {
            Self::Transfer => Some(TransferKind::Blind),
            Self::ConsultTransfer => Some(TransferKind::Consult),
            Self::ConferenceTransfer => Some(TransferKind::Conference),
            Self::ForwardTransfer => Some(TransferKind::Forward),
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
            | Self::Moved
            | Self::Other => None,
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
    /// When that was found out; the newest answer counts from then on, see [`Leg::stints`].
    pub attributed_at: Timestamp,
    /// What was found out before.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub earlier: BTreeSet<Answer>,
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
    /// When the agent was seen to mute and to unmute.
    #[serde(default)]
    pub mutes: Changes,
    /// When three or more were seen to talk, and no longer.
    #[serde(default)]
    pub conferences: Changes,
    /// When the agent's work after the call began; may be of no length, see [`Leg::wrap_up`].
    #[serde(default)]
    pub wrap_up_at: Option<Timestamp>,
    /// When it was done.
    #[serde(default)]
    pub wrapped_up_at: Option<Timestamp>,
    /// Nobody heard of it before it was connected or over.
    #[serde(default)]
    pub late: bool,
    /// How it was heard of.
    #[serde(default)]
    pub sources: BTreeSet<EventSource>,
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
    /// The agent muted the own microphone.
    Muted,
    /// The agent can be heard again.
    Unmuted,
    /// A third party, or more, talks too.
    ConferenceStarted,
    /// No more than two talk.
    ConferenceEnded,
    /// The agent's work after the call began.
    WrapUpStarted,
    /// It is done.
    WrapUpEnded,
}

impl CallEventKind {
    /// Returns whether it happens after the call, when there is no audio.
    pub const fn is_wrap_up(self) -> bool {
        match self {
            Self::WrapUpStarted | Self::WrapUpEnded => true,
            Self::Ringing
            | Self::Started
            | Self::Held
            | Self::Retrieved
            | Self::Transferred
            | Self::Ended
            | Self::Muted
            | Self::Unmuted
            | Self::ConferenceStarted
            | Self::ConferenceEnded => false,
        }
    }

    /// Returns whether it may happen several times on a leg, so that it is counted.
    pub const fn is_counted(self) -> bool {
        match self {
            Self::Held
            | Self::Retrieved
            | Self::Muted
            | Self::Unmuted
            | Self::ConferenceStarted
            | Self::ConferenceEnded => true,
            Self::Ringing
            | Self::Started
            | Self::Transferred
            | Self::Ended
            | Self::WrapUpStarted
            | Self::WrapUpEnded => false,
        }
    }
}

/// One event of a leg, with the moment at which it happened rather than when it was heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallEvent {
    /// What happened.
    pub kind: CallEventKind,
    /// Which one of its kind on this leg, from 0; see [`CallEventKind::is_counted`].
    pub ordinal: u32,
    /// When it happened.
    pub at: Timestamp,
}

impl Leg {
    /// Joins what another source knows of the same leg.
    ///
    /// Commutative, associative and idempotent: the earliest moment of each kind wins, holds
    /// are one set by their start, every answer to who it is counts, the newest as the present
    /// one, what anybody saw of mutes and conferences counts. It is late only if it was for everybody. The participant and the
    /// user are what a communication has one of.
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
        self.learn(other.answers());
        // A dialer's call looks inbound to whoever knows the agent's side alone.
        self.direction = self.direction.max(other.direction);
        self.queue = match (self.queue.take(), &other.queue) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs.clone())),
            (ours, theirs) => ours.or_else(|| theirs.clone()),
        };
        self.mutes.merge(&other.mutes);
        self.conferences.merge(&other.conferences);
        self.wrap_up_at = earliest(self.wrap_up_at, other.wrap_up_at);
        self.wrapped_up_at = earliest(self.wrapped_up_at, other.wrapped_up_at);
        self.late &= other.late;
        self.sources.extend(&other.sources);
        for hold in &other.holds {
            match self.holds.binary_search_by_key(&hold.from, |one| one.from) {
                Ok(place) => self.holds[place].to = earliest(self.holds[place].to, hold.to),
                Err(place) => self.holds.insert(place, *hold),
            }
        }
    }

    /// Returns every answer to who it is, oldest first.
    fn answers(&self) -> impl Iterator<Item = Answer> + use<> {
        let mut answers = self.earlier.clone();
        answers.insert(Answer { at: self.attributed_at, who: self.attribution.clone() });
        answers.into_iter()
    }

    fn learn(&mut self, theirs: impl Iterator<Item = Answer>) {
        self.earlier = self.answers().chain(theirs).collect();
        if let Some(Answer { at, who }) = self.earlier.pop_last() {
            (self.attributed_at, self.attribution) = (at, who);
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

    /// Returns the agent's work after the call, and its end if it is done; nothing if there is
    /// none. Genesys says with equal moments that it was left out.
    pub fn wrap_up(&self) -> Option<(Timestamp, Option<Timestamp>)> {
        let from = self.wrap_up_at?;
        self.wrapped_up_at.is_none_or(|to| to > from).then_some((from, self.wrapped_up_at))
    }

    /// Returns what happened so far, in order of time; what comes after the call is last.
    ///
    /// The end of a leg ends an open hold, mute or conference without an event of its own.
    pub fn events(&self) -> Vec<CallEvent> {
        use CallEventKind as Kind;
        let one = |kind, at: Timestamp| CallEvent { kind, ordinal: 0, at };
        let mut events = Vec::new();
        events.extend(self.ringing_at.map(|at| one(Kind::Ringing, at)));
        events.extend(self.connected_at.map(|at| one(Kind::Started, at)));
        let first = events.len();
        let holds: Vec<_> = self.holds.iter().map(|hold| (hold.from, hold.to)).collect();
        for (begin, end, stretches) in [
            (Kind::Held, Kind::Retrieved, holds),
            (Kind::Muted, Kind::Unmuted, self.within(&self.mutes)),
            (Kind::ConferenceStarted, Kind::ConferenceEnded, self.within(&self.conferences)),
        ] {
            for (ordinal, (from, to)) in (0..).zip(stretches) {
                events.push(CallEvent { kind: begin, ordinal, at: from });
                events.extend(to.map(|at| CallEvent { kind: end, ordinal, at }));
            }
        }
        events[first..].sort_by_key(|event| event.at);
        if let Some(at) = self.ended_at {
            if self.end_reason.and_then(EndReason::transfer).is_some() {
                events.push(one(Kind::Transferred, at));
            }
            events.push(one(Kind::Ended, at));
        }
        if let Some((from, to)) = self.wrap_up() {
            events.push(one(Kind::WrapUpStarted, from));
            events.extend(to.map(|at| one(Kind::WrapUpEnded, at)));
        }
        events
    }

    /// Returns the stretches of a state before the end of the leg.
    fn within(&self, changes: &Changes) -> Vec<(Timestamp, Option<Timestamp>)> {
        let is_before = |at: Timestamp| self.ended_at.is_none_or(|end| at < end);
        let stretches = changes.stretches().into_iter().filter(|(from, _)| is_before(*from));
        stretches.map(|(from, to)| (from, to.filter(|at| is_before(*at)))).collect()
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

mod stints;
#[cfg(test)]
mod tests;
