//! The users API behind an HTTP API of API Gateway, whose authorizer has looked at the token.
//!
//! Source: SIDETONE_USERS_TABLE is where users stand, SIDETONE_ORGANIZATION_CLAIM the claim that
//! says whose; see `caller`, `request` and `answer` for what API Gateway's forms become.

mod answer;
mod caller;
mod event;
mod handler;
mod request;

use std::process::ExitCode;
use std::sync::Arc;

use sidetone_lambda_start::{Environment, Invocation, StartError, run};
use sidetone_ports_aws::{Aws, DynamoStore, Tables};

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

async fn set_up(environment: &Environment) -> Result<Handler<DynamoStore>, StartError> {
    let claim = environment.organization_claim()?.to_owned();
    // Of the three tables it knows one.
    let tables = Tables {
        calls: String::new(),
        users: environment.users_table()?.to_owned(),
        tracker: String::new(),
    };
    Ok(Handler::new(Aws::connect().await?.store(tables), claim))
}
