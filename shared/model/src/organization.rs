//! A Genesys tenant as an administrator set it up here; never a secret of it.

use serde::{Deserialize, Serialize};

use crate::id::OrganizationId;
use crate::session::{Listen, OnHold};

/// Where an organization's platform answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlatformPlace {
    /// In a Genesys Cloud region, by the name that somebody typed and that was found good.
    Region(String),
    /// On this machine: a simulated platform.
    Hosts {
        /// The base of `/oauth/token`.
        login: String,
        /// The base of `/api/v2`.
        api: String,
    },
}

/// An organization's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Which.
    pub id: OrganizationId,
    /// Where its platform is.
    pub platform: PlatformPlace,
    /// Its OAuth clients; their secrets are kept elsewhere.
    pub client_ids: Vec<String>,
    /// When its sessions ask for audio.
    pub listen: Listen,
    /// What its sessions do while the agent has the customer on hold.
    pub on_hold: OnHold,
    /// The queues, by name or id, whose members are to be covered; empty for all.
    pub queues: Vec<String>,
    /// For how many days its recordings are kept, one of [`Organization::RETENTION_DAYS`]; as
    /// the deployment says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u16>,
}

impl Organization {
    /// For how many days an organization's recordings may be kept: as many rules as a bucket has
    /// for it, and the same everywhere.
    pub const RETENTION_DAYS: [u16; 11] = [7, 14, 30, 60, 90, 180, 365, 730, 1_095, 1_825, 2_555];
}
