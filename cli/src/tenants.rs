//! A tracker for each organization that is set up in the store, and the door's way of listening
//! to it; what is added, changed or removed takes effect within seconds.
//!
//! Refuses: an OAuth client that belongs to another organization than it was entered for.

use std::collections::BTreeMap;
use std::time::Duration;

use sidetone_driver::Host;
use sidetone_model::{Organization, OrganizationId, PlatformPlace};
use sidetone_ports::{Clock, OrganizationStore, RecordSink, chain};
use sidetone_ports_embedded::{ClientFile, Store, StoredClient};
use sidetone_tracking::{Secret, Tracker, TrackerConfig, TrackerStatus};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::platforms::hosts_of_place;

/// How often the store is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How each organization's tracker does.
pub type TenantStatuses = BTreeMap<OrganizationId, watch::Receiver<TrackerStatus>>;

/// Keeps a tracker for each organization.
pub(crate) struct Tenants<R: RecordSink> {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) sink: R,
    pub(crate) host: Host<Store, R>,
    pub(crate) clients: ClientFile,
    /// The tracker of the configuration file, whose organization has no second one.
    pub(crate) configured: Option<watch::Receiver<TrackerStatus>>,
    pub(crate) statuses: watch::Sender<TenantStatuses>,
}

/// What a tracker was started with; another one is started when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    platform: PlatformPlace,
    clients: Vec<StoredClient>,
}

struct Running {
    wanted: Wanted,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl<R: RecordSink> Tenants<R> {
    /// Works until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let (mut running, mut refused) = (BTreeMap::new(), BTreeMap::new());
        loop {
            match self.look().await {
                Ok(wanted) => self.fit(wanted, &mut running, &mut refused).await,
                // What runs goes on.
                Err(problem) => tracing::warn!(problem, "organizations cannot be read"),
            }
            if stop.run_until_cancelled(self.clock.sleep(LOOK_EVERY)).await.is_none() {
                break;
            }
        }
        for (_, tracker) in running {
            tracker.end().await;
        }
    }

    /// Reads what is wanted, and has the door listen so.
    async fn look(&self) -> Result<BTreeMap<OrganizationId, Wanted>, String> {
        let organizations = self.store.organizations().await.map_err(|error| chain(&error))?;
        self.host.serve_organizations(&organizations);
        let file = self.clients.clone();
        let read = tokio::task::spawn_blocking(move || wanted_of(&file, organizations)).await;
        let mut wanted = read.map_err(|error| chain(&error))??;
        let configured = self.configured.as_ref();
        if let Some(own) = configured.and_then(|status| status.borrow().organization) {
            wanted.remove(&own);
        }
        Ok(wanted)
    }

    async fn fit(
        &self,
        mut wanted: BTreeMap<OrganizationId, Wanted>,
        running: &mut BTreeMap<OrganizationId, Running>,
        refused: &mut BTreeMap<OrganizationId, Wanted>,
    ) {
        let is_outdated = |id: &OrganizationId, one: &Running| {
            one.task.is_finished() || wanted.get(id) != Some(&one.wanted)
        };
        let outdated: Vec<OrganizationId> =
            running.iter().filter(|(id, one)| is_outdated(id, one)).map(|(id, _)| *id).collect();
        for id in outdated {
            if let Some(tracker) = running.remove(&id) {
                tracker.end().await;
                self.statuses.send_modify(|statuses| drop(statuses.remove(&id)));
            }
        }
        // What cannot be followed is said once, until somebody changes it.
        refused.retain(|id, one| wanted.get(id) == Some(one));
        wanted.retain(|id, _| !running.contains_key(id) && !refused.contains_key(id));
        for (id, wanted) in wanted {
            match self.start(id, &wanted) {
                Ok((status, started)) => {
                    self.statuses.send_modify(|statuses| drop(statuses.insert(id, status)));
                    running.insert(id, started);
                }
                Err(problem) => {
                    tracing::error!(organization = %id, problem, "organization not followed");
                    refused.insert(id, wanted);
                }
            }
        }
    }

    fn start(
        &self,
        id: OrganizationId,
        wanted: &Wanted,
    ) -> Result<(watch::Receiver<TrackerStatus>, Running), String> {
        let hosts = hosts_of_place(&wanted.platform).map_err(|error| chain(&*error))?;
        let mut clients = wanted.clients.iter();
        let Some(first) = clients.next() else {
            return Err("it has no OAuth client whose secret is known".to_owned());
        };
        let secret = |client: &StoredClient| Secret::new(client.client_secret.as_str());
        let config = TrackerConfig {
            organization: Some(id),
            ..TrackerConfig::new(hosts, first.client_id.as_str(), secret(first))
        };
        let config = clients.fold(config, |config, client| {
            config.with_client(client.client_id.as_str(), secret(client))
        });
        let tracker = Tracker::new(config, self.clock, self.store.clone(), self.sink.clone())
            .map_err(|error| chain(&error))?;
        let (status, stop) = (tracker.status(), CancellationToken::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = tracker.run(stopped).await {
                tracing::error!(organization = %id, error = chain(&error), "a tracker died");
            }
        });
        tracing::info!(organization = %id, "organization is followed");
        Ok((status, Running { wanted: wanted.clone(), stop, task }))
    }
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        // A panic in it was logged where it happened.
        let _ = self.task.await;
    }
}

/// Joins the settings with the clients' secrets.
fn wanted_of(
    file: &ClientFile,
    organizations: Vec<Organization>,
) -> Result<BTreeMap<OrganizationId, Wanted>, String> {
    let mut wanted = BTreeMap::new();
    for one in organizations {
        let mut clients = file.clients(one.id).map_err(|error| chain(&error))?;
        clients.retain(|client| one.client_ids.contains(&client.client_id));
        wanted.insert(one.id, Wanted { platform: one.platform, clients });
    }
    Ok(wanted)
}

/// Returns what stands in the way of an organization's tracker, if something does.
pub(crate) fn problem_of(statuses: &TenantStatuses) -> Option<String> {
    statuses.iter().find_map(|(id, status)| {
        let status = status.borrow();
        let problem = || status.problem.clone().unwrap_or_else(|| "not connected yet".to_owned());
        (!status.is_connected()).then(|| format!("organization {id}: {}", problem()))
    })
}
