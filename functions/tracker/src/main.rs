//! Holds the notification sockets of every organization that is to be followed, for some minutes.
//!
//! Started once a minute; whoever finds all of them held by others returns at once. The event
//! says nothing that matters.
//!
//! Source: SIDETONE_GENESYS_SECRET and the table of users say whose, SIDETONE_GENESYS_REGION where
//! the platform of the configured client is; the three tables and SIDETONE_STREAM where what is
//! heard goes, SIDETONE_HOLD_SECONDS for how long; see `stay`.

mod stay;

use std::process::ExitCode;
use std::sync::Arc;

use serde::de::IgnoredAny;
use sidetone_lambda_start::{Environment, Invocation, StartError, run};
use sidetone_ports_aws::{Aws, Tables};
use sidetone_tracking::{Hosts, StoredTenants};

use crate::stay::Site;

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
    let configured = environment.genesys()?;
    // A region that is none is said before anything is asked.
    Hosts::at(&configured)?;
    let hold = environment.hold()?;
    let tables = Tables {
        calls: environment.calls_table()?.to_owned(),
        users: environment.users_table()?.to_owned(),
        tracker: environment.tracker_table()?.to_owned(),
    };
    let (secret, stream) = (environment.genesys_secret()?, environment.stream()?);
    let aws = Aws::connect().await?;
    let tenants = StoredTenants {
        store: aws.store(tables),
        clients: aws.genesys_secret(secret),
        configured: Some(configured),
        elsewhere: None,
    };
    Ok(Site::new(hold, tenants, aws.sink(stream)))
}
