//! How the sessions of each organization listen: as its settings say, or else as the door does.
//!
//! The organization is the verified handshake's, so nobody gets another's way of listening.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sidetone_engine::EngineConfig;
use sidetone_model::{Organization, OrganizationId};
use sidetone_ports::{
    CallStore, Mailbox, NonceStore, OrganizationStore, OwnerStore, RecordSink, StoreError, chain,
};
use tokio_util::sync::CancellationToken;

use crate::host::Host;

/// The engine's settings by organization.
#[derive(Debug)]
pub(crate) struct Policies {
    usual: Arc<EngineConfig>,
    own: RwLock<BTreeMap<OrganizationId, Arc<EngineConfig>>>,
}

impl Policies {
    pub(crate) fn new(usual: EngineConfig) -> Self {
        Self { usual: Arc::new(usual), own: RwLock::default() }
    }

    /// Returns the settings for a session of an organization.
    pub(crate) fn of(&self, organization: OrganizationId) -> Arc<EngineConfig> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(own.get(&organization).unwrap_or(&self.usual))
    }

    /// Takes the settings of all organizations in the place of those that there were.
    pub(crate) fn replace(&self, organizations: &[Organization]) {
        let of = |one: &Organization| {
            let usual = EngineConfig::clone(&self.usual);
            let config = EngineConfig { listen: one.listen, on_hold: one.on_hold, ..usual };
            (one.id, Arc::new(config))
        };
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        *own = organizations.iter().map(of).collect();
    }
}

impl<S, R> Host<S, R>
where
    S: CallStore + Mailbox + NonceStore + OwnerStore + OrganizationStore,
    R: RecordSink,
{
    /// Has sessions that open from now on listen as the settings of their organization say,
    /// those of all others as the host's own.
    ///
    /// Errors: [`StoreError`] if the settings cannot be read; those that were known hold.
    pub async fn look_at_organizations(&self) -> Result<(), StoreError> {
        self.policies().replace(&self.store().organizations().await?);
        Ok(())
    }

    /// Looks at the settings every so often, until told to stop.
    pub async fn follow_organizations(self, every: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(self.clock().sleep(every)).await.is_some() {
            if let Err(error) = self.look_at_organizations().await {
                tracing::warn!(error = chain(&error), "organizations cannot be read");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sidetone_model::{Listen, OnHold, PlatformPlace};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_organization_listens_as_it_was_set_and_the_others_as_the_door() {
        let (one, other) = (OrganizationId::new(Uuid::from_u128(1)), Uuid::from_u128(2));
        let policies = Policies::new(EngineConfig { listen: Listen::Ready, ..Default::default() });
        policies.replace(&[Organization {
            id: one,
            platform: PlatformPlace::Region("usw2".to_owned()),
            client_ids: Vec::new(),
            listen: Listen::Always,
            on_hold: OnHold::Pause,
            queues: Vec::new(),
            retention_days: None,
        }]);
        let of = |id| {
            let config = policies.of(id);
            (config.listen, config.on_hold)
        };
        assert_eq!(of(one), (Listen::Always, OnHold::Pause));
        assert_eq!(of(OrganizationId::new(other)), (Listen::Ready, OnHold::Keep));
        policies.replace(&[]);
        assert_eq!(of(one), (Listen::Ready, OnHold::Keep));
    }
}
