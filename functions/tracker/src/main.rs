//! Holds the notification sockets of one OAuth client for some minutes.
//!
//! Started once a minute; whoever finds them held by another returns at once. The event says
//! nothing that matters.
//!
//! Source: SIDETONE_GENESYS_SECRET and SIDETONE_GENESYS_REGION say whose, the three tables and
//! SIDETONE_STREAM where what is heard goes, SIDETONE_HOLD_SECONDS for how long; see `stay`.

mod stay;

use std::process::ExitCode;
use std::sync::Arc;

use serde::de::IgnoredAny;
use sidetone_lambda_start::{Environment, Invocation, StartError, run};
use sidetone_ports_aws::{Aws, Tables};

use crate::stay::{Site, hosts_of};

fn main() -> ExitCode {
    run("tracker", async |environment: Environment| {
        let site = Arc::new(set_up(&environment).await?);
        Ok(move |_: IgnoredAny, invocation: Invocation| {
            let site = Arc::clone(&site);
            async move { site.stay(invocation).await }
        })
    })
}

async fn set_up(environment: &Environment) -> Result<Site, StartError> {
    let hosts = hosts_of(environment.genesys()?)?;
    let hold = environment.hold()?;
    let tables = Tables {
        calls: environment.calls_table()?.to_owned(),
        users: environment.users_table()?.to_owned(),
        tracker: environment.tracker_table()?.to_owned(),
    };
    let (secret, stream) = (environment.genesys_secret()?, environment.stream()?);
    let aws = Aws::connect().await?;
    Ok(Site::new(hosts, hold, aws.genesys_secret(secret), aws.store(tables), aws.sink(stream)))
}
