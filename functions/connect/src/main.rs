//! Decides on a handshake that reaches API Gateway.
//!
//! Source: SIDETONE_PUBLIC_URL is what clients sign, SIDETONE_KEYS_SECRET by which keys; the three
//! tables hold the nonces and the connections. What is decided, and how, is `Connector`'s.

mod event;

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use sidetone_admission::{AdmissionConfig, PublicUrl};
use sidetone_driver::Refusals;
use sidetone_lambda_door::{ConnectAnswer, Connector, DoorConfig, admit};
use sidetone_lambda_start::{Environment, Invocation, StartError, TextMedia, run};
use sidetone_ports_aws::{Aws, DynamoStore, SecretsSource, Tables};

use crate::event::ConnectEvent;

fn main() -> ExitCode {
    run("connect", async |environment: Environment| {
        let function = Arc::new(Function::set_up(&environment).await?);
        Ok(move |event: ConnectEvent, invocation: Invocation| {
            let function = Arc::clone(&function);
            async move { Ok(function.answer(event, &invocation).await) }
        })
    })
}

/// What an environment keeps from one handshake to the next.
struct Function {
    connector: Connector<DynamoStore, SecretsSource>,
    store: DynamoStore,
    door: DoorConfig,
    refusals: Refusals,
}

/// What API Gateway understands.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'static str>,
}

impl From<ConnectAnswer> for Answer {
    fn from(answer: ConnectAnswer) -> Self {
        Self { status_code: answer.status, body: answer.body }
    }
}

impl Function {
    async fn set_up(environment: &Environment) -> Result<Self, StartError> {
        let url: PublicUrl = environment.public_url()?.parse()?;
        let text_media = environment.text_media()? == TextMedia::Enabled;
        let door = DoorConfig::new(environment.listen()?, environment.on_hold()?, text_media);
        let tables = Tables {
            calls: environment.calls_table()?.to_owned(),
            users: environment.users_table()?.to_owned(),
            tracker: environment.tracker_table()?.to_owned(),
        };
        let keys = environment.keys_secret()?;
        let aws = Aws::connect().await?;
        let store = aws.store(tables);
        let config = AdmissionConfig::default();
        let connector = Connector::new(&url, config, store.clone(), aws.keys(keys));
        Ok(Self { connector, store, door, refusals: Refusals::default() })
    }

    async fn answer(&self, event: ConnectEvent, invocation: &Invocation) -> Answer {
        let Self { connector, store, door, refusals } = self;
        let clock = &invocation.clock;
        let create = |connection, handshake| admit(store, clock, door, connection, handshake);
        let note = async |claimed, reason| {
            refusals.note(claimed, reason, clock.now());
            refusals.write_in_turn(store, clock).await;
        };
        connector.answer(clock, &event.into_request(), create, note).await.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_what_api_gateway_understands() {
        let written = |answer: ConnectAnswer| serde_json::to_string(&Answer::from(answer)).unwrap();
        assert_eq!(written(ConnectAnswer::ACCEPTED), r#"{"statusCode":200}"#);
        let refused = r#"{"statusCode":401,"body":"unauthorized\n"}"#;
        assert_eq!(written(ConnectAnswer::REFUSED), refused);
    }
}
