//! One event, handed to whoever knows what it means.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use sidetone_lambda_start::{GenesysPlace, HandlerError, StartError};
use sidetone_ports::Clock;
use sidetone_ports_aws::{DynamoStore, GenesysSecret, KinesisSink};
use sidetone_tracking::{Hosts, Lags, PartnerEvents, Secret, TrackerConfig};
use tokio::sync::Mutex;

/// Whoever takes the events, with the OAuth client that was read last.
type Events = PartnerEvents<DynamoStore, KinesisSink>;

/// Handles the function's events.
pub(crate) struct Handler {
    hosts: Hosts,
    secret: GenesysSecret,
    store: DynamoStore,
    sink: KinesisSink,
    events: Mutex<Kept>,
}

/// What lasts from one invocation to the next.
#[derive(Default)]
struct Kept {
    events: Option<Arc<Events>>,
    /// Genesys refused the OAuth client that was read last.
    was_refused: bool,
}

/// What an invocation answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    /// What became of the event: `saved`, `nothing`, `foreign` or `unreadable`.
    taken: &'static str,
}

impl Handler {
    pub(crate) fn new(
        hosts: Hosts,
        secret: GenesysSecret,
        store: DynamoStore,
        sink: KinesisSink,
    ) -> Self {
        Self { hosts, secret, store, sink, events: Mutex::default() }
    }

    /// Takes an event.
    ///
    /// Errors: Genesys, the store or the stream did not do what was asked of them.
    pub(crate) async fn handle(&self, event: &Value, clock: Clock) -> Result<Answer, HandlerError> {
        let events = self.events(clock).await?;
        match events.take(clock, &event.to_string()).await {
            Ok(taken) => Ok(Answer { taken: taken.as_str() }),
            Err(error) => {
                if error.is_misconfiguration() {
                    // The next one reads the secret anew.
                    *self.events.lock().await = Kept { events: None, was_refused: true };
                }
                Err(error.into())
            }
        }
    }

    async fn events(&self, clock: Clock) -> Result<Arc<Events>, HandlerError> {
        let mut kept = self.events.lock().await;
        if let Some(events) = &kept.events {
            return Ok(Arc::clone(events));
        }
        let client = if kept.was_refused {
            self.secret.fresh_client().await?
        } else {
            self.secret.client().await?
        };
        let secret = Secret::new(client.client_secret.reveal());
        let config = TrackerConfig::new(self.hosts.clone(), client.client_id, secret);
        let (store, sink) = (self.store.clone(), self.sink.clone());
        let events = Arc::new(Events::new(config, clock, store, sink, Lags::default())?);
        *kept = Kept { events: Some(Arc::clone(&events)), was_refused: false };
        Ok(events)
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

#[cfg(test)]
mod tests {
    use sidetone_notification_proto::{BusEvent, BusEventKind};

    use super::*;

    fn read(text: &str) -> BusEventKind {
        // As the function gets it: read once as any JSON, and written again.
        let event: Value = serde_json::from_str(text).unwrap();
        let event = BusEvent::read(&event.to_string()).unwrap();
        assert_eq!(event.organization.to_string(), "0f0e0d0c-0b0a-4908-8706-050403020100");
        assert!(event.sent_at.is_some());
        event.kind
    }

    #[test]
    fn events_are_read_as_lambda_gets_them() {
        for text in [
            include_str!("../events/customer_start.json"),
            include_str!("../events/user_start.json"),
            include_str!("../events/acd_end.json"),
            include_str!("../events/user_end.json"),
            include_str!("../events/acw.json"),
            include_str!("../events/agent_state.json"),
        ] {
            let BusEventKind::Delta { conversation, .. } = read(text) else { panic!("{text}") };
            assert_eq!(conversation.to_string(), "c0a1b2c3-0000-4000-8000-00000000c001");
        }
        let snapshot = read(include_str!("../events/conversation.json"));
        assert!(matches!(snapshot, BusEventKind::Conversation(_)));
        let other = read(include_str!("../events/presence.json"));
        assert!(matches!(other, BusEventKind::Other { .. }));
        let foreign: Value =
            serde_json::from_str(include_str!("../events/scheduled.json")).unwrap();
        assert!(BusEvent::read(&foreign.to_string()).is_err());
    }

    #[test]
    fn the_secret_goes_to_a_region_or_to_this_machine() {
        let hosts = |login: &str, api: &str| {
            hosts_of(GenesysPlace::Hosts { login: login.into(), api: api.into() })
        };
        assert!(hosts_of(GenesysPlace::Region("usw2".into())).is_ok());
        assert!(hosts_of(GenesysPlace::Region("usw3".into())).is_err());
        assert!(hosts("http://127.0.0.1:81", "http://127.0.0.1:82").is_ok());
        assert!(hosts("http://127.0.0.1:81", "https://evil.example").is_err());
    }
}
