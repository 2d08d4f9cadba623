//! The users API behind an HTTP API of API Gateway, whose authorizer has looked at the token.
//!
//! Source: SIDETONE_USERS_TABLE is where users stand, SIDETONE_ORGANIZATION_CLAIM the claim that
//! says whose; SIDETONE_GENESYS_SECRET and SIDETONE_GENESYS_REGION say whom to ask about people.
//! See `caller`, `request` and `answer` for what API Gateway's forms become.

mod answer;
mod caller;
mod event;
mod handler;
mod platforms;
mod request;

use std::process::ExitCode;
use std::sync::Arc;

use sidetone_lambda_start::{Environment, Invocation, StartError, run};
use sidetone_ports_aws::{Aws, DynamoStore, Tables};

use crate::event::HttpEvent;
use crate::handler::Handler;
use crate::platforms::{SecretPlatforms, hosts_of};

fn main() -> ExitCode {
    run("users-api", async |environment: Environment| {
        let handler = Arc::new(set_up(&environment).await?);
        Ok(move |event: HttpEvent, invocation: Invocation| {
            let handler = Arc::clone(&handler);
            async move { Ok(handler.answer(event, invocation.clock).await) }
        })
    })
}

async fn set_up(
    environment: &Environment,
) -> Result<Handler<DynamoStore, SecretPlatforms>, StartError> {
    let claim = environment.organization_claim()?.to_owned();
    let hosts = hosts_of(environment.genesys()?)?;
    // Of the three tables it knows two.
    let tables = Tables {
        calls: environment.calls_table()?.to_owned(),
        users: environment.users_table()?.to_owned(),
        tracker: String::new(),
    };
    let secret = environment.genesys_secret()?;
    let aws = Aws::connect().await?;
    let platforms = SecretPlatforms::new(hosts, aws.genesys_secret(secret));
    Ok(Handler::new(aws.store(tables), platforms, claim))
}
