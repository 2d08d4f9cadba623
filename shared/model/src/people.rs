//! The people of an organization as Genesys lists them, before anybody provisioned them.

use std::collections::BTreeSet;

use crate::id::{AgentId, UserId};
use crate::pii::Pii;
use crate::user::agent_id_of_username;

/// A Genesys user, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesysUser {
    /// The user.
    pub id: UserId,
    /// The person's name; empty if Genesys says none.
    pub name: Pii<String>,
    /// The login name, an e-mail address; empty if Genesys says none.
    pub username: Pii<String>,
    /// Whether the user may sign in.
    pub active: bool,
}

impl GenesysUser {
    /// Returns the telephony agent id; nothing if the username has no local part.
    pub fn agent(&self) -> Option<AgentId> {
        agent_id_of_username(self.username.reveal())
    }
}

/// Everybody whom Genesys lists, and who of them is meant.
///
/// Everybody is needed even where few are meant: two people share an agent id, or somebody has
/// left, whether they are meant or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct People {
    /// Every active user whom the OAuth client may see, once each.
    pub listed: Vec<GenesysUser>,
    /// Whom to look at; absent for all.
    pub meant: Option<BTreeSet<UserId>>,
}

impl People {
    /// Returns who is listed and meant.
    pub fn meant(&self) -> impl Iterator<Item = &GenesysUser> {
        let is_meant =
            |user: &&GenesysUser| self.meant.as_ref().is_none_or(|meant| meant.contains(&user.id));
        self.listed.iter().filter(is_meant)
    }
}
