//! The people whom Sidetone may listen to, as an administrator provisioned them.

use serde::{Deserialize, Serialize};

use crate::id::AgentId;
use crate::pii::Pii;

/// The telephony platform that serves a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adaptor {
    /// Served here.
    GenesysCloud,
    /// Served elsewhere.
    GenesysEngage,
    /// Served elsewhere.
    Avaya,
    /// Served elsewhere.
    Cisco,
}

impl Adaptor {
    /// Every adaptor, in the order in which help texts name them.
    pub const ALL: [Self; 4] = [Self::GenesysCloud, Self::GenesysEngage, Self::Avaya, Self::Cisco];

    /// Returns the name used in files and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GenesysCloud => "genesys-cloud",
            Self::GenesysEngage => "genesys-engage",
            Self::Avaya => "avaya",
            Self::Cisco => "cisco",
        }
    }
}

/// Whether a user is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserStatus {
    /// Listened to.
    #[default]
    Active,
    /// Known, and not listened to.
    Inactive,
}

impl UserStatus {
    /// Returns the name used in files and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}

/// A provisioned user; one per organization and [`AgentId`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The key: lower-cased local part of the Genesys username.
    pub agent: AgentId,
    /// The person's name.
    pub name: Pii<String>,
    /// The Genesys username, an e-mail address; its domain is ignored for matching.
    pub username: Pii<String>,
    /// Who serves this user.
    pub adaptor: Adaptor,
    /// The team, as the customer calls it; empty if none.
    pub team: String,
    /// The supervisor's telephony agent id; empty if none.
    pub supervisor: String,
    /// The site; empty if none.
    pub site: String,
    /// Whether the user is switched on.
    pub status: UserStatus,
}

/// Returns the telephony agent id that a Genesys username stands for: what precedes the last
/// `@`, lower-cased; nothing if that is empty.
pub fn agent_id_of_username(username: &str) -> Option<AgentId> {
    let local = username.trim().rsplit_once('@').map_or(username.trim(), |(local, _)| local);
    (!local.is_empty()).then(|| AgentId::new(local.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_part_lower_cased_is_the_agent_id() {
        for (username, expected) in [
            ("Ada.Example@customer.example", Some("ada.example")),
            ("ada", Some("ada")),
            ("odd@name@customer.example", Some("odd@name")),
            ("@customer.example", None),
            ("  ", None),
        ] {
            let agent = agent_id_of_username(username);
            assert_eq!(agent.as_ref().map(AgentId::as_str), expected, "{username}");
        }
    }
}
