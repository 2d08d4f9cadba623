//! What goes wrong between here and the platform API.

use std::time::Duration;

use sidetone_model::OrganizationId;

/// A request that brought nothing.
///
/// Addresses are left out of every text: some of them are secrets.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// Genesys does not know the OAuth client, or not with this secret, or not in this
    /// region. A person must put it right.
    #[error(
        "{host} refused the OAuth client with {status} {error}: {description}; a client exists in \
         one region only, so check the region too"
    )]
    Credentials {
        /// The login host that was asked.
        host: String,
        /// The status.
        status: u16,
        /// The OAuth error.
        error: String,
        /// Genesys' words, such as `client not found`.
        description: String,
    },
    /// The OAuth client was entered for another organization than its own. A person must put it
    /// right.
    #[error("the OAuth client belongs to organization {found}, not to {expected}")]
    OtherOrganization {
        /// Whose it is.
        found: OrganizationId,
        /// Whose it should be.
        expected: OrganizationId,
    },
    /// Genesys understood and said no; asking again would not help.
    #[error("Genesys refused to {action} with {status} {code}, correlation id {correlation}")]
    Refused {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// The status.
        status: u16,
        /// Genesys' code.
        code: String,
        /// For Genesys' support.
        correlation: String,
        /// Genesys' words. May name people; not for logs.
        message: String,
    },
    /// Genesys wants to be left alone for longer than is worth waiting here.
    #[error("Genesys wants a rest of {} s before it will {action}", retry_after.as_secs())]
    Throttled {
        /// What was tried.
        action: &'static str,
        /// How long.
        retry_after: Duration,
    },
    /// Genesys failed each time it was asked.
    #[error("Genesys failed to {action} with {status}, correlation id {correlation}")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// The last status.
        status: u16,
        /// For Genesys' support.
        correlation: String,
    },
    /// There was no answer.
    #[error("{host} could not be reached to {action}")]
    Unreachable {
        /// The host that was dialled, so that a firewall can be opened.
        host: String,
        /// What was tried.
        action: &'static str,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// There was no answer in time.
    #[error("{host} took too long to {action}")]
    TimedOut {
        /// The host that was dialled, so that a firewall can be opened.
        host: String,
        /// What was tried.
        action: &'static str,
    },
    /// There was an answer that is not what it should be.
    #[error("Genesys answered something unexpected when asked to {action}: {what}")]
    Unexpected {
        /// What was tried.
        action: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl PlatformError {
    /// Returns whether a person must put the configuration right.
    pub const fn is_misconfiguration(&self) -> bool {
        matches!(self, Self::Credentials { .. } | Self::OtherOrganization { .. })
    }

    /// Returns whether the OAuth client's role lacks what it would need.
    pub const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }

    /// Returns whether what was asked for does not exist.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Returns Genesys' code, if it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Credentials { .. }
            | Self::OtherOrganization { .. }
            | Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Unexpected { .. } => None,
        }
    }
}
