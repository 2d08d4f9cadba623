//! Takes the partner events of Genesys Cloud from the customer's event bus, one an invocation.
//!
//! A second source of the call events that the tracker hears; both may run, and what came twice
//! counts once. An event that fails is given again by Lambda.
//!
//! Source: SIDETONE_GENESYS_SECRET and the table of users say whose events are taken,
//! SIDETONE_GENESYS_REGION where the platform of the configured client is, the tables of calls and
//! users and SIDETONE_STREAM where they go.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use sidetone_lambda_start::{Environment, Invocation, StartError, run};
use sidetone_ports_aws::{Aws, DynamoStore, GenesysSecret, KinesisSink, Tables};
use sidetone_tracking::{Hosts, StoredTenants, TenantEvents};

type Events = TenantEvents<DynamoStore, KinesisSink, GenesysSecret>;

/// What an invocation answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answer {
    /// What became of the event: `saved`, `nothing`, `foreign` or `unreadable`.
    taken: &'static str,
}

fn main() -> ExitCode {
    run("genesys-events", async |environment: Environment| {
        let events = Arc::new(set_up(&environment).await?);
        Ok(move |event: serde_json::Value, invocation: Invocation| {
            let events = Arc::clone(&events);
            async move {
                let taken = events.take(invocation.clock, &event.to_string()).await?;
                Ok(Answer { taken: taken.as_str() })
            }
        })
    })
}

async fn set_up(environment: &Environment) -> Result<Events, StartError> {
    let configured = environment.genesys()?;
    // A region that is none is said before anything is asked.
    Hosts::at(&configured)?;
    // Of the three tables it knows two.
    let tables = Tables {
        calls: environment.calls_table()?.to_owned(),
        users: environment.users_table()?.to_owned(),
        tracker: String::new(),
    };
    let (secret, stream) = (environment.genesys_secret()?, environment.stream()?);
    let aws = Aws::connect().await?;
    let tenants = StoredTenants {
        store: aws.store(tables),
        clients: aws.genesys_secret(secret),
        configured: Some(configured),
        elsewhere: None,
    };
    Ok(TenantEvents::new(tenants, aws.sink(stream)))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use sidetone_notification_proto::{BusEvent, BusEventKind};

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
}
