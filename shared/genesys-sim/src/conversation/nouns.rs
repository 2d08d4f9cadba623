//! Who and what a script speaks of, and what it gets back.

use std::collections::BTreeSet;
use std::sync::Arc;

use sidetone_model::{ConversationId, Timestamp, UserId};
use uuid::Uuid;

use super::record::Recorded;

/// The outside party; give invented people and numbers only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// What the network says of the caller, such as a town.
    pub name: String,
    /// The party's number, such as `+15555550100`.
    pub ani: String,
    /// The number of the contact center, such as `+15555550199`.
    pub dnis: String,
}

/// A queue that delivers calls to agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The queue.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether its agents' phones answer by themselves.
    pub auto_answer: bool,
}

/// Who hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The outside party.
    Customer,
    /// A Genesys user.
    Agent(UserId),
}

/// How somebody takes part in another's call without being its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Hears both.
    Monitors,
    /// Is heard by the agent.
    Coaches,
    /// Is heard by both.
    BargesIn,
}

/// A step that the conversation's state does not allow: a mistake in a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The user has no leg in the state that the step needs.
    #[error("user {user} has no leg that is {expected}")]
    NoLeg {
        /// The user.
        user: UserId,
        /// The state that was needed.
        expected: &'static str,
    },
    /// The customer has left, or was never called.
    #[error("the customer is not on the call")]
    NoCustomer,
}

/// What really happened on one Genesys user's leg, by the script's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegTruth {
    /// The user.
    pub user: UserId,
    /// The leg.
    pub communication: Uuid,
    /// When it began to ring or dial; absent for a phone that answered by itself.
    pub rang_at: Option<Timestamp>,
    /// When the user's phone was connected. On outbound calls the customer comes later.
    pub connected_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its holds, with their ends where the agent came back.
    pub holds: Vec<(Timestamp, Option<Timestamp>)>,
}

/// The full state of a conversation at one moment, as the platform would send it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The conversation.
    pub conversation: ConversationId,
    /// Every Genesys user who takes part or took part.
    pub users: BTreeSet<UserId>,
    /// The `eventBody`, in JSON.
    pub body: Arc<str>,
    /// The same as analytics would keep it.
    pub(crate) record: Recorded,
}
