//! Where the host of the router knows whom to ask about an organization's people.

use std::error::Error;
use std::future::Future;

use sidetone_model::OrganizationId;
use sidetone_tracking::PlatformClient;

/// The platform clients of a host, by organization.
///
/// A host keeps each client that it makes: every further one would sign in anew. What it returns
/// need not be checked; the handlers ask Genesys whose client it is before anything else.
pub trait Platforms: Clone + Send + Sync + 'static {
    /// Returns the client of an organization; nothing if none is known.
    ///
    /// Errors: [`NoClient`] if there should be one and it cannot be had at the moment.
    fn platform(
        &self,
        organization: OrganizationId,
    ) -> impl Future<Output = Result<Option<PlatformClient>, NoClient>> + Send;
}

/// An OAuth client that cannot be had, though there should be one.
#[derive(Debug, thiserror::Error)]
#[error("the OAuth client cannot be had")]
pub struct NoClient {
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl NoClient {
    /// Keeps why not, for the log.
    pub fn because(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

/// A host that serves one organization, or all of them by one client.
impl Platforms for PlatformClient {
    async fn platform(&self, _: OrganizationId) -> Result<Option<PlatformClient>, NoClient> {
        Ok(Some(self.clone()))
    }
}

/// A host that knows nobody to ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPlatforms;

impl Platforms for NoPlatforms {
    async fn platform(&self, _: OrganizationId) -> Result<Option<PlatformClient>, NoClient> {
        Ok(None)
    }
}
