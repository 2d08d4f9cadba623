//! Takes the partner events of Genesys Cloud from the customer's event bus, one an invocation.
//!
//! A second source of the call events that the tracker hears; both may run, and what came twice
//! counts once. An event that fails is given again by Lambda.
//!
//! Source: SIDETONE_GENESYS_SECRET and SIDETONE_GENESYS_REGION say whose events are taken, the
//! tables of calls and users and SIDETONE_STREAM where they go; see `handler`.

mod handler;

use std::process::ExitCode;
use std::sync::Arc;

use sidetone_lambda_start::{Environment, Invocation, StartError, run};
use sidetone_ports_aws::{Aws, Tables};

use crate::handler::{Handler, hosts_of};

fn main() -> ExitCode {
    run("genesys-events", async |environment: Environment| {
        let handler = Arc::new(set_up(&environment).await?);
        Ok(move |event: serde_json::Value, invocation: Invocation| {
            let handler = Arc::clone(&handler);
            async move { handler.handle(&event, invocation.clock).await }
        })
    })
}

async fn set_up(environment: &Environment) -> Result<Handler, StartError> {
    let hosts = hosts_of(environment.genesys()?)?;
    // Of the three tables it knows two.
    let tables = Tables {
        calls: environment.calls_table()?.to_owned(),
        users: environment.users_table()?.to_owned(),
        tracker: String::new(),
    };
    let (secret, stream) = (environment.genesys_secret()?, environment.stream()?);
    let aws = Aws::connect().await?;
    Ok(Handler::new(hosts, aws.genesys_secret(secret), aws.store(tables), aws.sink(stream)))
}
