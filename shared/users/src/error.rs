//! Why users were not changed.

use sidetone_model::AgentId;
use sidetone_ports::{Revision, StoreError};
use sidetone_user_file::FieldError;

use crate::users::Removals;

/// Why users were not changed; none of them was.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// Nobody has that id.
    #[error("there is no user {}", listed(.agents))]
    Unknown {
        /// The ids that nobody has.
        agents: Vec<AgentId>,
    },
    /// Somebody has that id already.
    #[error("there is a user {agent} already")]
    Exists {
        /// The id.
        agent: AgentId,
    },
    /// Some fields are bad.
    #[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Fields {
        /// Each of them.
        errors: Vec<FieldError>,
    },
    /// There was no such commit.
    #[error("there was no change {revision}")]
    NoChange {
        /// What was asked for.
        revision: Revision,
    },
    /// A commit cannot be taken back, as its users were changed since.
    #[error("change {revision} cannot be undone: {} changed since", listed(.agents))]
    ChangedSince {
        /// The commit.
        revision: Revision,
        /// Who was changed since.
        agents: Vec<AgentId>,
    },
    /// More users would be removed than a change may remove without being confirmed.
    #[error(
        "this would remove {removed} of {stored} users, more than {} %; nothing was changed",
        Removals::FEW_PERCENT
    )]
    ManyRemoved {
        /// How many would be removed.
        removed: usize,
        /// How many there are.
        stored: usize,
    },
    /// Others changed users all the time.
    #[error("others changed users each time this was tried; try again")]
    Crowded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many ids an error names; the rest is counted.
const NAMED_MAX: usize = 10;

fn listed(agents: &[AgentId]) -> String {
    let names: Vec<_> = agents.iter().take(NAMED_MAX).map(AgentId::as_str).collect();
    match agents.len().saturating_sub(NAMED_MAX) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
