//! Why an organization was not set up.

use sidetone_model::OrganizationId;
use sidetone_ports::{SecretsError, StoreError};

/// Why an organization is as it was, or as far as it got.
#[derive(Debug, thiserror::Error)]
pub enum OrganizationsError {
    /// Nobody of that id is served.
    #[error("organization {0} is not served here")]
    Unknown(OrganizationId),
    /// Somebody of that id is served already.
    #[error("organization {0} is served here already")]
    Exists(OrganizationId),
    /// Others changed it all the time; secrets that were named may have been written.
    #[error("others changed organization {0} each time this was tried; try again")]
    Crowded(OrganizationId),
    /// What was said of it cannot be.
    #[error("{field}: {reason}")]
    Field {
        /// Which field, as the API calls it.
        field: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// Its secrets were left as they were.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Settings or secrets could not be read, or settings not written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OrganizationsError {
    pub(crate) fn field(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Field { field, reason: reason.into() }
    }
}
