//! One invocation: take the leases that are to be had, track, pass them on.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;
use sidetone_lambda_start::{HandlerError, Invocation};
use sidetone_ports::Fence;
use sidetone_ports_aws::{DynamoStore, GenesysSecret, KinesisSink};
use sidetone_tracking::{StoredTenants, TenantStay, TenantTurns, Tenants, TenantsOutcome};
use tokio_util::sync::CancellationToken;

/// What is left of an invocation when the stay is over: for leaving, giving the leases back and
/// writing what was measured.
const MARGIN: Duration = Duration::from_secs(15);

/// What lasts from one invocation to the next.
pub(crate) struct Site {
    hold: Duration,
    tenants: StoredTenants<DynamoStore, GenesysSecret>,
    sink: KinesisSink,
    /// Genesys refused an OAuth client that is remembered.
    were_refused: Arc<AtomicBool>,
}

/// What an invocation answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// Whether a lease was to be had.
    acquired: bool,
    /// Those that were.
    stays: Vec<StayOutcome>,
}

/// What came of one lease.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct StayOutcome {
    /// Whose calls were followed.
    tenant: String,
    /// How it ended: `handed-over`, `expired`, `lost`, ….
    departure: &'static str,
    /// Under which fence.
    fence: Fence,
    /// For how long.
    held_seconds: u64,
}

impl Site {
    pub(crate) fn new(
        hold: Duration,
        tenants: StoredTenants<DynamoStore, GenesysSecret>,
        sink: KinesisSink,
    ) -> Self {
        Self { hold, tenants, sink, were_refused: Arc::default() }
    }

    /// Stays as long as it may.
    ///
    /// Errors: settings, secrets or leases could not be read, or somebody cannot be followed;
    /// all others were, for as long as they were to be.
    pub(crate) async fn stay(&self, invocation: Invocation) -> Result<Outcome, HandlerError> {
        let turns = TenantTurns {
            holder: invocation.request_id.clone(),
            hold: hold_of(self.hold, invocation.remaining()),
            once: true,
        };
        let (store, sink) = (self.tenants.store.clone(), self.sink.clone());
        let tenants =
            Tenants::new(invocation.clock, store, sink, self.tenants.clone(), Some(turns))
                .remembering(Arc::clone(&self.were_refused));
        // Lambda tells nobody before it ends a function; the hold is over by then.
        outcome_of(tenants.run(CancellationToken::new()).await?)
    }
}

/// Returns how long to stay: as long as is set, and not beyond what Lambda leaves.
fn hold_of(set: Duration, remaining: Duration) -> Duration {
    set.min(remaining.saturating_sub(MARGIN))
}

fn outcome_of(outcome: TenantsOutcome) -> Result<Outcome, HandlerError> {
    let failures: Vec<String> = outcome.failures.iter().map(ToString::to_string).collect();
    if !failures.is_empty() {
        return Err(failures.join("; ").into());
    }
    let stay = |stay: TenantStay| StayOutcome {
        tenant: stay.tenant.to_string(),
        departure: stay.departure,
        fence: stay.fence,
        held_seconds: stay.held.as_secs(),
    };
    let stays: Vec<StayOutcome> = outcome.stays.into_iter().map(stay).collect();
    Ok(Outcome { acquired: !stays.is_empty(), stays })
}

#[cfg(test)]
mod tests {
    use sidetone_tracking::{TenantFailure, TenantName};

    use super::*;

    #[test]
    fn a_stay_is_over_before_lambda_ends_it() {
        let secs = Duration::from_secs;
        assert_eq!(hold_of(secs(840), secs(899)), secs(840));
        assert_eq!(hold_of(secs(840), secs(300)), secs(285));
        assert_eq!(hold_of(secs(90), secs(5)), secs(0));
    }

    #[test]
    fn what_came_of_it_is_said_and_a_failure_is_one() {
        let tenant = TenantName::Configured("client".to_owned());
        let held = Duration::from_millis(61_900);
        let stay = TenantStay { tenant: tenant.clone(), fence: 7, departure: "handed-over", held };
        let outcome = TenantsOutcome { stays: vec![stay], failures: Vec::new() };
        assert_eq!(
            serde_json::to_value(outcome_of(outcome.clone()).unwrap()).unwrap(),
            serde_json::json!({ "acquired": true, "stays": [{
                "tenant": "the configured OAuth client",
                "departure": "handed-over", "fence": 7, "held_seconds": 61,
            }] })
        );
        assert!(!outcome_of(TenantsOutcome::default()).unwrap().acquired);
        let failure = TenantFailure { tenant, problem: "it is down".to_owned() };
        let failed = TenantsOutcome { failures: vec![failure], ..outcome };
        assert!(outcome_of(failed).is_err(), "although another was followed");
    }
}
