//! What a simulated platform is made of: its organization, its users, its limits.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sidetone_model::{OrganizationId, UserId};
use sidetone_ports::Clock;
use uuid::Uuid;

/// The division that every organization has.
pub(crate) const HOME_DIVISION: Uuid = Uuid::from_u128(0x0aa7_b9b8_0000_4000_8000_0000_0000_0001);

/// Whether a user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    /// May.
    Active,
    /// May not at the moment.
    Inactive,
    /// Is found only by those who ask for deleted users.
    Deleted,
}

impl UserState {
    /// Returns the spelling of the users API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Deleted => "deleted",
        }
    }
}

/// A Genesys user; give invented people only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimUser {
    /// The user.
    pub id: UserId,
    /// The login name, an e-mail address.
    pub username: String,
    /// The e-mail address, usually the same.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// Whether the user may sign in.
    pub state: UserState,
    /// The division, which decides who may see the user.
    pub division: Uuid,
}

impl SimUser {
    /// Makes an active user of the home division whose e-mail address is the username.
    pub fn new(id: UserId, username: impl Into<String>, name: impl Into<String>) -> Self {
        let username = username.into();
        Self {
            id,
            email: username.clone(),
            username,
            name: name.into(),
            state: UserState::Active,
            division: HOME_DIVISION,
        }
    }
}

/// A queue with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimQueue {
    /// The queue.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Who is in it, and whether each has joined it.
    pub members: Vec<(UserId, bool)>,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimGroup {
    /// The group.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Who is in it.
    pub members: Vec<UserId>,
}

/// A division; which users are in it, they say themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimDivision {
    /// The division.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// The platform's limits; the defaults are those of Genesys Cloud.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests per minute and token.
    pub requests_per_minute: u32,
    /// Channels per OAuth client; one more removes the one that was used longest ago.
    pub channels_max: usize,
    /// Topics per channel.
    pub topics_max: usize,
    /// Life of a channel after the last subscription.
    pub channel_life: Duration,
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// Time to open another socket after `socket_closing`.
    pub swap: Duration,
    /// Tokens that a minute may see before they count as one per call.
    pub tokens_per_minute: usize,
    /// First pages of details queries that a minute may see before they count as polling.
    pub details_queries_per_minute: usize,
    /// Channels that ten seconds may see before they count as a storm and get 429.
    pub channels_per_ten_seconds: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_minute: 300,
            channels_max: 20,
            topics_max: 1_000,
            channel_life: Duration::from_secs(24 * 3_600),
            heartbeat: Duration::from_secs(30),
            swap: Duration::from_secs(60),
            tokens_per_minute: 6,
            // Every 5 to 10 s was judged too often in the field.
            details_queries_per_minute: 12,
            // 15 at once gave 429 in a field report.
            channels_per_ten_seconds: 14,
        }
    }
}

/// One more OAuth client beside the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimClient {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The tenant it belongs to; another than the platform's for a test of mistakes.
    pub organization: OrganizationId,
}

/// What to start a platform with.
#[derive(Clone)]
pub struct PlatformConfig {
    /// The clock by which everything expires and is delivered.
    pub clock: Clock,
    /// The tenant.
    pub organization: OrganizationId,
    /// The first OAuth client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Further OAuth clients, each with its own limits.
    pub more_clients: Vec<SimClient>,
    /// The tenant's users.
    pub users: Vec<SimUser>,
    /// The tenant's queues.
    pub queues: Vec<SimQueue>,
    /// The tenant's groups.
    pub groups: Vec<SimGroup>,
    /// The tenant's divisions.
    pub divisions: Vec<SimDivision>,
    /// Where the login host listens. The API and the streaming host take the two ports
    /// behind it, or any if the port is 0.
    pub bind: SocketAddr,
    /// How long a token is valid.
    pub token_validity: Duration,
    /// Whether a channel ends with the token that made it.
    pub channels_die_with_tokens: bool,
    /// Divisions for which the OAuth client's role has no grant.
    pub forbidden_divisions: BTreeSet<Uuid>,
    /// Permissions that the OAuth client's role lacks, such as
    /// `analytics:conversationDetail:view`.
    pub missing_permissions: BTreeSet<String>,
    /// How far analytics lags behind what happens.
    pub analytics_lag: Duration,
    /// The limits.
    pub limits: Limits,
}

impl PlatformConfig {
    /// Returns the OAuth client of that id, whichever it is.
    pub(super) fn client(&self, id: &str) -> Option<SimClient> {
        let first = SimClient {
            id: self.client_id.clone(),
            secret: self.client_secret.clone(),
            organization: self.organization,
        };
        let mut all = std::iter::once(first).chain(self.more_clients.iter().cloned());
        all.find(|client| client.id == id)
    }

    /// Describes a platform with Genesys' own limits on a free port of this machine.
    pub fn new(
        clock: Clock,
        organization: OrganizationId,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        users: Vec<SimUser>,
    ) -> Self {
        Self {
            clock,
            organization,
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            more_clients: Vec::new(),
            users,
            queues: Vec::new(),
            groups: Vec::new(),
            divisions: vec![SimDivision { id: HOME_DIVISION, name: "Home".to_owned() }],
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token_validity: Duration::from_secs(86_400),
            channels_die_with_tokens: true,
            forbidden_divisions: BTreeSet::new(),
            missing_permissions: BTreeSet::new(),
            analytics_lag: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }
}
