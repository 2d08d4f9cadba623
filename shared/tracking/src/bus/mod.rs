//! Partner events of Genesys on an event bus: a second source of the same legs.
//!
//! Each event is handled for itself and nothing that matters stays in memory: what was known
//! before is read from the conversation's partition, and what is learned joins it. So events may
//! come in any order, twice, to several processes at once, and beside the sockets.
//! Source: docs/wire/notification.md, "Event bus".

mod desk;
mod tenants;

use std::sync::Arc;

use sidetone_model::Outside;
use sidetone_notification_proto::{BusEvent, BusEventKind};
use sidetone_ports::{CallStore, Clock, Mailbox, RecordSink, StoreError, UserStore};
use tokio::sync::Mutex;

use crate::legs::{Lags, PublishError};
use crate::platform::{PlatformClient, PlatformError};
use crate::roster::RosterError;
use crate::tracker::{TrackerConfig, TrackerError};
use desk::{Desk, Place};

pub use tenants::{TenantEventError, TenantEvents};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// What it says is in the store, and everybody was told.
    Saved,
    /// It says nothing of a call.
    Nothing,
    /// It is another organization's.
    Foreign,
    /// It cannot be read, or is not Genesys'.
    Unreadable,
}

impl Taken {
    /// Returns the word for metrics, answers and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Nothing => "nothing",
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Why an event was not handled; it is to be given again.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Genesys did not say which organization the OAuth client is of.
    #[error("not signed in to Genesys")]
    SignIn(#[source] PlatformError),
    /// Nobody knows yet who is who.
    #[error("there is no roster")]
    Roster(#[source] RosterError),
    /// The store did not take it.
    #[error("the event is not in the store")]
    Store(#[from] StoreError),
    /// The stream did not take what follows from it.
    #[error("the event is not in the stream")]
    Publish(#[from] PublishError),
}

impl BusError {
    /// Returns whether Genesys refuses the OAuth client, so that a person must act.
    pub const fn is_misconfiguration(&self) -> bool {
        match self {
            Self::SignIn(error) | Self::Roster(RosterError::Platform(error)) => {
                error.is_misconfiguration()
            }
            Self::Roster(RosterError::Store(_)) | Self::Store(_) | Self::Publish(_) => false,
        }
    }
}

/// Takes the partner events of one organization.
pub struct PartnerEvents<S, R> {
    config: TrackerConfig,
    since: Clock,
    store: S,
    sink: R,
    platform: PlatformClient,
    lags: Lags,
    desk: Mutex<Option<Arc<Desk<S>>>>,
}

impl<S, R> PartnerEvents<S, R>
where
    S: CallStore + UserStore + Mailbox,
    R: RecordSink,
{
    /// Prepares for events; asks nothing. `clock` is for what lasts: tokens and look-ups.
    ///
    /// Errors: [`TrackerError::Client`] if TLS cannot be set up on this machine.
    pub fn new(
        config: TrackerConfig,
        clock: Clock,
        store: S,
        sink: R,
        lags: Lags,
    ) -> Result<Self, TrackerError> {
        let platform = PlatformClient::new(
            config.hosts.clone(),
            config.client_id.clone(),
            config.client_secret.clone(),
            clock,
        )
        .map_err(TrackerError::Client)?;
        let desk = Mutex::default();
        Ok(Self { config, since: clock, store, sink, platform, lags, desk })
    }

    /// Takes one event, as the bus passes it on; `clock` is the time of this event, as others
    /// stand still while a process is frozen.
    ///
    /// Errors: [`BusError`] if it is not sure that everything was done; doing it again is
    /// harmless.
    pub async fn take(&self, clock: Clock, text: &str) -> Result<Taken, BusError> {
        match read(text) {
            Some(event) => self.take_read(clock, event).await,
            None => Ok(counted(Taken::Unreadable)),
        }
    }

    /// Takes an event that was read.
    async fn take_read(&self, clock: Clock, event: BusEvent) -> Result<Taken, BusError> {
        self.take_uncounted(clock, event).await.map(counted)
    }

    async fn take_uncounted(&self, clock: Clock, event: BusEvent) -> Result<Taken, BusError> {
        if let BusEventKind::Other { topic } = &event.kind {
            let topic = Outside::new(topic);
            tracing::debug!(%topic, "partner event says nothing of a call");
            return Ok(Taken::Nothing);
        }
        let desk = self.desk(clock).await?;
        let at = Place { events: self, clock };
        if event.organization != desk.organization() {
            tracing::warn!(organization = %event.organization, "partner event of another");
            return Ok(Taken::Foreign);
        }
        match event.kind {
            BusEventKind::Conversation(snapshot) => {
                desk.take_snapshot(at, &snapshot, None).await?;
            }
            BusEventKind::Delta { conversation, delta } => {
                desk.take_delta(at, conversation, &delta).await?;
            }
            BusEventKind::Other { .. } => {}
        }
        Ok(Taken::Saved)
    }

    /// Returns who knows the organization and its people, up to date.
    async fn desk(&self, clock: Clock) -> Result<Arc<Desk<S>>, BusError> {
        let mut kept = self.desk.lock().await;
        if let Some(desk) = &*kept {
            desk.refresh(&self.config, clock.now()).await;
            return Ok(Arc::clone(desk));
        }
        let organization = self.platform.organization().await.map_err(BusError::SignIn)?;
        let desk = Desk::open(organization, Place { events: self, clock })
            .await
            .map_err(BusError::Roster)?;
        let desk = Arc::new(desk);
        *kept = Some(Arc::clone(&desk));
        Ok(desk)
    }
}

/// Reads an event; nothing, and a word in the log, if it is none.
fn read(text: &str) -> Option<BusEvent> {
    BusEvent::read(text)
        .inspect_err(|error| tracing::warn!(%error, "partner event cannot be read"))
        .ok()
}

fn counted(taken: Taken) -> Taken {
    metrics::counter!("sidetone_bus_events_total", "taken" => taken.as_str()).increment(1);
    taken
}
