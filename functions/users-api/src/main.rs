//! The APIs of users and organizations behind an HTTP API of API Gateway, whose authorizer has looked at the token.
//!
//! Source: SIDETONE_USERS_TABLE is where users stand, SIDETONE_ORGANIZATION_CLAIM the claim that
//! says whose; SIDETONE_GENESYS_SECRET and SIDETONE_GENESYS_REGION say whom to ask about people;
//! that secret and SIDETONE_KEYS_SECRET are changed for organizations.
//! See `caller`, `request` and `answer` for what API Gateway's forms become.

mod answer;
mod caller;
mod event;
mod handler;
mod request;

use std::process::ExitCode;
use std::sync::Arc;

use sidetone_lambda_start::{Environment, Invocation, StartError, run};
use sidetone_ports::Clock;
use sidetone_ports_aws::{Aws, DynamoStore, GenesysSecret, ManagedSecrets, Tables};
use sidetone_tracking::{Hosts, StoredTenants};
use sidetone_users_api::TenantPlatforms;

use crate::event::HttpEvent;
use crate::handler::Handler;

fn main() -> ExitCode {
    run("users-api", async |environment: Environment| {
        let handler = Arc::new(set_up(&environment).await?);
        Ok(move |event: HttpEvent, invocation: Invocation| {
            let handler = Arc::clone(&handler);
            async move { Ok(handler.answer(event, invocation.clock).await) }
        })
    })
}

type Function = Handler<DynamoStore, TenantPlatforms<DynamoStore, GenesysSecret>, ManagedSecrets>;

async fn set_up(environment: &Environment) -> Result<Function, StartError> {
    let claim = environment.organization_claim()?.to_owned();
    let configured = environment.genesys()?;
    // A region that is none is said before anything is asked.
    Hosts::at(&configured)?;
    // Of the three tables it knows two.
    let tables = Tables {
        calls: environment.calls_table()?.to_owned(),
        users: environment.users_table()?.to_owned(),
        tracker: String::new(),
    };
    let (secret, keys) = (environment.genesys_secret()?, environment.keys_secret()?);
    let aws = Aws::connect().await?;
    let source = StoredTenants {
        store: aws.store(tables.clone()),
        clients: aws.genesys_secret(secret),
        configured: Some(configured),
        elsewhere: None,
    };
    let platforms = TenantPlatforms::new(source, None, Clock::system());
    let secrets = aws.secrets(keys, secret);
    Ok(Handler::new(aws.store(tables), platforms, secrets, claim))
}
