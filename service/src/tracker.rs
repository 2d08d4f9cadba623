//! The tracker within the door: the same, under the same lease, as the function that is started
//! every minute.
//!
//! It asks for the lease once a minute, also while it holds it: so it succeeds itself with an
//! overlap, or is succeeded by whoever asks first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sidetone_lambda_start::{Environment, EnvironmentError, GenesysPlace, Tracking};
use sidetone_ports::{
    CallStore, Clock, LeaseStore, Mailbox, RecordSink, StoreError, UserStore, chain,
};
use sidetone_ports_aws::{GenesysClient, GenesysSecret};
use sidetone_tracking::{
    Departure, Holding, Hosts, Refused, Secret, Terms, Tracker, TrackerConfig, TrackerError,
    lease_name,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the lease is asked for: as often as the function is started.
const EVERY: Duration = Duration::from_secs(60);

/// One holds, one takes over.
const STAYS_MAX: usize = 2;

/// What a tracker within the door is told.
#[derive(Debug, Clone)]
pub(crate) struct TrackerSettings {
    pub(crate) hosts: Hosts,
    pub(crate) hold: Duration,
    /// The ARN of the secret with the OAuth clients.
    pub(crate) secret: String,
}

/// Why the door cannot track.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrackerSettingsError {
    /// A variable is missing or wrong.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// There is no such platform.
    #[error("SIDETONE_GENESYS_REGION, or SIDETONE_GENESYS_LOGIN and _API, cannot be used")]
    Hosts(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TrackerSettings {
    /// Reads the environment; nothing if the door does not track.
    ///
    /// Errors: the first variable that is missing or is not what it should be.
    pub(crate) fn read(environment: &Environment) -> Result<Option<Self>, TrackerSettingsError> {
        match environment.tracking()? {
            Tracking::Disabled => return Ok(None),
            Tracking::Enabled => {}
        }
        let hosts = match environment.genesys()? {
            GenesysPlace::Region(region) => Hosts::resolve(&region).map_err(no_hosts)?,
            GenesysPlace::Hosts { login, api } => {
                Hosts::loopback(&login, &api).map_err(no_hosts)?
            }
        };
        let (hold, secret) = (environment.hold()?, environment.genesys_secret()?.to_owned());
        Ok(Some(Self { hosts, hold, secret }))
    }
}

fn no_hosts(error: impl std::error::Error + Send + Sync + 'static) -> TrackerSettingsError {
    TrackerSettingsError::Hosts(Box::new(error))
}

/// Where the OAuth clients come from.
pub(crate) trait Clients: Clone + Send + Sync + 'static {
    /// Returns them; past any memory if the platform refused those that were known.
    fn clients(
        &self,
        were_refused: bool,
    ) -> impl Future<Output = Result<GenesysClient, StoreError>> + Send;
}

impl Clients for GenesysSecret {
    async fn clients(&self, were_refused: bool) -> Result<GenesysClient, StoreError> {
        if were_refused { self.fresh_client().await } else { self.client().await }
    }
}

/// Takes turns at tracking.
#[derive(Clone)]
pub(crate) struct Turns<S, R, C> {
    pub(crate) clock: Clock,
    pub(crate) hosts: Hosts,
    pub(crate) hold: Duration,
    /// Names whoever holds the lease, with something that makes each stay another.
    pub(crate) name: String,
    pub(crate) store: S,
    pub(crate) sink: R,
    pub(crate) clients: C,
    /// The platform refused the clients that are remembered.
    pub(crate) were_refused: Arc<AtomicBool>,
}

impl<S, R, C> Turns<S, R, C>
where
    S: CallStore + UserStore + Mailbox + LeaseStore,
    R: RecordSink,
    C: Clients,
{
    /// Asks for the lease every minute, and tracks whenever it is to be had, until `stop`.
    pub(crate) async fn take(self, stop: CancellationToken) {
        let mut stays = JoinSet::new();
        let mut next_at = self.clock.now();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = stays.join_next(), if !stays.is_empty() => note(ended),
                () = self.clock.sleep_until(next_at) => {
                    next_at = self.clock.now() + EVERY;
                    if stays.len() < STAYS_MAX {
                        stays.spawn(self.clone().stay(stop.clone()));
                    }
                }
            }
        }
        while let Some(ended) = stays.join_next().await {
            note(ended);
        }
    }

    async fn stay(self, stop: CancellationToken) {
        let clients = match self.clients.clients(self.were_refused.load(Ordering::Relaxed)).await {
            Ok(clients) => clients,
            Err(error) => {
                tracing::error!(error = chain(&error), "the OAuth client cannot be read");
                return;
            }
        };
        let holder = format!("{}-{}", self.name, uuid::Uuid::new_v4().simple());
        let terms = Terms::new(lease_name(&clients.client_id), holder, self.hold);
        let config = config_of(self.hosts, &clients);
        let tracker = match Tracker::new(config, self.clock, self.store.clone(), self.sink) {
            Ok(tracker) => tracker,
            Err(error) => {
                tracing::error!(error = chain(&error), "the tracker cannot start");
                return;
            }
        };
        let holding = Holding::new(self.store, self.clock, terms);
        let stay = holding.keep(stop, |tenure| tracker.run_under(tenure)).await;
        let refused = matches!(stay.departure, Departure::Ended(Err(TrackerError::Refused(_))));
        self.were_refused.store(refused, Ordering::Relaxed);
        match stay.departure {
            Departure::Taken => tracing::debug!("another tracks"),
            Departure::Unavailable(error) => {
                tracing::warn!(error = chain(&error), "whose turn it is cannot be read");
            }
            Departure::Ended(Err(error)) => {
                tracing::error!(error = chain(&error), "the tracker ended");
            }
            departure @ (Departure::HandedOver
            | Departure::Expired
            | Departure::Lost
            | Departure::Stopped
            | Departure::Ended(Ok(()))) => {
                tracing::info!(
                    departure = departure.as_str(),
                    fence = stay.fence,
                    "a turn is over"
                );
            }
        }
    }
}

fn config_of(hosts: Hosts, clients: &GenesysClient) -> TrackerConfig {
    let secret = Secret::new(clients.client_secret.reveal());
    let first = TrackerConfig {
        refused: Refused::End,
        ..TrackerConfig::new(hosts, clients.client_id.as_str(), secret)
    };
    clients.more_clients.iter().fold(first, |config, client| {
        config.with_client(client.client_id.as_str(), Secret::new(client.client_secret.reveal()))
    })
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = chain(&error), "a turn at tracking broke off");
    }
}

#[cfg(test)]
mod tests;
