//! The vocabulary of scripts.

use std::time::Duration;

use sidetone_model::{Adaptor, Position, UnmatchedReason};

use super::cast::Person;
use crate::conversation::Beside;
use crate::voice::Stretch;

/// One thing that happens on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// When, after the call's start.
    pub at: Duration,
    /// How much later Genesys says so.
    pub lag: Duration,
    /// Whether that word gets lost on its way.
    pub lost: bool,
    /// What.
    pub act: Act,
}

/// What happens to the platform itself, and so to every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Notification sockets stay open and bring nothing, as where the network is gone.
    SocketsFallSilent,
    /// Notification sockets break off.
    SocketsBreak,
    /// Every notification channel expires.
    ChannelsExpire,
    /// Every token is revoked, and the channels die with them.
    TokensRevoked,
    /// Not Genesys, but an administrator: the user is provisioned on that telephony platform.
    Moves(&'static Person, Adaptor),
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The customer reaches the flow; or, outbound, this agent's phone is contacted, and without
    /// an agent a dialer calls the customer.
    Begins(Option<&'static Person>),
    /// A customer who asked to be called back gets a place in the queue.
    AsksForCallback,
    /// The queue offers the callback.
    OffersCallback(&'static Person),
    /// The agent accepts the callback: nobody talks yet.
    AcceptsCallback(&'static Person),
    /// The agent has the platform call the customer back; the own phone is contacted first.
    CallsBack(&'static Person),
    /// The customer answers a dialer and is queued.
    CustomerPicksUp,
    /// The first's phone is up and the second's rings: a call among users.
    CallsColleague(&'static Person, &'static Person),
    /// A user's own number is called: it rings there, with no queue between.
    RingsDirectly(&'static Person),
    /// A ringing phone is declined.
    Declines(&'static Person),
    /// The customer speaks to this user's voicemail box.
    LeavesMessage(&'static Person),
    /// Somebody takes part in the agent's call.
    StandsBy(&'static Person, Beside),
    /// That one leaves; the call goes on.
    StandsOff(&'static Person),
    /// Something happens to the platform.
    Platform(Trouble),
    /// The flow hands the customer to the queue.
    EntersQueue,
    /// A phone rings.
    Rings(&'static Person),
    /// A ringing phone is answered.
    Answers(&'static Person),
    /// A phone answers by itself.
    AnswersAlone(&'static Person),
    /// Outbound: the agent's phone is up and the customer's rings.
    Dials(&'static Person),
    /// Outbound: the customer answers.
    CustomerAnswers(&'static Person),
    /// The agent puts the customer on hold.
    Holds(&'static Person),
    /// The agent comes back.
    Retrieves(&'static Person),
    /// The agent mutes the own microphone, or is heard again.
    Mutes(&'static Person, bool),
    /// The first asks the second, whose phone rings, while the customer hears music.
    Consults(&'static Person, &'static Person),
    /// Whoever is asked answers; the customer hears nothing of it.
    AnswersConsult(&'static Person),
    /// The customer joins the agent and whoever is asked.
    Confers(&'static Person),
    /// The first leaves the customer to the second, who was asked.
    CompletesConsult(&'static Person, &'static Person),
    /// The first, who was asked, leaves the customer to the second.
    LeavesConsult(&'static Person, &'static Person),
    /// Card numbers are spoken from here, or no longer.
    SecurePause(bool),
    /// The first hands the customer to the second, whose phone rings.
    Transfers(&'static Person, &'static Person),
    /// The customer hangs up.
    CustomerHangsUp,
    /// This agent hangs up.
    AgentHangsUp(&'static Person),
    /// Ended legs are confirmed as such.
    Terminates,
    /// The agent saves the wrap-up.
    WrapsUp(&'static Person),
}

impl Act {
    /// Returns the Genesys users whom it is about.
    pub fn people(self) -> [Option<&'static Person>; 2] {
        match self {
            Self::Begins(person) => [person, None],
            Self::OffersCallback(person)
            | Self::AcceptsCallback(person)
            | Self::CallsBack(person)
            | Self::RingsDirectly(person)
            | Self::Declines(person)
            | Self::LeavesMessage(person)
            | Self::StandsBy(person, _)
            | Self::StandsOff(person)
            | Self::Rings(person)
            | Self::Answers(person)
            | Self::AnswersAlone(person)
            | Self::Dials(person)
            | Self::CustomerAnswers(person)
            | Self::Holds(person)
            | Self::Retrieves(person)
            | Self::Mutes(person, _)
            | Self::AnswersConsult(person)
            | Self::Confers(person)
            | Self::AgentHangsUp(person)
            | Self::WrapsUp(person) => [Some(person), None],
            Self::Transfers(from, to)
            | Self::CallsColleague(from, to)
            | Self::Consults(from, to)
            | Self::CompletesConsult(from, to)
            | Self::LeavesConsult(from, to) => [Some(from), Some(to)],
            Self::EntersQueue
            | Self::AsksForCallback
            | Self::CustomerPicksUp
            | Self::Platform(_)
            | Self::SecurePause(_)
            | Self::CustomerHangsUp
            | Self::Terminates => [None, None],
        }
    }
}

/// What Sidetone must make of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Matched to one or more agents of ours.
    Matched,
    /// Never matched, for that reason.
    Unmatched(UnmatchedReason),
    /// Recognised as Genesys' test.
    Probe,
}

impl Expected {
    /// Returns the word for tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Unmatched(UnmatchedReason::Duplicate) => "duplicate",
            Self::Unmatched(_) => "unmatched",
            Self::Probe => "probe",
        }
    }
}

/// One audio session of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioScript {
    /// When the stream begins, after the call's start: position zero.
    pub begins: Duration,
    /// When it ends.
    pub ends: Duration,
    /// How long after its beginning the client gets to connect.
    pub connects_after: Duration,
    /// Media per frame.
    pub frame: Duration,
    /// When the client itself pauses: secure flows.
    pub pauses: Vec<Stretch>,
    /// What the client drops, to be reported by `discarded`.
    pub discards: Vec<Discard>,
    /// What Sidetone must make of it.
    pub expected: Expected,
}

/// Media that the client drops because it could not be sent in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discard {
    /// What is dropped.
    pub stretch: Stretch,
    /// How long after its end sending goes on; the backlog then comes at once.
    pub stuck: Duration,
}

impl AudioScript {
    /// Returns the position of its end.
    pub fn length(&self) -> Position {
        Position::ZERO.plus(self.ends.saturating_sub(self.begins))
    }
}
