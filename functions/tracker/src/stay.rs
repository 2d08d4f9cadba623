//! One invocation: take the lease, track, pass it on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use sidetone_lambda_start::{GenesysPlace, HandlerError, Invocation, StartError};
use sidetone_ports::Fence;
use sidetone_ports_aws::{DynamoStore, GenesysClient, GenesysSecret, KinesisSink};
use sidetone_tracking::{
    Departure, Holding, Hosts, Refused, Secret, Stay, Terms, Tracker, TrackerConfig, TrackerError,
    lease_name,
};
use tokio_util::sync::CancellationToken;

/// What is left of an invocation when the stay is over: for leaving, giving the lease back and
/// writing what was measured.
const MARGIN: Duration = Duration::from_secs(15);

/// What lasts from one invocation to the next.
pub(crate) struct Site {
    hosts: Hosts,
    hold: Duration,
    secret: GenesysSecret,
    store: DynamoStore,
    sink: KinesisSink,
    /// Genesys refused the OAuth client that is remembered.
    was_refused: AtomicBool,
}

/// What an invocation answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// Whether the lease was to be had.
    acquired: bool,
    /// How it ended: `taken` by another before it began, `handed-over`, `expired`, `lost`, ….
    departure: &'static str,
    /// Under which fence.
    fence: Option<Fence>,
    /// For how long.
    held_seconds: u64,
}

impl Site {
    pub(crate) fn new(
        hosts: Hosts,
        hold: Duration,
        secret: GenesysSecret,
        store: DynamoStore,
        sink: KinesisSink,
    ) -> Self {
        Self { hosts, hold, secret, store, sink, was_refused: AtomicBool::new(false) }
    }

    /// Stays as long as it may.
    ///
    /// Errors: the secret or the lease could not be read, or Genesys refuses the OAuth client.
    pub(crate) async fn stay(&self, invocation: Invocation) -> Result<Outcome, HandlerError> {
        let clock = invocation.clock;
        let client = self.client().await?;
        let hold = hold_of(self.hold, invocation.remaining());
        let terms = Terms::new(lease_name(&client.client_id), &invocation.request_id, hold);
        let tracker = self.tracker(client, &invocation)?;
        let begun_at = clock.now();
        let holding = Holding::new(self.store.clone(), clock, terms);
        // Lambda tells nobody before it ends a function; the hold is over by then.
        let never = CancellationToken::new();
        let stay = holding.keep(never, |tenure| tracker.run_under(tenure)).await;
        let held = stay.fence.map_or(Duration::ZERO, |_| clock.now().since(begun_at));
        let refused = matches!(stay.departure, Departure::Ended(Err(TrackerError::Refused(_))));
        self.was_refused.store(refused, Ordering::Relaxed);
        outcome_of(stay, held)
    }

    async fn client(&self) -> Result<GenesysClient, HandlerError> {
        Ok(if self.was_refused.load(Ordering::Relaxed) {
            self.secret.fresh_client().await?
        } else {
            self.secret.client().await?
        })
    }

    fn tracker(
        &self,
        client: GenesysClient,
        invocation: &Invocation,
    ) -> Result<Tracker<DynamoStore, KinesisSink>, HandlerError> {
        let secret = Secret::new(client.client_secret.reveal());
        let first = TrackerConfig {
            refused: Refused::End,
            ..TrackerConfig::new(self.hosts.clone(), client.client_id, secret)
        };
        let config = client.more_clients.into_iter().fold(first, |config, more| {
            config.with_client(more.client_id, Secret::new(more.client_secret.reveal()))
        });
        Ok(Tracker::new(config, invocation.clock, self.store.clone(), self.sink.clone())?)
    }
}

/// Returns where the platform is.
///
/// Errors: no such region, or hosts that are not on this machine.
pub(crate) fn hosts_of(place: GenesysPlace) -> Result<Hosts, StartError> {
    Ok(match place {
        GenesysPlace::Region(region) => Hosts::resolve(&region)?,
        GenesysPlace::Hosts { login, api } => Hosts::loopback(&login, &api)?,
    })
}

/// Returns how long to stay: as long as is set, and not beyond what Lambda leaves.
fn hold_of(set: Duration, remaining: Duration) -> Duration {
    set.min(remaining.saturating_sub(MARGIN))
}

fn outcome_of(stay: Stay<TrackerError>, held: Duration) -> Result<Outcome, HandlerError> {
    let outcome = Outcome {
        acquired: stay.fence.is_some(),
        departure: stay.departure.as_str(),
        fence: stay.fence,
        held_seconds: held.as_secs(),
    };
    match stay.departure {
        Departure::Unavailable(error) => Err(error.into()),
        Departure::Ended(Err(error)) => Err(error.into()),
        Departure::Taken
        | Departure::HandedOver
        | Departure::Expired
        | Departure::Lost
        | Departure::Stopped
        | Departure::Ended(Ok(())) => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use sidetone_ports::StoreError;

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
        let stay = Stay { fence: Some(7), departure: Departure::HandedOver };
        let outcome = outcome_of(stay, Duration::from_millis(61_900)).unwrap();
        assert_eq!(
            serde_json::to_value(&outcome).unwrap(),
            serde_json::json!({
                "acquired": true, "departure": "handed-over", "fence": 7, "held_seconds": 61,
            })
        );
        let taken = Stay { fence: None, departure: Departure::Taken };
        assert!(!outcome_of(taken, Duration::ZERO).unwrap().acquired);
        let error = StoreError::unavailable("ask", "it is down");
        let failed = Stay { fence: None, departure: Departure::Unavailable(error) };
        assert!(outcome_of(failed, Duration::ZERO).is_err());
    }

    #[test]
    fn the_secret_goes_to_a_region_or_to_this_machine() {
        assert!(hosts_of(GenesysPlace::Region("us_west_2".into())).is_ok());
        assert!(hosts_of(GenesysPlace::Region("usw3".into())).is_err());
        let hosts = |login: &str, api: &str| {
            hosts_of(GenesysPlace::Hosts { login: login.into(), api: api.into() })
        };
        assert!(hosts("http://127.0.0.1:81", "http://127.0.0.1:82").is_ok());
        assert!(hosts("http://127.0.0.1:81", "https://evil.example").is_err());
    }
}
