//! Imports a file of users when it is put into the bucket, and writes beside it what became of it.
//!
//! Source: SIDETONE_USERS_BUCKET is the bucket whose events EventBridge passes on,
//! SIDETONE_USERS_TABLE where users stand; see `place` for what a key says, `handler` for the rest.

mod event;
mod files;
mod handler;
mod place;
mod result;

use std::process::ExitCode;
use std::sync::Arc;

use sidetone_lambda_start::{Environment, Invocation, StartError, run};
use sidetone_ports_aws::{Aws, BucketUserFiles, DynamoStore, Tables};

use crate::event::ObjectCreated;
use crate::handler::Handler;

fn main() -> ExitCode {
    run("users-import", async |environment: Environment| {
        let handler = Arc::new(set_up(&environment).await?);
        Ok(move |event: ObjectCreated, invocation: Invocation| {
            let handler = Arc::clone(&handler);
            async move { handler.handle(event, invocation.clock).await }
        })
    })
}

async fn set_up(
    environment: &Environment,
) -> Result<Handler<DynamoStore, BucketUserFiles>, StartError> {
    let bucket = environment.user_files_bucket()?;
    // Of the three tables it knows one.
    let tables = Tables {
        calls: String::new(),
        users: environment.users_table()?.to_owned(),
        tracker: String::new(),
    };
    let aws = Aws::connect().await?;
    Ok(Handler::new(bucket.to_owned(), aws.store(tables), aws.user_files(bucket)))
}
