//! Partner events of several organizations: each goes to whoever asks the platform with its own
//! organization's OAuth client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sidetone_model::{OrganizationId, Timestamp};
use sidetone_ports::{
    CallStore, ClientSource, Clock, Mailbox, OrganizationStore, RecordSink, StoreError, UserStore,
};
use tokio::sync::Mutex;

use super::{BusError, PartnerEvents, Taken, counted, read};
use crate::legs::Lags;
use crate::platform::PlaceError;
use crate::tenants::{StoredTenants, Tenant, TenantName, Unready};
use crate::tracker::{TrackerConfig, TrackerError};

/// How long settings and secrets that were read are believed.
const LIFE: Duration = Duration::from_secs(60);

/// Why an event of one of several organizations was not handled; it is to be given again.
#[derive(Debug, thiserror::Error)]
pub enum TenantEventError {
    /// Settings or secrets cannot be read.
    #[error("whose events are taken cannot be read")]
    Source(#[from] StoreError),
    /// The settings name no platform.
    #[error("{tenant} has no platform")]
    Place {
        /// Whose.
        tenant: String,
        /// Why.
        #[source]
        source: PlaceError,
    },
    /// There is no secret of any of its OAuth clients.
    #[error("{tenant} has no OAuth client whose secret is known")]
    NoClient {
        /// Whose.
        tenant: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Client(#[from] TrackerError),
    /// It could not be taken.
    #[error(transparent)]
    Event(#[from] BusError),
}

/// Takes the partner events of all organizations that are to be followed.
pub struct TenantEvents<S, R, C> {
    source: StoredTenants<S, C>,
    sink: R,
    kept: Mutex<Kept<S, R>>,
}

/// What lasts from one event to the next.
struct Kept<S, R> {
    /// Who is to be followed, and when that was read.
    tenants: Option<(Vec<Tenant>, Timestamp)>,
    /// Who takes whose events, with what he was made of.
    takers: BTreeMap<TenantName, (Tenant, Arc<PartnerEvents<S, R>>)>,
    /// The platform refused a client: secrets are to be read afresh.
    were_refused: bool,
}

impl<S, R, C> TenantEvents<S, R, C>
where
    S: CallStore + UserStore + Mailbox + OrganizationStore,
    R: RecordSink,
    C: ClientSource,
{
    /// Prepares for events; asks nothing.
    pub fn new(source: StoredTenants<S, C>, sink: R) -> Self {
        let kept = Kept { tenants: None, takers: BTreeMap::new(), were_refused: false };
        Self { source, sink, kept: Mutex::new(kept) }
    }

    /// Takes one event, as [`PartnerEvents::take`] does.
    ///
    /// Errors: [`TenantEventError`] if it is not sure that everything was done; doing it again
    /// is harmless.
    pub async fn take(&self, clock: Clock, text: &str) -> Result<Taken, TenantEventError> {
        let Some(event) = read(text) else { return Ok(counted(Taken::Unreadable)) };
        let organization = event.organization;
        let Some(taker) = self.taker(clock, organization).await? else {
            tracing::warn!(%organization, "partner event of somebody who is not served");
            return Ok(counted(Taken::Foreign));
        };
        match taker.take_read(clock, event).await {
            Ok(taken) => Ok(taken),
            Err(error) => {
                if error.is_misconfiguration() {
                    // The next event reads the secrets anew.
                    let mut kept = self.kept.lock().await;
                    kept.tenants = None;
                    kept.were_refused = true;
                    kept.takers.retain(|_, (_, known)| !Arc::ptr_eq(known, &taker));
                }
                Err(error.into())
            }
        }
    }

    /// Returns who takes an organization's events: its own, else the configured client's, who
    /// leaves what is not his.
    async fn taker(
        &self,
        clock: Clock,
        organization: OrganizationId,
    ) -> Result<Option<Arc<PartnerEvents<S, R>>>, TenantEventError> {
        let mut kept = self.kept.lock().await;
        let now = clock.now();
        let is_good = |(_, read_at): &(Vec<Tenant>, Timestamp)| now.since(*read_at) < LIFE;
        let tenants = match kept.tenants.take().filter(is_good) {
            Some(known) => kept.tenants.insert(known),
            None => {
                let tenants = self.source.tenants(kept.were_refused).await?;
                kept.were_refused = false;
                kept.tenants.insert((tenants, now))
            }
        };
        let own = TenantName::Organization(organization);
        let found = tenants.0.iter().find(|tenant| tenant.name == own);
        let configured = || tenants.0.iter().find(|one| one.name.organization().is_none());
        let Some(tenant) = found.or_else(configured).cloned() else { return Ok(None) };
        if let Some((known, taker)) = kept.takers.get(&tenant.name)
            && *known == tenant
        {
            return Ok(Some(Arc::clone(taker)));
        }
        let (store, sink) = (self.source.store.clone(), self.sink.clone());
        let config = config_of(&tenant)?;
        let taker = Arc::new(PartnerEvents::new(config, clock, store, sink, Lags::default())?);
        kept.takers.insert(tenant.name.clone(), (tenant, Arc::clone(&taker)));
        Ok(Some(taker))
    }
}

fn config_of(tenant: &Tenant) -> Result<TrackerConfig, TenantEventError> {
    let name = tenant.name.to_string();
    tenant.config().map_err(|error| match error {
        Unready::Place(source) => TenantEventError::Place { tenant: name, source },
        Unready::NoClient => TenantEventError::NoClient { tenant: name },
    })
}
