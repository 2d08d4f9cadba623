//! One tracker's time with one tenant, and what came of it.

use std::time::Duration;

use sidetone_ports::{CallStore, Clock, Fence, LeaseStore, Mailbox, RecordSink, UserStore, chain};
use tokio_util::sync::CancellationToken;

use super::{Tenant, TenantName};
use crate::lease::{Departure, Holding, Terms};
use crate::tracker::{Refused, Tracker, TrackerConfig, TrackerError};

/// How trackers in several processes take turns.
#[derive(Debug, Clone)]
pub struct TenantTurns {
    /// Names this process; each stay adds something of its own.
    pub holder: String,
    /// How long a lease is held.
    pub hold: Duration,
    /// Whether that is also when everything ends here, at the latest: all leases are passed on
    /// together, and whoever holds none has nothing to do.
    pub once: bool,
}

/// How a tenant was followed for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantStay {
    /// Whom.
    pub tenant: TenantName,
    /// Under which fence.
    pub fence: Fence,
    /// How it ended: `handed-over`, `expired`, `lost`, ….
    pub departure: &'static str,
    /// How long it was.
    pub held: Duration,
}

/// Why a tenant could not be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tenant} is not followed: {problem}")]
pub struct TenantFailure {
    /// Which.
    pub tenant: TenantName,
    /// Why, in words without a secret.
    pub problem: String,
}

/// What came of following tenants until none was left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantsOutcome {
    /// Those that were followed, in the order in which that ended.
    pub stays: Vec<TenantStay>,
    /// Those that could not be.
    pub failures: Vec<TenantFailure>,
}

/// What came of one try.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) stay: Option<TenantStay>,
    pub(super) problem: Option<String>,
    /// A person must act, perhaps has: secrets are to be read afresh.
    pub(super) was_refused: bool,
}

/// Prepares a tracker for a tenant.
///
/// Errors: what of its settings cannot be, in words.
pub(super) fn tracker<S, R>(
    tenant: &Tenant,
    refused: Refused,
    clock: Clock,
    store: S,
    sink: R,
) -> Result<Tracker<S, R>, String>
where
    S: CallStore + UserStore + Mailbox,
    R: RecordSink,
{
    let config = tenant.config().map_err(|error| chain(&error))?;
    let config = TrackerConfig { refused, ..config };
    Tracker::new(config, clock, store, sink).map_err(|error| chain(&error))
}

/// Follows without a lease: nobody else does.
pub(super) async fn alone<S, R>(tracker: Tracker<S, R>, stop: CancellationToken) -> Ended
where
    S: CallStore + UserStore + Mailbox,
    R: RecordSink,
{
    let problem = tracker.run(stop).await.err().map(|error| chain(&error));
    Ended { stay: None, problem, was_refused: false }
}

/// Follows under a lease if it is to be had.
pub(super) async fn in_turn<S, R>(
    tenant: TenantName,
    tracker: Tracker<S, R>,
    terms: Terms,
    clock: Clock,
    leases: S,
    stop: CancellationToken,
) -> Ended
where
    S: CallStore + UserStore + Mailbox + LeaseStore,
    R: RecordSink,
{
    let begun_at = clock.steady();
    let holding = Holding::new(leases, clock, terms);
    let stay = holding.keep(stop, |tenure| tracker.run_under(tenure)).await;
    let departure = stay.departure.as_str();
    let held = clock.steady().since(begun_at);
    let problem = match &stay.departure {
        Departure::Unavailable(error) => Some(chain(error)),
        Departure::Ended(Err(error)) => Some(chain(error)),
        Departure::Taken
        | Departure::HandedOver
        | Departure::Expired
        | Departure::Lost
        | Departure::Stopped
        | Departure::Ended(Ok(())) => None,
    };
    let was_refused = matches!(
        stay.departure,
        Departure::Ended(Err(TrackerError::Refused(_) | TrackerError::Foreign { .. }))
    );
    let stay = stay.fence.map(|fence| TenantStay { tenant, fence, departure, held });
    Ended { stay, problem, was_refused }
}
